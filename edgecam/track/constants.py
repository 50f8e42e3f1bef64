"""Every number that the tracker rests on, in seconds and box heights; docs/tracking.md tells why.

None of them is a count of frames: the same values serve 30, 10 and 5 detections a second.
"""
from typing import NamedTuple


class Constants(NamedTuple):
    """The tracker's constants. The settings that are the user's are in `default.yaml`."""

    # How objects move
    speed: float = 0.7              # spread of a new object's speed, heights per second
    accel: float = 1.2              # how speed wanders, heights per second per square root of a second
    glide: float = 8.0              # seconds in which an unseen speed fades to 1/e
    growth: float = 0.1             # spread of a new object's change of size, heights per second
    growth_accel: float = 0.35      # how that wanders
    growth_glide: float = 2.0       # seconds in which it fades
    lasting: float = 0.8            # seconds that a step common to all tracks must take to count half as velocity

    touch: float = 0.02             # longer sides from the picture's edge within which it cuts a box
    enter: float = 0.7              # spreads of speed at which a new object at the edge is expected to come in

    # How well detectors see
    place_noise: float = 0.07       # spread of a detection's centre, heights
    size_noise: float = 0.07        # spread of its width and height, heights
    doubt: float = 0.4              # growth of both (log) for each step of log odds below the usual score

    # Which detection is which track's
    gate: float = 50.0              # largest squared distance in spreads, summed over four numbers
    far_gate: float = 16.0          # the same without overlap, for a pair that is far from all others
    overlap: float = 0.08           # least overlap (IoU) of prediction and detection
    weak_overlap: float = 0.4       # the same for a weak detection
    distance_weight: float = 0.02   # price of one squared spread of distance; 1 - overlap costs 1
    other_label: float = 0.3        # price of a match with another label
    alone: float = 1.3              # price of leaving a contested track without a detection
    hopeless_cost: float = 1.6      # price above which nothing is a match
    weak: float = -2.4              # log odds below the usual score that make a detection weak

    # Which tracks are real
    unseen: float = -5.0            # log odds below the usual score at which a detection is not looked at
    birth: float = -1.5             # weakest detection that may found a track
    twin: float = 0.5               # overlap with a track just seen that keeps a detection from founding another
    worth: float = 2.5              # log odds that a detection with the usual score is right
    repeat: float = 0.2             # seconds after which a second look is a new witness
    proof: float = 1.5              # log odds that confirm a track
    ceiling: float = 6.0            # log odds that no track goes beyond
    absence: float = 1.0            # log odds that a second unseen costs
    patience: float = 0.4           # seconds without a detection after which a tentative track goes
    coast: float = 0.1              # seconds without a detection after which a confirmed track is lost

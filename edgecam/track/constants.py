"""Every number that the tracker rests on, in seconds and box heights; docs/tracking.md tells why.

None of them is a count of frames: the same values serve 30, 10 and 5 detections a second.
"""
from typing import NamedTuple


class Constants(NamedTuple):
    """The tracker's constants. Settings of the user's are in `default.yaml`, not here."""

    # How objects move
    speed: float = 0.7          # spread of a new object's speed, heights per second
    accel: float = 0.9          # how its speed wanders, heights per second per square root of a second
    glide: float = 2.0          # seconds in which an unseen speed fades to 1/e
    growth: float = 0.1         # spread of a new object's change of size, heights per second
    growth_accel: float = 0.3   # how that wanders
    growth_glide: float = 2.0   # seconds

    # How well detectors see
    place_noise: float = 0.06   # spread of a detection's centre, heights
    size_noise: float = 0.07    # spread of its width and height, heights
    doubt: float = 0.25         # how much wider both are for each step of log odds below the usual score

    # Which detection is which track's
    gate: float = 50.0          # largest squared distance in spreads, over four numbers
    overlap: float = 0.15       # least overlap of prediction and detection
    weak_overlap: float = 0.4   # the same for a weak detection
    reach: float = 0.0          # spreads of the prediction by which both boxes are widened to find overlap
    distance_weight: float = 0.02   # weight of the squared distance beside 1 - overlap
    other_label: float = 0.3    # price of a match with another label
    weak: float = -2.0          # log odds below the usual score that make a detection weak

    # Which tracks are real
    hopeless: float = -5.0      # log odds below the usual score from which on a detection is not looked at
    birth: float = -2.0         # weakest detection that may found a track
    worth: float = 2.5          # log odds that a detection with the usual score is right
    repeat: float = 0.2         # seconds after which a second look is a new witness
    proof: float = 1.5          # log odds that confirm a track
    ceiling: float = 6.0        # log odds no track goes beyond
    absence: float = 1.0        # log odds that an unseen second costs
    patience: float = 0.4       # seconds without a detection after which a tentative track goes
    twin: float = 0.7           # overlap with a matched track that keeps a detection from founding another
    coast: float = 0.1          # seconds after which an unseen track is lost

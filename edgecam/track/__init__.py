"""Tracks: detections go in at the detector's pace, boxes come out for any time."""
from edgecam.track.motion import Motion, MotionEstimator
from edgecam.track.sources import open_motion
from edgecam.track.tracker import Tracker

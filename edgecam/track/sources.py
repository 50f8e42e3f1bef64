"""Choose what tells the camera's motion."""


def open_motion(settings):
    """Return the camera-motion estimator of ``track.motion``, None where none is wanted.

    Estimators of pictures are not written yet; the tracker uses the detections' common step.
    """
    return None

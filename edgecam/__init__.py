"""edgecam: sees, tracks, spends the encoder's bits where it matters, and shows it live.

    conf = edgecam.load_config("edgecam.yaml")
    with edgecam.open_camera(conf.capture) as camera, \\
            edgecam.open_detector(conf.detect) as detector, \\
            edgecam.open_encoder(conf.encode, camera.format) as encoder, \\
            edgecam.open_outputs(conf.outputs, encoder.format) as outputs:
        size = camera.format.width, camera.format.height
        tracker = edgecam.Tracker(conf.track, size)
        planner = edgecam.RoiPlanner(conf.roi, size)
        for frame in camera:                                # a leased buffer, not a copy
            with frame:
                tracks = tracker.update(detector.detect(frame), frame.time)
                plan = planner.plan(tracks, frame.time)     # regions, most wanted first
                for packet in encoder.encode(frame, plan):
                    outputs.write(packet)                   # never blocks; what is dropped is counted

`Pipeline(conf).run()` is this loop with the two lanes on their own threads.
"""
from edgecam.capture import open_camera
from edgecam.config import load_config
from edgecam.detect import open_detector
from edgecam.encode import open_encoder
from edgecam.errors import EdgecamError
from edgecam.outputs import open_outputs
from edgecam.pipeline import Pipeline
from edgecam.roi import RoiPlanner
from edgecam.track import Tracker
from edgecam.vocabulary import Box, Detection, Frame, Packet, Plan, Region, Track
from edgecam.version import __version__

__all__ = ["Box", "Detection", "EdgecamError", "Frame", "Packet", "Pipeline", "Plan", "Region", "RoiPlanner", "Track", "Tracker",
           "__version__", "load_config", "open_camera", "open_detector", "open_encoder", "open_outputs"]

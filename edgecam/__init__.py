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
import importlib
import sys
import types

from edgecam.version import __version__

HOMES = {"Box": "vocabulary", "Detection": "vocabulary", "EdgecamError": "errors", "Frame": "vocabulary", "Packet": "vocabulary",
         "Pipeline": "pipeline", "Plan": "vocabulary", "Region": "vocabulary", "RoiPlanner": "roi", "Track": "vocabulary", "Tracker": "track",
         "load_config": "config", "open_camera": "capture", "open_detector": "detect", "open_encoder": "encode", "open_outputs": "outputs"}
__all__ = sorted(HOMES) + ["__version__"]


class Package(types.ModuleType):
    """Fetches a name from its home when somebody asks: `edgecam --help` need not wait for numpy and scipy."""

    def __getattr__(self, name):
        if name not in HOMES:
            raise AttributeError("module {} has no attribute {}".format(self.__name__, name))
        value = getattr(importlib.import_module("edgecam." + HOMES[name]), name)
        setattr(self, name, value)
        return value

    def __dir__(self):
        return sorted(set(super().__dir__()) | set(HOMES))


sys.modules[__name__].__class__ = Package         # a module's own __getattr__ came with Python 3.7

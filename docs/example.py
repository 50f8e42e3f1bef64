"""The whole way of a frame, by hand: what `edgecam.Pipeline` does in exact mode.

    python docs/example.py walk.mp4 out.mp4
"""
import sys

import edgecam


def main(source, target):
    conf = edgecam.load_config(overrides=["capture.input=" + source, "outputs.urls=[{}]".format(target)])
    with edgecam.open_camera(conf.capture) as camera, \
            edgecam.open_detector(conf.detect) as detector, \
            edgecam.open_encoder(conf.encode, camera.format) as encoder, \
            edgecam.open_outputs(conf.outputs, encoder.format, lossless=True) as outputs:
        size = camera.format.width, camera.format.height
        tracker = edgecam.Tracker(conf.track, size)
        planner = edgecam.RoiPlanner(conf.roi, size)
        for frame in camera:
            with frame:
                tracks = tracker.update(detector.detect(frame), frame.time)
                plan = planner.plan(tracks, frame.time)
                for packet in encoder.encode(frame, plan):
                    outputs.write(packet)
        for packet in encoder.flush():
            outputs.write(packet)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])

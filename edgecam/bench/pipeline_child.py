"""One contestant of `edgecam bench pipeline`, in a process of its own: runs, and tells what it cost.

    python -m edgecam.bench.pipeline_child CONTESTANT '{"video": ..., "model": ..., ...}'

The last line of standard output is JSON: frames, CPU seconds of the whole process tree from the
first frame's inference on (loading the model and its first runs count for nobody), CPU seconds
inside the engine since then, and the stages where they are measured one by one.
"""
import json
import resource
import subprocess
import sys
import time
from fractions import Fraction


def tree_cpu():
    """CPU seconds of this process and of the children it waited for."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


class EngineMeter:
    """Adds up the CPU time inside ONNX Runtime's `run`, whoever calls it; right for one engine thread.

    It counts from the first run after `arm`, which is called when the model is loaded and warm.
    """

    def __init__(self):
        from edgecam.detect import onnx
        self.seconds, self.runs, self.began, self._armed = 0.0, 0, None, False
        for name in ("run", "run_with_iobinding"):
            self._wrap(onnx.import_runtime().InferenceSession, name)

    def arm(self):
        self._armed = True

    def _wrap(self, owner, name):
        original = getattr(owner, name)

        def measured(*args, **kwargs):
            if not self._armed:
                return original(*args, **kwargs)
            if self.began is None:
                self.began = tree_cpu()
            started = time.thread_time()
            try:
                return original(*args, **kwargs)
            finally:
                self.seconds += time.thread_time() - started
                self.runs += 1
        setattr(owner, name, measured)


def run_edgecam(task, meter):
    """(a) edgecam itself, with ROI encoding, tracker and an MP4."""
    from edgecam.config import load_config
    from edgecam.detect.network import NetworkDetector
    from edgecam.pipeline import Pipeline
    load = NetworkDetector.__init__

    def load_and_arm(*args):
        load(*args)
        meter.arm()
    NetworkDetector.__init__ = load_and_arm
    conf = load_config(overrides=task["set"] + [
        "capture.input=" + task["video"], "pipeline.mode=exact", "web.listen=off", "detect.backend=onnx",
        "detect.model=" + task["model"], "detect.threads=1", "encode.bitrate={}".format(task["bitrate"]),
        "outputs.urls=[{}]".format(task["output"]), "outputs.overwrite=true", "pipeline.duration={}".format(task["seconds"])])
    return Pipeline(conf).run().encoded


class Engine:
    """What the baselines do with a frame: OpenCV's blob, ONNX Runtime, the same decoder, boxes drawn into the picture."""

    def __init__(self, task, meter):
        import numpy as np
        from edgecam.detect import onnx
        from edgecam.detect.decode import open_decoder
        from edgecam.detect.models import find_model
        onnxruntime = onnx.import_runtime()
        self.model = find_model(task["model"])
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(self.model.file, options, providers=["CPUExecutionProvider"])
        self._decode = open_decoder(self.model)
        self._names = [output.name for output in self._session.get_outputs()]
        self.infer(np.zeros(self.model.input.shape, self.model.input.dtype))
        meter.arm()

    def blob(self, picture):
        import cv2
        return cv2.dnn.blobFromImage(picture, 1.0, (self.model.input.width, self.model.input.height), swapRB=True)

    def infer(self, blob):
        outputs = self._session.run(self._names, {self._session.get_inputs()[0].name: blob})
        return self._decode.decode(dict(zip(self._names, outputs)), 0.3)

    def draw(self, picture, candidates):
        import cv2
        sx, sy = picture.shape[1] / float(self.model.input.width), picture.shape[0] / float(self.model.input.height)
        boxes = [[float(l * sx), float(t * sy), float((r - l) * sx), float((b - t) * sy)] for l, t, r, b in candidates.boxes]
        kept = cv2.dnn.NMSBoxes(boxes, [float(score) for score in candidates.scores], 0.3, 0.55)
        for index in kept:
            x, y, w, h = (int(v) for v in boxes[int(index)])
            cv2.rectangle(picture, (x, y), (x + w, y + h), (0, 255, 0), 2)
            cv2.putText(picture, "{:.2f}".format(float(candidates.scores[int(index)])), (x, y - 4), 0, 0.5, (0, 255, 0), 1)


def run_opencv(task, meter):
    """(b) the usual loop: VideoCapture, ONNX Runtime, drawing, JPEG."""
    import cv2
    cv2.setNumThreads(1)
    engine, capture, frames = Engine(task, meter), cv2.VideoCapture(task["video"]), 0
    while frames < task["frames"]:
        ok, picture = capture.read()
        if not ok:
            break
        engine.draw(picture, engine.infer(engine.blob(picture)))
        cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 90])
        frames += 1
    return frames


def run_pipes(task, meter):
    """(c) FFmpeg decodes into a pipe, boxes are drawn, a second FFmpeg encodes with x264."""
    import cv2
    import numpy as np
    cv2.setNumThreads(1)
    engine, frames = Engine(task, meter), 0
    w, h, size = task["width"], task["height"], task["width"] * task["height"] * 3
    quiet = ["ffmpeg", "-nostdin", "-v", "error"]
    reader = subprocess.Popen(quiet + ["-threads", "1", "-i", task["video"], "-frames:v", str(task["frames"]), "-f", "rawvideo",
                                       "-pix_fmt", "bgr24", "-"], stdout=subprocess.PIPE, bufsize=size)
    writer = subprocess.Popen(
        quiet[:1] + quiet[2:] + ["-y", "-f", "rawvideo", "-pix_fmt", "bgr24", "-s", "{}x{}".format(w, h), "-r", str(task["rate"]),
                                 "-i", "-", "-pix_fmt", "yuv420p", "-c:v", "libx264", "-threads", "1", "-b:v", str(task["bitrate"])]
        + encoder_words(task) + [task["output"]], stdin=subprocess.PIPE)
    while True:
        raw = reader.stdout.read(size)
        if len(raw) < size:
            break
        picture = np.frombuffer(raw, np.uint8).reshape(h, w, 3).copy()
        engine.draw(picture, engine.infer(engine.blob(picture)))
        writer.stdin.write(picture.tobytes())
        frames += 1
    writer.stdin.close()
    for process in (reader, writer):
        process.wait()
    return frames


def encoder_words(task):
    """Return edgecam's own options for libx264 as words for the ffmpeg program."""
    from edgecam.config import load_config
    from edgecam.encode.x264 import x264_options
    from edgecam.vocabulary import VideoFormat
    rate = Fraction(task["rate"])
    video = VideoFormat(task["width"], task["height"], "I420", rate, 1 / rate, False)
    options = x264_options(load_config(overrides=task["set"]).encode, video, task["bitrate"])
    return [word for name, value in sorted(options.items()) for word in ("-" + name, value)]


def run_floor(task, meter):
    """(d) the bare stages, each clocked by itself: decode, preprocess, inference, encode; nothing between them."""
    import av
    from edgecam.capture import open_camera
    from edgecam.config import load_config
    from edgecam.detect.letterbox import Letterbox
    from edgecam.encode import open_encoder
    from edgecam.vocabulary import NO_PLAN
    conf = load_config(overrides=task["set"] + ["capture.input=" + task["video"], "roi.enabled=false",
                                                "encode.bitrate={}".format(task["bitrate"])])
    stages, frames = task.setdefault("stages", {}), 0

    def clocked(name, work, *given):
        started = time.process_time()
        result = work(*given)
        stages[name] = stages.get(name, 0.0) + time.process_time() - started
        return result

    engine = Engine(task, meter)
    letterbox = Letterbox(engine.model.input, engine.model.resize)
    with av.open(task["video"]) as container, open_camera(conf.capture) as camera:
        container.streams.video[0].codec_context.thread_count = 1
        pictures = container.decode(video=0)
        encoder = open_encoder(conf.encode, camera.format)
        while frames < task["frames"] and clocked("decode", next, pictures, None) is not None:
            frame = camera.read()
            clocked("inference", engine.infer, clocked("preprocess", letterbox.fill, frame))
            clocked("encode", encoder.encode, frame, NO_PLAN)
            frames += 1
    return frames


CONTESTANTS = {"edgecam": run_edgecam, "opencv": run_opencv, "pipes": run_pipes, "floor": run_floor}


def main(name, task):
    meter = EngineMeter()
    frames = CONTESTANTS[name](task, meter)
    result = {"frames": frames, "cpu": tree_cpu() - meter.began, "engine": meter.seconds, "runs": meter.runs,
              "stages": task.get("stages")}
    sys.stdout.write("\n" + json.dumps(result) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))

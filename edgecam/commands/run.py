"""Watch a camera or a video: detect, track, encode what matters better, and send it on.

INPUT   test://street[?size=WxH&fps=N&objects=N&pan=PX/S&shake=PX&rotate=DEG&noise=N], a video file,
        /dev/stdin, which is what a pipe brings, /dev/video0 or v4l2:///dev/video0, csi://0, a stream: rtsp://..., rtsps://...,
        http://..., https://..., rtp://..., udp://..., rtmp://..., tcp://..., srt://... (PyAV from PyPI lacks it), or x.sdp,
        which describes one of RTP
        (default: the first camera found, else the built-in scene)
OUTPUT  x.mp4, x.h264, rtp://HOST:PORT, rtsp://..., rtsps://..., null:   any number of them
        (x.h264 may be a named pipe, whose reader may come late)
        (an earlier recording of that name stays: a file is then not run, what is live goes into x-2.mp4; see --overwrite)
"""
import json
import logging
import signal
import threading

from edgecam.commands.examine_settings import examine, examine_model
from edgecam.config import load_config
from edgecam.errors import CaptureError, EdgecamError, OutputError, UsageError
from edgecam.interrupts import BY_SIGNAL, State, at_once, leave
from edgecam.naming import earlier_files
from edgecam.redaction import hide
from edgecam.standard import complain, tell

log = logging.getLogger(__name__)

# command line -> setting; these win over files and over --set
OPTIONS = {"input": "capture.input", "mode": "pipeline.mode", "duration": "pipeline.duration", "model": "detect.model", "detector": "detect.backend",
           "encoder": "encode.backend", "bitrate": "encode.bitrate", "events": "events.file", "web": "web.listen"}


def add_arguments(parser):
    parser.add_argument("input", nargs="?", metavar="INPUT", help="where frames come from")
    parser.add_argument("outputs", nargs="*", metavar="OUTPUT", help="where the encoded stream goes")
    parser.add_argument("--config", type="path", action="append", default=[], metavar="FILE", help="settings (YAML); may be repeated, later ones win")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="one setting, as encode.bitrate=2M")
    parser.add_argument("--mode", choices=("auto", "live", "exact"), help="live: frames never wait; exact: every frame is detected")
    parser.add_argument("--duration", type=float, metavar="SECONDS", help="end after so long")
    parser.add_argument("--model", help="auto, a name (see: edgecam models) or a path")
    parser.add_argument("--detector", help="auto, tensorrt, onnx, openvino, jetson-inference, triton, scene or none")
    parser.add_argument("--encoder", help="auto, x264 or v4l2")
    parser.add_argument("--bitrate", help="bits per second, as 1M")
    parser.add_argument("--overwrite", action="store_true", help="replace earlier recordings and events of the same name")
    parser.add_argument("--no-roi", action="store_true", help="encode the whole picture alike")
    parser.add_argument("--events", metavar="FILE", help="JSON lines, one per encoded frame; named like a recording, - is standard output")
    parser.add_argument("--web", metavar="HOST:PORT", help="address of the live page, or off")
    parser.add_argument("--json", action="store_true", help="the summary as JSON on standard output")


def main(args):
    with at_once():
        conf = settings_of(args)
        from edgecam.pipeline import Pipeline
        from edgecam.progress import Progress
        from edgecam.web import open_web
    pipeline = Pipeline(conf)
    with stopped_by_signals(pipeline) as signals, open_web(conf, {pipeline.view.name: pipeline.view}), \
            Progress(pipeline, quiet=conf.events.file == "-"):
        failure = outcome(pipeline)
    if signals.came and not pipeline.stats.frames and (failure is None or isinstance(failure, CaptureError)):      # it broke into connecting
        return BY_SIGNAL + signals.came
    if failure is None or pipeline.stats.encoded:       # what was recorded before it failed is worth knowing, too
        report(pipeline, args.json, complain if conf.events.file == "-" else tell)
    if failure is not None:
        raise failure
    check_outputs(pipeline)
    return 0


def outcome(pipeline):
    """Run *pipeline*; return the error that it ended with, None where it ended in order."""
    try:
        pipeline.run()
    except EdgecamError as error:
        return error
    return None


def settings_of(args):
    """Return the `Settings` of a parsed command line."""
    words = list(args.set)
    if args.no_roi:
        words.append("roi.enabled=false")
    if args.overwrite:
        words.append("outputs.overwrite=true")
    conf = load_config(*args.config, overrides=words)
    said = args.said
    said.know(conf, options_said(args))
    for option, key in OPTIONS.items():
        value = getattr(args, option)
        if value is not None:
            section, name = key.split(".")
            with said.judge(key):
                setattr(conf, section, getattr(conf, section).replace(**{name: value}))
    if args.outputs:
        if conf.outputs.urls:
            log.info("the outputs of the command line take the place of outputs.urls: %s", ", ".join(hide(url) for url in conf.outputs.urls))
        with said.judge("outputs.urls"):
            conf.outputs = conf.outputs.replace(urls=args.outputs)
    examine(conf, said)
    examine_model(conf, said)
    check_earlier(conf)
    if args.json and conf.events.file == "-":
        raise UsageError("--json and --events - both want standard output; write the events to a file")
    return conf


def options_said(args):
    """Return {setting: how the command line calls it} of what was typed without --set."""
    said = {key: "INPUT" if option == "input" else "--" + option for option, key in OPTIONS.items() if getattr(args, option) is not None}
    return dict(said, **{"outputs.urls": "OUTPUT"}) if args.outputs else said


def check_earlier(conf):
    """Raise `UsageError` where a video file would be run into a file of an earlier run.

    Whoever runs a file looks at the name that he typed, and would take the earlier recording for the new one. A live input
    must be recorded whatever is there, also when a service starts anew by itself: it gets the next free name.
    """
    from edgecam.capture.urls import parse_source
    from edgecam.twins import written_files
    if conf.outputs.overwrite or parse_source(conf.capture.input).kind != "file":
        return
    earlier = earlier_files(path for _, path in written_files(conf))
    if earlier:
        raise UsageError("{}: is there from an earlier run; choose another name, or add --overwrite to replace it".format(earlier[0]))


class stopped_by_signals:
    """While inside, SIGINT, SIGTERM and SIGHUP end the pipeline in order; a second one ends the program at once.

    *came* is the one that came. Before the pipeline opens anything SIGINT is as in `edgecam.interrupts`. Where nohup had
    SIGHUP ignored, it stays ignored.
    """

    SIGNALS = signal.SIGINT, signal.SIGTERM, signal.SIGHUP

    def __init__(self, pipeline):
        self._pipeline, self._before, self.came = pipeline, {}, None

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._ring) for number in self.SIGNALS
                            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN}
        return self

    def _ring(self, number, stack):
        if number == signal.SIGINT and State.program and not self._pipeline.begun:
            leave()
        self.came = number
        self._pipeline.stop()
        self._restore()

    def _restore(self):
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def __exit__(self, *exc):
        self._restore()


def report(pipeline, as_json, say):
    """Say the summary of a finished run."""
    from edgecam.summary import summary, summary_text
    facts = summary(pipeline)
    say(json.dumps(facts) + "\n" if as_json else summary_text(facts))


def check_outputs(pipeline):
    """Raise `OutputError` for outputs and events that died on the way, were away at the end or never got anything: the video went on without them,
    but somebody must know. One that ended in order is none of them: RTP goes out whether anybody listens or not.
    """
    from edgecam.outputs.wording import without_name
    dead = ["{}: {}".format(output["url"], without_name(output["error"], output["url"])) for output in pipeline.outputs.stats()
            if output["state"] == "failed" or output["error"] and not output["packets"] and output["state"] != "closed"]
    if pipeline.events is not None and pipeline.events.error:
        dead.append(pipeline.events.error)
    if dead:
        raise OutputError("incomplete: " + "; ".join(dead))

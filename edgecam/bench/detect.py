"""Images a second, latency and watts of detection on this machine, every engine that is installed, in one run.

For each model, engine, precision and batch: the bare engine (the network alone, on a tensor that
is there), the whole step from an NV12 frame in host memory to detections, and the preprocessing
alone with its bytes. PyTorch, where it has CUDA and the onnx2torch package is there, runs the same
network eagerly and as a CUDA graph. Figures are medians; watts come from NVML or the board's INA3221,
while the bare engine runs, and are the GPU's or the board's, never the CPU's of a PC.
"""
import logging
import sys

from edgecam.bench import detect_measure as measure
from edgecam.bench import detect_report as report
from edgecam.bench.json_file import write_json
from edgecam.config import load_config
from edgecam.detect.models import find_model, list_models
from edgecam.errors import EXIT_FAILURE, EXIT_OK, EdgecamError, UsageError

log = logging.getLogger(__name__)
ENGINES = ("onnx", "openvino", "tensorrt", "torch")


def add_arguments(parser):
    parser.add_argument("--model", metavar="NAME", action="append", help="a model's name or path (default: each installed)")
    parser.add_argument("--engine", choices=ENGINES, action="append", help="default: all that are installed")
    parser.add_argument("--precision", choices=("fp32", "fp16", "int8"), action="append", help="TensorRT: default fp32 and fp16")
    parser.add_argument("--batch", type=int, metavar="N", action="append", help="TensorRT and PyTorch: default 1 and 8")
    parser.add_argument("--size", default="960x540", metavar="WxH", help="of the frames of the whole step (default 960x540)")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement (default 2)")
    parser.add_argument("--calibration", metavar="DIR", help="pictures for INT8")
    parser.add_argument("--json", metavar="FILE", nargs="?", const="-", help="write all figures; - is standard output")
    parser.add_argument("--plot", metavar="FILE", nargs="?", const="detect.png", help="draw images/s as bars (PNG or SVG)")
    parser.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="one setting, such as detect.threads=1")


def main(args):
    check(args)
    settings = load_config(overrides=args.set).detect.replace(nice=0)
    if args.calibration:
        settings = settings.replace(calibration=args.calibration)
    models = [find_model(name, settings.models) for name in args.model] if args.model else list_models(settings.models)
    rows = list(measured(args, settings, models))
    if not rows:
        log.error("nothing could be measured: no model, or no engine of: %s", ", ".join(args.engine or ENGINES))
        return EXIT_FAILURE
    if args.json != "-":
        sys.stdout.write(report.table(rows))
    if args.json:
        write_json({"machine": measure.machine(), "size": args.size, "rows": rows}, args.json)
    if args.plot:
        report.plot(rows, args.plot)
    return EXIT_OK


def check(args):
    """Raise `UsageError` for what can't be measured."""
    try:
        args.width, args.height = map(int, args.size.lower().split("x"))
    except ValueError as error:
        raise UsageError("--size {}: expected WIDTHxHEIGHT, such as 1920x1080".format(args.size)) from error
    if args.width < 16 or args.height < 16:
        raise UsageError("--size {}: at least 16x16".format(args.size))
    if not 0 < args.seconds <= 600:
        raise UsageError("--seconds {:g}: expected more than 0, at most 600".format(args.seconds))
    if any(not 1 <= batch <= 256 for batch in args.batch or ()):
        raise UsageError("--batch: from 1 to 256")


def measured(args, settings, models):
    """Yield a row of figures for everything that runs here; what does not is said."""
    for model in models:
        for engine in args.engine or ENGINES:
            for variant in measure.variants(model, engine, args.precision, args.batch):
                try:
                    row = measure.run(model, engine, variant, settings, (args.width, args.height), args.seconds)
                except EdgecamError as error:
                    log.info("%s on %s passed over: %s", model.name, engine, error)
                    if isinstance(error, ImportError):
                        break                       # not installed: its other variants aren't either
                    continue
                log.debug("%s", row)
                yield row

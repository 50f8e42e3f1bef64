"""Images a second, latency and watts of detection on this machine, every engine that is installed, in one run.

For each model, engine, precision and batch: the bare engine (the network alone, on a tensor that
is there), the whole step from an NV12 frame in host memory to detections, in turns with the bare engine,
and the preprocessing alone with its bytes. The field's two yardsticks, GoogleNet at 224x224 and its trunk as a
detector at 960x540, are models here too. PyTorch runs the same networks eagerly and as a CUDA graph; where it
lives in another Python, --torch names that one. Figures are medians; watts come from NVML or the board's INA3221,
while the bare engine runs, and are the GPU's or the board's, never the CPU's of a PC.
With --cameras N: so many cameras share one engine, and the age of their frames at detection is measured.
"""
import logging
import os

from edgecam.bench import detect_cameras as cameras
from edgecam.bench import detect_measure as measure
from edgecam.bench import detect_report as report
from edgecam.bench.detect_seeds import SEEDS, write_seed
from edgecam.bench.detect_torch import rows_of
from edgecam.bench.frame_size import frame_size
from edgecam.bench.json_file import expect_json, tell_beside, write_json
from edgecam.bench.told_to_end import unwinding
from edgecam.config import load_config
from edgecam.detect.models import find_model, list_models
from edgecam.detect.plans import cache_folder
from edgecam.errors import EXIT_FAILURE, EXIT_OK, BackendUnavailable, EdgecamError, UsageError
from edgecam.plotting import expect_plot

log = logging.getLogger(__name__)
ENGINES = ("onnx", "openvino", "tensorrt", "torch")
NO_BOXES, NO_FP32 = "its outputs are no boxes; try --engine tensorrt or torch", "it takes FP32 networks alone; try --engine onnx or openvino"


def add_arguments(parser):
    parser.add_argument("--model", type="path", metavar="NAME", action="append", help="a model's name or path, or one of {} (default: these and each that is installed)".format(", ".join(SEEDS)))
    parser.add_argument("--engine", choices=ENGINES, action="append", help="default: all that are installed")
    parser.add_argument("--precision", choices=("fp32", "fp16", "int8"), action="append", help="TensorRT: default fp32 and fp16")
    parser.add_argument("--batch", type=int, metavar="N", action="append", help="TensorRT and PyTorch: default 1 and 8")
    parser.add_argument("--size", default="960x540", metavar="WxH", help="of the frames of the whole step (default 960x540)")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement (default 2)")
    parser.add_argument("--torch", type="path", metavar="PYTHON", help="a Python that has PyTorch, where it is not this one")
    parser.add_argument("--cameras", type=int, metavar="N", help="measure N cameras on one engine instead")
    parser.add_argument("--rate", type=float, default=30.0, metavar="HZ", help="frames a second of each camera (default 30)")
    parser.add_argument("--calibration", metavar="DIR", help="pictures for INT8")
    parser.add_argument("--json", type="path", metavar="FILE", nargs="?", const="-", help="write all figures; - is standard output")
    parser.add_argument("--plot", type="path", metavar="FILE", nargs="?", const="detect.png", help="draw images/s as bars (PNG or SVG)")
    parser.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="one setting, such as detect.threads=1")


@unwinding()
def main(args):
    check(args)
    settings = load_config(overrides=args.set).detect.replace(nice=0)
    if args.calibration:
        settings = settings.replace(calibration=args.calibration)
    names = args.model or list(SEEDS) + [model.name for model in list_models(settings.models)]
    if args.cameras:
        return shared(args, settings, names)
    rows = list(measured(args, settings, names))
    if args.torch:
        try:
            rows += rows_of(args.torch, names, args)
        except EdgecamError as error:
            log.warning("%s", error)
    if not rows:
        log.error("nothing could be measured by: %s", ", ".join(args.engine or ENGINES))
        return EXIT_FAILURE
    tell_beside(report.table(rows), args.json)
    if args.json:
        write_json({"machine": measure.machine(), "size": "{}x{}".format(args.width, args.height), "rows": rows}, args.json)
    if args.plot:
        report.plot(rows, args.plot)
    return EXIT_OK


def shared(args, settings, names):
    """Measure several cameras on one engine: the first model, engine, precision and batch named, or the defaults."""
    settings = settings.replace(backend=(args.engine or ["auto"])[0], model=named(names[0], settings).path,
                                precision=(args.precision or ["auto"])[0], batch=(args.batch or [8])[0])
    figures = cameras.run(settings, args.cameras, args.rate, (args.width, args.height), args.seconds)
    tell_beside(cameras.text(figures), args.json)
    if args.json:
        write_json({"machine": measure.machine(), "size": "{}x{}".format(args.width, args.height), "cameras": figures}, args.json)
    return EXIT_OK


def named(name, settings):
    """Return the `ModelDescription` of *name*; the yardsticks are written into the cache folder first."""
    if name in SEEDS:
        return write_seed(name, os.path.join(os.path.dirname(cache_folder()), "yardsticks"))
    return find_model(name, settings.models)


def check(args):
    """Raise `UsageError` for what can't be measured, or written down, `BackendUnavailable` for what can't be drawn."""
    args.width, args.height = frame_size(args.size)
    if not 0 < args.seconds <= 600:
        raise UsageError("--seconds {:g}: expected more than 0, at most 600".format(args.seconds))
    if any(not 1 <= batch <= 256 for batch in args.batch or ()):
        raise UsageError("--batch: from 1 to 256")
    if args.cameras is not None and not 1 <= args.cameras <= 1000:
        raise UsageError("--cameras {}: from 1 to 1000".format(args.cameras))
    if not 0.1 <= args.rate <= 1000:
        raise UsageError("--rate {:g}: from 0.1 to 1000".format(args.rate))
    expect_json(args.json)
    expect_plot(None if args.cameras else args.plot)


def measured(args, settings, names):
    """Yield a row of figures for everything that runs here; what does not is said."""
    for name in names:
        try:
            model = named(name, settings)
        except BackendUnavailable as error:
            log.info("%s passed over: %s", name, error)
            continue
        for engine in args.engine or ENGINES:
            variants = measure.variants(model, engine, args.precision, args.batch)
            if not variants and args.engine and args.model:          # who named neither misses nothing
                log.info("%s on %s passed over: %s", model.name, engine, NO_BOXES if model.precision == "fp32" else NO_FP32)
            for variant in variants:
                try:
                    row = measure.run(model, engine, variant, settings, (args.width, args.height), args.seconds)
                except EdgecamError as error:
                    log.info("%s on %s passed over: %s", model.name, engine, error)
                    if isinstance(error, ImportError):
                        break                       # not installed: its other variants aren't either
                    continue
                log.debug("%s", row)
                yield row

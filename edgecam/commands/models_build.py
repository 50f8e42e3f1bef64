"""`edgecam models build`: make a model's TensorRT plan now, rather than at the first run."""
import logging
import threading
import time

from edgecam.config import load_config
from edgecam.errors import EXIT_OK
from edgecam.standard import tell

log = logging.getLogger(__name__)
SAY = 10.0              # seconds between two lines of progress
NAMES = "precision", "batch", "workspace", "calibration", "calibrator", "plans"         # options, and settings of the section detect


def add_parser(actions):
    """Add the words behind `edgecam models build`."""
    parser = actions.add_parser("build", help="build a model's TensorRT plan for this GPU", description=build.__doc__)
    parser.add_argument("model", type="path", metavar="MODEL", help="a model's name or path")
    parser.add_argument("--precision", choices=("auto", "fp32", "fp16", "int8"), help="default: the setting detect.precision")
    parser.add_argument("--batch", type=int, metavar="N", help="frames of one inference (default: the setting detect.batch)")
    parser.add_argument("--workspace", type=int, metavar="MB", help="memory for kernels (default: the setting detect.workspace)")
    parser.add_argument("--calibration", metavar="DIR", help="pictures like the camera's, some hundred, for int8")
    parser.add_argument("--calibrator", choices=("minmax", "entropy"), help="how int8 gets its ranges (default: the setting detect.calibrator)")
    parser.add_argument("--plans", metavar="DIR", help="keep the plan here (default: the user's cache folder)")
    parser.add_argument("--config", type="path", metavar="FILE", action="append", default=[], help="settings file")
    parser.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="one setting, such as detect.gpu=1")


def build(args):
    """Build a model's TensorRT plan for this GPU, or find that it is there; prints its path. Takes minutes: TensorRT tries
    every kernel that could do a layer and takes the fastest."""
    from edgecam.detect.models import find_model
    from edgecam.detect.tensorrt_api import import_tensorrt
    from edgecam.detect.tensorrt_plans import PlanRequest, on_gpu
    conf = load_config(*args.config, overrides=args.set)
    args.said.know(conf, {"detect." + name: "--" + name for name in NAMES if getattr(args, name) is not None})
    settings = conf.detect
    for name in NAMES:
        if getattr(args, name) is not None:
            with args.said.judge("detect." + name):
                settings = settings.replace(**{name: getattr(args, name)})
    model = find_model(args.model, settings.models)
    model.check_file()
    import_tensorrt()                           # the first thing that may be missing is named first
    with on_gpu(settings.gpu):
        request = PlanRequest(model, settings)
        if request.load() is not None:
            log.info("%s is built already", request.name)
            path = request.cache.path(request.name)
        else:
            with Progress(request.name):
                path = request.build()[1]
    tell("{}\n".format(path or "built, but it could not be kept"))
    return EXIT_OK


class Progress:
    """Says every few seconds that the builder still works: it tells nothing of how far it is."""

    def __init__(self, name):
        self._name, self._done, self._started = name, threading.Event(), time.time()
        self._thread = threading.Thread(target=self._say, name="edgecam-build-progress", daemon=True)

    def _say(self):
        while not self._done.wait(SAY):
            log.info("building %s: %.0f s so far", self._name, time.time() - self._started)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exc):
        self._done.set()
        self._thread.join()

"""A Triton, or any KServe-v2, server as the engine: `--model triton://host:8001/NAME`, for boards too weak and for fleets.

The board prepares the tensor and interprets the outputs; NAME's description (its .json) lies on the board,
the network on the server. `?timeout=SECONDS` (default 2) is for one frame, `?description=PATH` names
another description. Beside live video a server that is away, has not loaded the model yet or fails costs detections
only: frames are answered with nothing, it is asked again after 1, 2, 4 ... 30 s, and the log says when it went and came.
In exact mode and for pictures it is an error.
"""
import logging
from typing import NamedTuple, Optional
from urllib.parse import parse_qs, urlsplit

from edgecam import clock
from edgecam.detect.engine import check_tensors
from edgecam.detect.models import find_model
from edgecam.detect.network import NetworkDetector
from edgecam.errors import BackendUnavailable, ConfigError, DetectorError
from edgecam.redaction import hide

log = logging.getLogger(__name__)
NAME, SCHEME = "triton", "triton"
FIRST_PAUSE, LAST_PAUSE = 1.0, 30.0         # seconds until a server that is away is asked again
TYPES = {"FP32": "float32", "FP16": "float16", "UINT8": "uint8", "INT32": "int32", "INT64": "int64"}
PASSING = ("UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED", "NOT_FOUND", "RESOURCE_EXHAUSTED", "INTERNAL", "UNKNOWN", "ABORTED")     # may be otherwise later
WIRE = {"float32": "FP32", "uint8": "UINT8"}


class Address(NamedTuple):
    """What a triton:// URL says."""

    host: str                   # with the port
    model: str
    timeout: float = 2.0        # seconds
    description: Optional[str] = None


def parse_address(url):
    """Return the `Address` in *url*. Raises `ConfigError`."""
    wrong = ConfigError("detect.model = {}: expected triton://host:8001/MODEL, with ?timeout=SECONDS or ?description=PATH".format(hide(url)))
    try:
        parts = urlsplit(url)
        words = parse_qs(parts.query, strict_parsing=True) if parts.query else {}
        port, timeout = parts.port or 8001, float(words.pop("timeout", ["2"])[-1])
    except ValueError as error:
        raise wrong from error
    name, description = parts.path.strip("/"), words.pop("description", [None])[-1]
    if parts.scheme != SCHEME or not parts.hostname or not name or set("/@") & set(name) or words or not 0 < timeout <= 600 or parts.username:
        raise wrong
    host = "[{}]".format(parts.hostname) if ":" in parts.hostname else parts.hostname
    return Address("{}:{}".format(host, port), name, timeout, description)


def import_library():
    """Return (tritonclient.grpc, its exception). Raises `BackendUnavailable`."""
    try:
        import tritonclient.grpc as client
        from tritonclient.utils import InferenceServerException
    except (ImportError, RuntimeError) as error:        # RuntimeError: installed without its extra
        raise BackendUnavailable("tritonclient is not installed here ({}): pip install .[triton] in the clone".format(error)) from error
    return client, InferenceServerException


def find(settings):
    """Return (address, description) of the model in `settings.model`. Raises `ConfigError` and `ModelError`."""
    address = parse_address(settings.model)
    return address, find_model(address.description or address.model, settings.models)


def open_direct(settings, background=False):
    """Return the detector that asks the server in `settings.model`; *background*: it may be away."""
    address, model = find(settings)
    import_library()
    return RemoteDetector(model, address, settings, patient=background)


class RemoteDetector(NetworkDetector):
    """A network that runs on a server. *patient*: a server that is away means no detections instead of `DetectorError`."""

    def __init__(self, model, address, settings, patient):
        self._address, self._patient = address, patient
        NetworkDetector.__init__(self, model, None, settings)
        self._pause, self._again, self.away = FIRST_PAUSE, 0.0, False
        if patient:
            self._try(self._engine.greet)

    def _start(self, open_engine, settings):
        engine = RemoteEngine(self.description, self._address)
        if not self._patient:
            try:
                engine.connect()
            except BaseException:
                engine.close()
                raise
        return engine

    def detect(self, frame, threshold=None):
        if self.away and clock.now() < self._again:
            return []
        if not self._patient:
            return NetworkDetector.detect(self, frame, threshold)
        return self._try(lambda: NetworkDetector.detect(self, frame, threshold)) or []

    def _try(self, work):
        """Return what *work* gives, or None while the server is away."""
        try:
            result = work()
        except ServerAway as error:
            self._engine.disconnect()
            if not self.away:
                log.warning("%s; nothing is detected until it is back", error)
            self._pause = min(LAST_PAUSE, 2 * self._pause) if self.away else FIRST_PAUSE
            self.away, self._again = True, clock.now() + self._pause
            return None
        if self.away:
            log.info("the server %s is back", self._address.host)
            self.away = False
        return result

    def __repr__(self):
        return "<{} on {}>".format(self._address.model, self._address.host)


class ServerAway(DetectorError):
    """The server can't be reached, is not ready, does not answer in time, or failed."""


class NoSuchModel(ServerAway):
    """The server knows no model of this name: it may still be loading, or load it later."""


class RemoteEngine:
    """Sends tensors to one model of one server; belongs to one thread."""

    name, threads = NAME, 1

    def __init__(self, model, address):
        self._model, self._address = model, address
        self._grpc, self._error = import_library()
        self._client = None

    def connect(self):
        """Have a connection to a server whose model is the described one. Raises `ServerAway`, `ModelError`."""
        if self._client is None:
            self._client = self._grpc.InferenceServerClient(self._address.host)
            said = self._ask("get_model_metadata", self._address.model, as_json=True)
            check_tensors(self._model, [tensor_of(entry) for entry in said.get("inputs", [])], [entry["name"] for entry in said.get("outputs", [])])

    def greet(self):
        """Connect for the first time. Raises also `DetectorError`, where the server is sure that the model will not come."""
        try:
            self.connect()
        except NoSuchModel as error:
            others = self._repository()
            if others and self._address.model not in others:
                raise DetectorError("{}; it has {}".format(error, ", ".join(others))) from error
            raise

    def _repository(self):
        """Return the names of the models that the server has, loaded or not; none where it does not tell.

        The list is Triton's addition to the protocol. That a server is ready says nothing: MLServer is before it has loaded any.
        """
        try:
            return [entry["name"] for entry in self._ask("get_model_repository_index", as_json=True).get("models", [])]
        except DetectorError as error:
            log.debug("%s", error)
            return []

    def run(self, tensor):
        """Return {output name: array} for *tensor*."""
        self.connect()
        image = self._grpc.InferInput(self._model.input.name, list(tensor.shape), WIRE[tensor.dtype.name])
        image.set_data_from_numpy(tensor)
        wanted = [self._grpc.InferRequestedOutput(name) for name in self._model.outputs]
        result = self._ask("infer", self._address.model, [image], outputs=wanted)
        arrays = {name: result.as_numpy(name) for name in self._model.outputs}
        missing = [name for name, array in arrays.items() if array is None]
        if missing:
            raise DetectorError("{} of {} gave no output {}".format(self._address.model, self._address.host, ", ".join(missing)))
        return arrays

    def _ask(self, method, *words, **named):
        try:
            return getattr(self._client, method)(*words, client_timeout=self._address.timeout, **named)
        except self._error as error:
            status = str(error.status() or "").rpartition(".")[2]
            text = "{} of the server {}: {}".format(self._address.model, self._address.host, " ".join((error.message() or status).split())[:300])
            if status == "NOT_FOUND":
                raise NoSuchModel(text + " (not loaded yet, or under another name)") from error
            raise (ServerAway if status in PASSING else DetectorError)(text) from error

    def disconnect(self):
        """Forget the connection: the next one starts anew, with the name looked up again."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def close(self):
        self.disconnect()


def tensor_of(entry):
    """Return (name, shape, dtype) of a tensor in a server's metadata; whole numbers come as text, free sizes as -1."""
    kind = entry["datatype"]
    return entry["name"], [int(size) for size in entry["shape"]], TYPES.get(kind, kind)

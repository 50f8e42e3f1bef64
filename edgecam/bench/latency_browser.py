"""A headless Chromium, driven through its DevTools protocol: for measuring and testing the page as people see it."""
import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.request

from edgecam.errors import BackendUnavailable, EdgecamError

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# --no-sandbox is needed as root only; nothing but our own page is opened.
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--disable-extensions", "--mute-audio", "--disable-dev-shm-usage",
         "--autoplay-policy=no-user-gesture-required", "--remote-debugging-port=0", "--remote-allow-origins=*",
         "--disable-backgrounding-occluded-windows", "--disable-renderer-backgrounding", "--disable-background-timer-throttling")
LONGEST_SOCKET = 107            # bytes of its path: unix(7), sun_path


class PageError(EdgecamError, RuntimeError):
    """JavaScript threw, or the page did not get where it should."""


def find_chromium():
    """Return the path of a Chromium. Raises `BackendUnavailable`."""
    found = [path for path in (shutil.which(name) for name in NAMES) if path]
    if not found:
        raise BackendUnavailable("no Chromium here: apt-get install chromium")
    return found[0]


def import_websocket():
    try:
        import websocket
    except ImportError as error:
        raise BackendUnavailable("driving Chromium needs: pip install websocket-client") from error
    return websocket


def processes(name):
    """Yield (id, contents of its file *name* in /proc, bytes) of every process."""
    for number in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/{}/{}".format(number, name), "rb") as stream:
                content = stream.read()
        except OSError:             # it has ended meanwhile
            continue
        yield int(number), content


def family(pid):
    """Return the ids of a process and all its descendants."""
    children = {}
    for number, stat in processes("stat"):
        children.setdefault(int(stat.rsplit(b")", 1)[1].split()[1]), []).append(number)
    found = [pid]
    for each in found:
        found += children.get(each, [])
    return found


def named(folder):
    """Return the ids of the processes whose command line names *folder*: a Chromium and its helpers, those too that it has let go of."""
    return [number for number, words in processes("cmdline") if os.fsencode(folder) in words]


def new_folder():
    """Make a folder for a Chromium and return its path. It lies in /tmp where $TMPDIR is so long that no socket within could have a name."""
    name = "edgecam-browser-"
    needed = len(name + "/XXXXXXXX" + "/org.chromium.Chromium.XXXXXX/SingletonSocket")      # without that one Chromium does not start
    fits = len(os.fsencode(tempfile.gettempdir())) + needed <= LONGEST_SOCKET
    return tempfile.mkdtemp(prefix=name, dir=None if fits else "/tmp")


class Browser:
    """One Chromium with one page, *size* CSS pixels; a context manager that leaves nothing behind."""

    def __init__(self, size=(1280, 800), dark=True, phone=False, flags=()):
        self._websocket, chromium = import_websocket(), find_chromium()
        self._folder = new_folder()         # its profile, and its scratch folder, which it leaves when it is ended
        words = [chromium, "--user-data-dir=" + self._folder, "--window-size={},{}".format(*size)]
        self._process = subprocess.Popen(words + list(FLAGS) + list(flags) + ["about:blank"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                         stderr=subprocess.DEVNULL, env=dict(os.environ, TMPDIR=self._folder))
        self._number, self.events = 0, []
        try:
            self._connect()
            self.call("Page.enable")
            self.call("Runtime.enable")
            self.call("Log.enable")
            self.resize(size, phone)
            self.call("Emulation.setScrollbarsHidden", hidden=True)
            self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        except BaseException:           # an interrupt, too, must not leave Chromium behind
            self.close()
            raise

    @property
    def pid(self):
        return self._process.pid

    def _connect(self):
        port_file = os.path.join(self._folder, "DevToolsActivePort")
        port = wait_for(lambda: os.path.exists(port_file) and open(port_file).read().split("\n")[0], 30, "Chromium did not start")
        with urllib.request.urlopen("http://127.0.0.1:{}/json/list".format(port), timeout=10) as answer:
            pages = [page for page in json.load(answer) if page["type"] == "page"]
        self._socket = self._websocket.create_connection(pages[0]["webSocketDebuggerUrl"], timeout=120, suppress_origin=True)

    def call(self, method, **params):
        """Send one DevTools command and return its result; events that come meanwhile are kept in *events*."""
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": params}))
        while True:
            message = json.loads(self._socket.recv())
            if message.get("id") == self._number:
                if "error" in message:
                    raise PageError("{}: {}".format(method, message["error"]["message"]))
                return message["result"]
            self.events.append(message)

    def resize(self, size, phone=False):
        self.call("Emulation.setDeviceMetricsOverride", width=size[0], height=size[1], deviceScaleFactor=2 if phone else 1, mobile=phone)

    def open(self, url):
        self.call("Page.navigate", url=url)
        self.wait("document.readyState === 'complete'", 30)

    def run(self, script):
        """Return the value of a JavaScript expression; promises are awaited. Raises `PageError`."""
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, userGesture=True)
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise PageError(details.get("exception", {}).get("description") or details["text"])
        return answer["result"].get("value")

    def wait(self, condition, timeout=20):
        """Wait until the JavaScript expression *condition* is true. Raises `PageError`."""
        wait_for(lambda: self.run("!!({})".format(condition)), timeout, "the page did not reach: " + condition)

    def press(self, key):
        """Press and let go of one key, given as in KeyboardEvent.key."""
        for kind in ("keyDown", "keyUp"):
            text = {"text": key} if len(key) == 1 and kind == "keyDown" else {}
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code="Space" if key == " " else "", **text)

    def screenshot(self, path):
        with open(path, "wb") as stream:
            stream.write(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def complaints(self):
        """Return what the page wrote to its console as warning or error, and exceptions that nobody caught."""
        self.run("0")               # takes in what has come
        found = []
        for event in self.events:
            params = event.get("params", {})
            if event.get("method") == "Runtime.exceptionThrown":
                found.append(params["exceptionDetails"].get("exception", {}).get("description", "exception"))
            elif event.get("method") == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
                found.append(" ".join(str(arg.get("value", arg.get("description"))) for arg in params["args"]))
            elif event.get("method") == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
                found.append("{text} {url}".format(text=params["entry"]["text"], url=params["entry"].get("url", "")))
        return found

    def close(self):
        """End Chromium and remove its files."""
        if getattr(self, "_socket", None) is not None:
            self._socket.close()
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        end = time.monotonic() + 10
        while named(self._folder) and time.monotonic() < end:       # its helpers make the folder anew until they, too, have ended
            time.sleep(0.02)
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def wait_for(read, timeout, problem):
    """Return the first true value of ``read()``. Raises `PageError` after *timeout* seconds."""
    end = time.monotonic() + timeout
    while True:
        value = read()
        if value:
            return value
        if time.monotonic() > end:
            raise PageError("{} within {:g} s".format(problem, timeout))
        time.sleep(0.05)

"""The HTTP server inside the process: cheroot, with as many threads as viewers are admitted and a few more."""
import errno
import logging
import re
import select
import socket
import ssl

from edgecam.errors import BackendUnavailable, OutputError
from edgecam.web.listen import LOOPBACK, own_address, parse_listen, shown_host
from edgecam.web.passwords import make_password
from edgecam.web.viewers import Viewers
from edgecam.web.waiting import Waiting
from edgecam.worker import Worker

log = logging.getLogger(__name__)

SPARE_THREADS = 8           # for everything that is over at once
SEND_BUFFER = 131072        # bytes: what the kernel keeps for a slow viewer is old when it arrives
TLS_RECORD = 16384          # bytes
STALLED = 10                # seconds without taking a byte, then a viewer is cut off; and for a request, from its first byte to its last
MOST_WAITING = 256          # connections that are idle or have not sent a whole request: each a file, and up to 113 kB
SYSTEM_ERROR = re.compile(r"\[Errno (-?\d+)\] ([^)]*)")
NEXT_PORTS = 10             # ports tried when nobody asked for a certain one


class WebServer:
    """Serves the page for *views* by *settings*, the section ``web``, until `close`.

    *address* is the page's URL. The default port may be taken by another edgecam: then the
    next free one is used. Raises `ConfigError`, `OutputError` and `BackendUnavailable`.
    """

    def __init__(self, settings, views):
        host, port = parse_listen(settings.listen)
        made_up = None
        if not LOOPBACK.match(host) and not settings.password:
            made_up = make_password()
        self._viewers = Viewers(settings.viewers)
        self._server = bind(settings, host, port, lambda port: make_app(settings, views, self._viewers, made_up, port))
        port = self._server.bind_addr[1]
        form = "https://{}:{}/" if settings.certificate else "http://{}:{}/"
        self.address, elsewhere = form.format(shown_host(host), port), own_address(host)
        self._worker = Worker("web", lambda stopping: self._server.serve()).start()
        log.info("the live page is at %s%s", self.address, " or " + form.format(elsewhere, port) if elsewhere else "")
        if made_up is not None:
            log.warning("web.password is not set; for this run it is %s (set your own: edgecam passwd)", made_up)

    def close(self):
        """Send all viewers home and end all threads; closing twice is fine."""
        self._viewers.close()
        self._server.stop()
        self._worker.stop()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def bind(settings, host, port, app_for):
    """Return a prepared cheroot server on *port*, or a near one where the user named none."""
    ports = [port] if settings.named("listen") else range(port, port + NEXT_PORTS)
    for number in ports:
        server = make_server(settings, (host, number), app_for(number))
        try:
            server.prepare()
        except OSError as error:
            problem = error
            continue
        if number != port:
            log.warning("port %d is taken, the live page uses %d", port, number)
        return server
    raise OutputError("web.listen = {}: {}; choose another HOST:PORT, or off".format(settings.listen, why(problem, ports))) from problem


def why(problem, ports):
    """Return in words why none of *ports* could be had. cheroot writes the system's error into the text of one of its own."""
    within = SYSTEM_ERROR.search(str(problem))
    number, text = (int(within.group(1)), within.group(2)) if within else (problem.errno, str(problem))
    if number == errno.EADDRINUSE:
        return "the port is in use" if len(ports) == 1 else "the ports {} to {} are in use".format(ports[0], ports[-1])
    return text


def make_app(settings, views, viewers, made_up, port):
    try:
        from edgecam.web.app import create_app
    except ImportError as error:
        raise BackendUnavailable("the live page needs Flask: pip install flask cheroot ({})".format(error)) from error
    return create_app(views, settings, viewers, made_up, "edgecam-{}".format(port))


def make_server(settings, address, app):
    """Return a cheroot server for *app* that is not listening yet."""
    try:
        from cheroot import wsgi
        from edgecam.web import whole
    except ImportError as error:
        raise BackendUnavailable("the live page needs cheroot: pip install 'cheroot>=10,<12' ({})".format(error)) from error
    server = server_class(wsgi, whole)(address, app, numthreads=settings.viewers + SPARE_THREADS, max=settings.viewers + SPARE_THREADS,
                                       server_name="edgecam", request_queue_size=64, timeout=STALLED, shutdown_timeout=2)
    server.keep_alive_conn_limit = 64
    if settings.certificate:
        from edgecam.web.tls import adapter
        server.ssl_adapter = adapter(settings.certificate, settings.certificate_key)
    return server


def send(connection, parts):
    """Write bytes to a connection; each step of it may take as long as the connection's time-out."""
    if isinstance(connection, ssl.SSLSocket):
        whole = memoryview(b"".join(parts))
        for at in range(0, len(whole), TLS_RECORD):
            connection.sendall(whole[at:at + TLS_RECORD])
        return
    left = [memoryview(part) for part in parts]
    while left:
        sent = connection.sendmsg(left)
        while left and sent >= len(left[0]):
            sent -= len(left.pop(0))
        if left:
            left[0] = left[0][sent:]


def takes_more(connection):
    """Tell whether an answer of usual size can be written without waiting: a third of the kernel's buffer is free."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLOUT)
    return bool(poll.poll(0))


def server_class(wsgi, whole):
    """Return cheroot's WSGI server with our few changes (cheroot, and what needs it, are imported late)."""
    class Gateway(wsgi.Gateway_10):
        """Hands the connection to the application, so that a stuck viewer can be cut."""

        def get_environ(self):
            environ = super().get_environ()
            environ["edgecam.connection"] = self.req.conn.socket
            return environ

        def write(self, chunk):
            """Send a piece of a stream as it is. cheroot would copy it three times for each viewer, and slow ones keep their copies."""
            if self.remaining_bytes_out is not None:
                return super().write(chunk)
            self.req.ensure_headers_sent()
            framed = [b"%x\r\n" % len(chunk), chunk, b"\r\n"] if self.req.chunked_write else [chunk]
            send(self.req.conn.socket, framed)

    class Server(wsgi.Server):
        """A silent server that gives a connection a thread only once it has sent a whole request."""

        ConnectionClass = whole.Connection
        max_request_header_size, max_request_body_size = whole.LARGEST_HEAD, whole.LARGEST_BODY

        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.gateway, self.waiting = Gateway, Waiting(MOST_WAITING)

        def prepare(self):
            super().prepare()
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)       # accepted ones inherit it

        def put_conn(self, conn):
            self.waiting.add(conn)
            conn.consent()
            super().put_conn(conn)

        def process_conn(self, conn):
            """Take a connection that is new, that can be read, or that has its next request already."""
            self.waiting.discard(conn)
            if conn.fresh:
                conn.fresh = False
                self.waiting.make_room()
                self.put_conn(conn)         # it comes back when there is something to read
            elif conn.rfile.has_data() or self.gather(conn):
                self.serve_one(conn)

        def serve_one(self, conn):
            """Give a connection with a whole request a thread, unless that would only wait until earlier answers are taken."""
            if takes_more(conn.socket):
                conn.consented, conn.since = False, None
                super().process_conn(conn)
            else:
                self.error_log("a client takes no answers and goes on asking")
                conn.close()

        def gather(self, conn):
            """Read what has come; return whether the request is whole. If not, *conn* is watched on, or closed at its end."""
            before, begun = conn.last_used, conn.rfile.begun
            try:
                more = conn.gather()
            except OSError as error:
                self.error_log("a connection broke: {}".format(error))
                more = False
            if conn.rfile.has_data():
                return True
            if not more:
                conn.close()
                return False
            self.put_conn(conn)
            if conn.since is None or (conn.rfile.begun and not begun):
                conn.since = before if begun else conn.last_used
            conn.last_used = conn.since     # the deadline is the request's, or that of shaking hands, however many pieces it comes in
            return False

        def error_log(self, msg="", level=logging.INFO, traceback=False):
            log.debug("web: %s", msg, exc_info=traceback)

    return Server

"""Requests get a thread when they are there as a whole; until then nobody waits for them.

A client that sends half a request, or a byte now and then, costs a little memory and nothing else.
What comes is collected by the one thread that watches all connections, without ever waiting.
This module needs cheroot, so that it is imported late.
"""
import io
import re
import ssl
from contextlib import contextmanager, suppress

from cheroot.makefile import StreamReader
from cheroot.server import HeaderReader as CherootReader
from cheroot.server import HTTPConnection, HTTPRequest

LARGEST_HEAD, LARGEST_BODY = 32768, 65536       # bytes; the application itself takes shorter bodies only
LINE = 256                                      # bytes that cheroot takes at a time, and so beyond a limit before it notices
LONGEST = LARGEST_HEAD + LARGEST_BODY + 1024    # more than any request that isn't refused
PIECE = 16384                                   # bytes asked of a socket at a time: no less than the most that TLS has in a record (RFC 8446, 5.1)
BARE_LF = re.compile(rb"(?<!\r)\n")
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Once(dict):
    """Headers by name, of which some may be said once only: of two lengths a proxy before us may take the other one, and what is a body to it
    is a request to us (RFC 9112, 6.3 and 3.2).
    """

    ALONE = b"Content-Length", b"Host"

    def __setitem__(self, name, value):
        if name in self.ALONE and name in self:
            raise ValueError("{} stands twice.".format(name.decode()))
        super().__setitem__(name, value)


class HeaderReader(CherootReader):
    """Refuses names of `Once` that stand twice, and a first line that claims to go on with one before it, " X: y": cheroot stumbles over that,
    in whichever thread reads it.
    """

    def __call__(self, rfile, hdict=None):
        try:
            found = super().__call__(rfile, Once())
        except UnboundLocalError as error:          # no name of a header was read yet
            raise ValueError("Illegal header line.") from error
        hdict = {} if hdict is None else hdict
        hdict.update(found)
        return hdict


class Search:
    """Looks for the end of one request in what has come of it so far, and goes on where it was: a client may send byte by byte,
    and still each byte is searched once and the head is parsed once.
    """

    def __init__(self):
        self.headers = None                 # of a head that is there as a whole
        self._seen, self._needed = 0, None  # bytes that were searched; bytes of the whole request

    def is_whole(self, data):
        """Tell whether *data* can be answered without reading on: it has a whole request, or the start of one that is refused.

        *data* is what it was the last time, and what has come since.
        """
        if self._needed is None:
            try:
                self._needed = self._look(data)
            except ValueError:
                self._needed = 0
        return self._needed is not None and len(data) >= self._needed

    def _look(self, data):
        """Return how long the request is, 0 for one whose body is too long, or None while the head isn't whole.

        Raises `ValueError` for one that is refused. The headers are read as cheroot reads them: two opinions about a body's
        length would be a way in.
        """
        end = find_end(data, self._seen)
        self._seen = len(data)
        if end is None:
            return None
        lines = io.BytesIO(data[:end])
        if lines.readline() == b"\r\n":         # one empty line may come first
            lines.readline()
        self.headers = HeaderReader()(lines)
        length = body_length(self.headers)
        return end + length if length <= LARGEST_BODY else 0


def find_end(data, seen):
    """Return where the head in *data* ends, of which *seen* bytes were searched already, or None. Raises `ValueError` for a refused one."""
    end = data.find(b"\r\n\r\n", max(0, seen - 3)) + 4
    whole = end >= 4
    if BARE_LF.search(data, seen, end if whole else len(data)):         # looks back beyond *seen* for the CR
        raise ValueError("a line ends without CR")
    if (end if whole else len(data) - LINE) > LARGEST_HEAD:
        raise ValueError("the head is too long")
    return end if whole else None


def body_length(headers):
    """Return how long the body is. Raises `ValueError` where it isn't said in plain digits."""
    length = headers.get(b"Content-Length", b"0")
    if b"Transfer-Encoding" in headers or not length.isdigit():
        raise ValueError("a body without a length")
    return int(length)


class Headers(HeaderReader):
    """Leaves out what was answered while the request was collected."""

    def _allow_header(self, key_name):
        return super()._allow_header(key_name) and key_name != b"Expect"


class Request(HTTPRequest):
    """Refuses what `Search.is_whole` passed on so that it is refused: no thread waits for a body."""

    header_reader = Headers()

    def read_request_headers(self):
        if not super().read_request_headers():
            return False
        if b"Transfer-Encoding" in self.inheaders:
            self.simple_response("411 Length Required", "Send a Content-Length; chunked bodies are not taken.")
            return False
        if not self.inheaders.get(b"Content-Length", b"0").isdigit():       # -5, +5 and 1_0 are numbers to Python
            self.simple_response("400 Bad Request", "Malformed Content-Length Header.")
            return False
        return True


class Reader(io.BufferedIOBase):
    """What a connection is read by, in the place of cheroot's `StreamReader`: reads ahead without waiting, and has data when it has
    a whole request.

    cheroot's own keeps what it has read in private fields of Python's, and copies all of it for each piece that comes.
    """

    def __init__(self, sock):
        self._socket, self._data, self._search = sock, bytearray(), Search()
        self.bytes_read = 0         # for cheroot's statistics

    @property
    def begun(self):
        """Whether anything has come of the next request."""
        return bool(self._data)

    def has_data(self):
        return self._search.is_whole(self._data)

    def gather(self):
        """Take what has come; return False where nothing has, though the socket was said to be readable: that is its end.

        That may be a piece more than `LONGEST`: what was left of a record is deciphered already, and no selector would tell of it.
        """
        before = len(self._data)
        try:
            while len(self._data) < LONGEST and self._take():
                pass
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):      # that was all; half a record, or shaking hands
            return True
        return len(self._data) > before

    def awaits_consent(self):
        """Tell whether the client sends a body only after it has heard 100 Continue."""
        if self.has_data() or self._search.headers is None:
            return False
        return self._search.headers.get(b"Expect", b"").lower() == b"100-continue"

    def _take(self):
        """Take what the socket gives; return False at its end. Raises `OSError`, where the socket does not wait for want of bytes, too."""
        piece = self._socket.recv(PIECE)
        self._data += piece
        return bool(piece)

    # -- for cheroot, in the request's thread: there it waits, as long as the socket does. Lines are put together by Python from these

    def readable(self):
        return True

    def peek(self, size=0):
        """Return the next bytes, one at least but at the end, and leave them there."""
        if not self._data:
            self._take()
        return bytes(self._data[:LINE])

    def read(self, size=-1):
        """Return so many bytes, fewer at the end only; all until then where *size* is negative or None."""
        endless = size is None or size < 0
        while (endless or len(self._data) < size) and self._take():
            pass
        got = bytes(self._data if endless else self._data[:size])
        del self._data[:len(got)]
        self.bytes_read += len(got)
        self._search = Search()     # what is left belongs to another request
        return got


def check_cheroot(reader=StreamReader, header_reader=CherootReader):
    """See to it, at the start rather than in a request, that this cheroot asks for nothing that `Reader` lacks, and still asks `Headers`.

    `Headers._allow_header` is the one private name of cheroot's that is used here; it would go unheard. Raises `ImportError`.
    """
    asked = sorted(name for name in vars(reader) if not name.startswith("_") and not hasattr(Reader, name))
    if not hasattr(header_reader, "_allow_header"):
        asked.append("another way to leave out headers")
    if asked:
        raise ImportError("this cheroot is too new for edgecam: it has " + ", ".join(asked))


check_cheroot()


class Connection(HTTPConnection):
    """A connection that is served one whole request at a time."""

    RequestHandlerClass = Request
    fresh = True                # nothing was ever read from it
    consented = False           # this request's 100 Continue was sent
    since = None                # when its first byte came, or until then the first one of TLS alone: of shaking hands, of a record

    def __init__(self, server, sock, makefile):
        def make(sock, mode, size):
            return Reader(sock) if "r" in mode else makefile(sock, mode, size)
        super().__init__(server, sock, make)

    def gather(self):
        """Take what has come, without waiting; return whether more may come. Raises `OSError` for a broken connection."""
        with self._hurried():
            return self.rfile.gather()

    def consent(self):
        """Ask for the body where the client waits for that. It may be what came behind another request: then nothing else comes meanwhile."""
        if self.consented or not self.rfile.awaits_consent():
            return
        self.consented = True
        with self._hurried(), suppress(OSError):        # of a broken one the next look at it will tell
            self.socket.send(CONTINUE)

    @contextmanager
    def _hurried(self):
        """Let the socket wait for nothing."""
        self.socket.settimeout(0)
        try:
            yield
        finally:
            self.socket.settimeout(self.server.timeout)

    def close(self):
        self.server.waiting.discard(self)
        super().close()

"""Requests get a thread when they are there as a whole; until then nobody waits for them.

A client that sends half a request, or a byte now and then, costs a little memory and nothing else.
What comes is collected by the one thread that watches all connections, without ever waiting.
This module needs cheroot, so that it is imported late.
"""
import io
import re
import ssl

from cheroot.makefile import StreamReader
from cheroot.server import HeaderReader, HTTPConnection, HTTPRequest

LARGEST_HEAD, LARGEST_BODY = 32768, 65536       # bytes; the application itself takes shorter bodies only
LINE = 256                                      # bytes that cheroot takes at a time, and so beyond a limit before it notices
LONGEST = LARGEST_HEAD + LARGEST_BODY + 1024    # more than any request that isn't refused
BARE_LF = re.compile(rb"(?<!\r)\n")
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def read_head(data):
    """Return (headers, where the body starts), or None while the head isn't whole. Raises `ValueError` for one that is refused.

    The headers are read as cheroot reads them: two opinions about a body's length would be a way in.
    """
    end = data.find(b"\r\n\r\n") + 4
    whole = end >= 4
    if BARE_LF.search(data, 0, end if whole else len(data)):
        raise ValueError("a line ends without CR")
    if (end if whole else len(data) - LINE) > LARGEST_HEAD:
        raise ValueError("the head is too long")
    if not whole:
        return None
    lines = io.BytesIO(data[:end])
    if lines.readline() == b"\r\n":             # one empty line may come first
        lines.readline()
    return HeaderReader()(lines), end


def is_whole(data):
    """Tell whether *data* can be answered without reading on: it has a whole request, or the start of one that is refused."""
    if not data:
        return False
    try:
        head = read_head(data)
        if head is None:
            return False
        headers, start = head
        length = body_length(headers)
    except ValueError:
        return True
    return length > LARGEST_BODY or len(data) - start >= length


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
    """Refuses what `is_whole` passed on so that it is refused: no thread waits for a body."""

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


class Reader(StreamReader):
    """Reads ahead without waiting, and has data when it has a whole request."""

    def unread(self):
        return bytes(self._read_buf[self._read_pos:])

    def has_data(self):
        return is_whole(self.unread())

    def gather(self):
        """Take what has come; return False where nothing has, though the socket was said to be readable: that is its end."""
        before = have = len(self.unread())
        try:
            while have < LONGEST:
                got = len(self.peek(have + 1))
                if got == have:
                    break
                have = got
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):       # half a record, or shaking hands
            return True
        return have > before

    def awaits_consent(self):
        """Tell whether the client sends a body only after it has heard 100 Continue."""
        try:
            head = read_head(self.unread())
        except ValueError:
            return False
        return head is not None and head[0].get(b"Expect", b"").lower() == b"100-continue"


class Connection(HTTPConnection):
    """A connection that is served one whole request at a time."""

    RequestHandlerClass = Request
    fresh = True                # nothing was ever read from it
    consented = False           # this request's 100 Continue was sent

    def __init__(self, server, sock, makefile):
        def make(sock, mode, size):
            return Reader(sock, mode, LONGEST) if "r" in mode else makefile(sock, mode, size)
        super().__init__(server, sock, make)

    def gather(self):
        """Take what has come, without waiting; return whether more may come. Raises `OSError` for a broken connection."""
        self.socket.settimeout(0)
        try:
            more = self.rfile.gather()
            if not self.consented and not self.rfile.has_data() and self.rfile.awaits_consent():
                self.consented = True
                self.socket.send(CONTINUE)
        finally:
            self.socket.settimeout(self.server.timeout)
        return more

    def close(self):
        self.server.waiting.discard(self)
        super().close()

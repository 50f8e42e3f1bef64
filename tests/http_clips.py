"""A web server on the loopback that has one video: as a file, or as a stream whose end nobody knows."""
import http.server
import socketserver
import threading


class ClipServer(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """Serves *path* to everybody, or to the first client alone (*once*): later ones are refused.

    *sized*: with its length and in ranges, as files are; else in chunks, as live streams are. *pace*: seconds between two chunks.
    """

    daemon_threads = True

    def __init__(self, path, sized=True, once=False, pace=0):
        super().__init__(("127.0.0.1", 0), Handler)
        with open(path, "rb") as clip:
            self.content = clip.read()
        self.sized, self.pace, self.connections, self._once = sized, pace, 0, once
        self.url = "http://127.0.0.1:{}/clip".format(self.server_address[1])
        self.ending = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self):
        while not self.ending.is_set() and not (self._once and self.connections):
            self.handle_request()
        self.socket.close()

    timeout = 0.1           # of handle_request: how soon an end is noticed

    def process_request(self, request, client_address):
        self.connections += 1
        super().process_request(request, client_address)

    def handle_error(self, request, client_address):
        pass                # the reader left

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.ending.set()
        self._thread.join(5)
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):       # noqa: N802, the library's name
        if self.server.sized:
            self._send_range()
        else:
            self._send_chunks()

    def _send_range(self):
        first = int(self.headers.get("Range", "bytes=0-").split("=")[1].split("-")[0])
        content = self.server.content
        self.send_response(206)
        self.send_header("Content-Range", "bytes {}-{}/{}".format(first, len(content) - 1, len(content)))
        self.send_header("Content-Length", str(len(content) - first))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content[first:])

    def _send_chunks(self):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Connection", "close")
        self.end_headers()
        content = self.server.content
        for start in range(0, len(content), 4000):
            piece = content[start:start + 4000]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            if self.server.ending.wait(self.server.pace):
                return
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *words):
        pass

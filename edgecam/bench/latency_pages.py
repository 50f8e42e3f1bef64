"""What `edgecam bench latency` runs inside the browser, and the MJPEG server that it compares with."""
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import ThreadingMixIn

from edgecam.web.mjpeg import Stills

# For each frame that the page shows: [time of its capture, time when it was shown], both on the board's clock.
# The page's event comes with the refresh of the screen that has the frame. ``onScreen`` tells that frame's number, and how many
# frames were put on screen until it.
PAGE_PROBE = """document.querySelector('.tile').addEventListener('edgecam:frame', ({target, detail}) => {
  window.samples.push([detail.event.time, (performance.timeOrigin + detail.at) / 1000 - window.wall]);
  window.onScreen = {number: detail.event.frame, presented: target.tile.presented};
})"""

# place(image): where the scene's marker is in a picture, [x, y] as Street.marker_box says it, or null. It is a white square of
# 24 pixels in a black frame; one row through the middle of each line that it may be on is searched.
MARKER = """(() => {
  const canvas = new OffscreenCanvas(WIDTH, 32), c = canvas.getContext('2d', {willReadFrequently: true});
  window.place = (image, tall) => {
    for (let y = 32; y < tall - 16; y += 32) {
      c.drawImage(image, 0, y, WIDTH, 1, 0, 0, WIDTH, 1);
      const row = c.getImageData(0, 0, WIDTH, 1).data;
      let run = 0;
      for (let x = 0; x < WIDTH; x++) {
        run = row[4 * x] > 215 && row[4 * x + 1] > 215 && row[4 * x + 2] > 215 ? run + 1 : 0;
        if (run === 20) return [16 + 3 * Math.round((x - 19 - 4 - 16) / 3), y - 16];
      }
    }
    return null;
  };
  let last = '';
  window.see = (image, tall, at) => {
    const place = tall ? window.place(image, tall) : null;
    if (!place || String(place) === last) return;
    last = String(place);
    window.first ??= at;
    window.samples.push([place, (performance.timeOrigin + at) / 1000 - window.wall]);
  };
})();"""

# The plain way: an <img>, and a look at it whenever the screen is refreshed.
IMG_PAGE = """(() => {
  const image = document.body.appendChild(new Image());
  image.src = 'STREAM';
  const look = () => {
    requestAnimationFrame(look);
    window.see(image, image.naturalHeight, performance.now());
  };
  look();
})()"""


class LateMjpeg:
    """The same JPEGs as everybody sends them: head, length, picture. A browser shows each when the next one comes."""

    def __init__(self, view):
        stills, self._closing = Stills(view, 80), threading.Event()
        closing = self._closing

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                if self.path != "/stream":
                    self.send_header("Content-Type", "text/html")
                    self.end_headers()
                    self.wfile.write(b"<!doctype html><body></body>")
                    return
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                self.feed()

            def feed(self):
                shown = -1
                while not closing.is_set():
                    made = stills.next(shown, 1.0)
                    if made is None:
                        continue
                    shown, jpeg = made
                    head = "--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n".format(len(jpeg))
                    try:
                        self.wfile.write(head.encode() + jpeg + b"\r\n")
                    except OSError:
                        return

            def log_message(self, *args):
                pass

        class Server(ThreadingMixIn, HTTPServer):
            daemon_threads = True

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, name="edgecam-late-mjpeg", daemon=True)

    def start(self):
        """Return the address of an empty page; the pictures are at its "stream"."""
        self._thread.start()
        return "http://127.0.0.1:{}/".format(self._server.server_address[1])

    def close(self):
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

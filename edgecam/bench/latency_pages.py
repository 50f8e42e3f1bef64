"""What `edgecam bench latency` runs inside the browser, and the MJPEG server that it compares with."""
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import ThreadingMixIn

from edgecam.web.mjpeg import Stills

# For each frame that the page shows: [time of its capture, time when it was shown], both on the board's clock.
# The probe runs right behind the painting; MSE's presentation is what requestVideoFrameCallback saw.
PAGE_PROBE = """document.querySelector('.tile').addEventListener('edgecam:frame', ({detail}) => {
  window.samples.push([detail.event.time, (performance.timeOrigin + detail.at) / 1000 - window.wall]);
})"""

# The plain way: an <img>, and a look at it every 4 ms. The marker is a white square of 24 pixels in a black frame.
IMG_PAGE = """(() => {
  const image = document.body.appendChild(new Image()), canvas = new OffscreenCanvas(WIDTH, 540);
  const c = canvas.getContext('2d', {willReadFrequently: true});
  let last = '';
  image.src = 'STREAM';
  const look = () => {
    const now = (performance.timeOrigin + performance.now()) / 1000 - window.wall;
    if (image.naturalWidth) {
      c.drawImage(image, 0, 0);
      const place = find();
      if (place && String(place) !== last) {
        last = String(place);
        window.samples.push([place, now]);
      }
    }
  };
  const find = () => {
    // one row through the middle of each possible line of the marker
    for (let y = 32; y < image.naturalHeight - 16; y += 32) {
      const row = c.getImageData(0, y, WIDTH, 1).data;
      let run = 0;
      for (let x = 0; x < WIDTH; x++) {
        run = row[4 * x] > 225 && row[4 * x + 1] > 225 && row[4 * x + 2] > 225 ? run + 1 : 0;
        if (run === 22) {
          const left = x - 21 - 4;
          return [16 + 3 * Math.round((left - 16) / 3), y - 16];
        }
      }
    }
    return null;
  };
  setInterval(look, 4);
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

    def __enter__(self):
        self._thread.start()
        return "http://127.0.0.1:{}/".format(self._server.server_address[1])

    def __exit__(self, *exc):
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

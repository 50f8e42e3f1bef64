"""The overlay is that of the frame under it, frame by frame, in a real browser; and pictures come back after a cut."""
import json
import socket

import pytest

import web_rig as rig
from edgecam.bench.latency_browser import Browser
from web_browser import TILE, chromium                          # noqa: F401 (a fixture)

MARKED = "test://street?size=640x360&marker=1&objects=0&noise=0"


def test_the_page_comes_back_by_itself_when_the_server_does(chromium):
    with rig.page() as (server, view), Browser() as browser:
        browser.open(server.address)
        browser.wait(TILE + ".shown > 5", 40)
        first, = server._viewers._watching
        first.cut()
        rig.wait_for(lambda: server._viewers._watching - {first}, 20)
        shown = browser.run(TILE + ".shown")
        browser.wait("{0}.shown > {1} && {0}.badge.dataset.state === 'live'".format(TILE, shown + 5), 30)


@pytest.mark.parametrize("player", ["codecs", "mse"])
def test_a_program_that_was_started_anew_is_played_anew(chromium, player):
    """Its frames' times begin at nought again, where the browser has been already."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        listen = "web.listen=127.0.0.1:{}".format(free.getsockname()[1])
    with Browser() as browser:
        with rig.page(listen) as (server, _):
            browser.open(server.address + "?player=" + player)
            browser.wait(TILE + ".event?.frame > 90", 40)
        with rig.page(listen):
            shown = browser.run(TILE + ".shown")
            browser.wait("{0}.shown > {1} && {0}.badge.dataset.state === 'live'".format(TILE, shown + 30), 30)


# Count what comes for the player, and keep the page from refreshing now and then, so that some frames come too close together.
CROWDED = """new Promise((done) => {
  const {tile} = document.querySelector('.tile');
  tile.restart();
  const {player} = tile, take = player.frame, shown = tile.shown, skipped = tile.skipped;
  let came = 0;
  window.told = 0;
  window.accounted = () => tile.shown - shown + tile.skipped - skipped - came;
  window.crowded = () => tile.skipped - skipped;
  tile.element.addEventListener('edgecam:frame', () => window.told++);
  player.frame = (...parts) => { came++; take.apply(player, parts); };
  let turns = 0;
  const busy = setInterval(() => {
    for (const until = performance.now() + 120; performance.now() < until;);
    if (++turns < 15) return;
    clearInterval(busy);
    tile.pause();
    done();
  }, 200);
})"""


def test_every_frame_is_shown_or_counted_as_skipped(chromium):
    """Also those that were painted but overpainted before the screen was refreshed."""
    with rig.page() as (server, _), Browser() as browser:
        browser.open(server.address + "?player=codecs")
        browser.wait(TILE + ".shown > 10", 40)
        browser.run(TILE + ".pause()")
        browser.run("new Promise((done) => setTimeout(done, 500))")     # what was in the decoder is on screen
        browser.run(CROWDED)
        browser.wait("window.accounted() === 0", 10)
        assert browser.run("window.crowded()") > 0 and browser.run("window.told") > 0


MEASURE = """new Promise((done) => {
  // For each frame on screen: where the marker is in the picture, and where the box is that was drawn over it.
  const tile = document.querySelector('.tile').tile, seen = [];
  const picture = new OffscreenCanvas(640, 360), overlay = new OffscreenCanvas(640, 360);
  const p = picture.getContext('2d', {willReadFrequently: true}), o = overlay.getContext('2d', {willReadFrequently: true});
  const edges = (pixels, hit) => {
    let left = 640, right = -1, top = 360, bottom = -1;
    for (let y = 0; y < 360; y++) for (let x = 0; x < 640; x++) if (hit(pixels, 4 * (y * 640 + x))) {
      if (x < left) left = x; if (x > right) right = x; if (y < top) top = y; if (y > bottom) bottom = y;
    }
    return right < 0 ? null : [left, top, right + 1, bottom + 1];
  };
  tile.element.addEventListener('edgecam:frame', ({detail: {event, mediaTime}}) => {
    p.drawImage(tile.player.element, 0, 0, 640, 360);
    o.clearRect(0, 0, 640, 360);
    o.drawImage(tile.overlay.element, 0, 0, 640, 360);
    const white = edges(p.getImageData(0, 0, 640, 360).data, (d, i) => d[i] > 235 && d[i + 1] > 235 && d[i + 2] > 235);
    const box = edges(o.getImageData(0, 0, 640, 360).data, (d, i) => d[i + 3] > 100);
    seen.push([event.frame, white, box, mediaTime ?? event.frame / 30]);
    if (seen.length === WANTED) done(seen);
  });
})"""
LAYERS = {"boxes": False, "labels": False, "tails": False, "regions": False, "detections": True}


@pytest.fixture(scope="module")
def marked(chromium):
    """A camera whose every frame brings its own detection; the marker in it tells the frame's number."""
    with rig.page("pipeline.mode=exact", "pipeline.realtime=on", "encode.bitrate=3M", input=MARKED) as (server, _):
        yield server


def marker_run(server, player, wanted):
    """Return [frame number, marker in the picture, box in the overlay, presentation time] of *wanted* shown frames."""
    with Browser(size=(640, 800)) as browser:
        browser.open(server.address + "?player=" + player)
        browser.run("localStorage.setItem('edgecam', '{}')".format(json.dumps({"layers": LAYERS})))
        browser.open(server.address + "?player=" + player)
        browser.wait(TILE + ".shown > 3", 40)
        assert browser.run(TILE + ".player.constructor.title").lower().replace("web", "") == player
        seen = browser.run(MEASURE.replace("WANTED", str(wanted)))
        assert browser.complaints() == []
    return seen


def number_of(white):
    """The number (modulo a whole picture) of the frame whose marker is at *white*."""
    columns = (640 - 64) // 3
    return (white[1] - 20) // 32 * columns + (white[0] - 20) // 3


@pytest.mark.parametrize("player, wanted", [("codecs", 300), ("mjpeg", 60), pytest.param("mjpeg", 300, marks=pytest.mark.soak)])
def test_the_overlay_belongs_to_the_frame_under_it(marked, player, wanted):
    """The marker tells the frame's number by its place: the box drawn over a picture must surround the marker in it."""
    from edgecam.capture.street import Street
    scene = Street(640, 360, marker=True, objects=0)
    seen = marker_run(marked, player, wanted)
    assert len(seen) == wanted
    for number, white, box, _ in seen:
        x, y, w, h = scene.marker_box(number)
        assert white == pytest.approx([x + 4, y + 4, x + w - 4, y + h - 4], abs=2), "frame {} is not the picture shown".format(number)
        assert box == pytest.approx([x, y, x + w, y + h], abs=2), number


@pytest.mark.parametrize("wanted", [300])
def test_with_mse_the_overlay_belongs_to_the_frame_that_the_browser_names(marked, wanted):
    """The browser says which frame it has put on screen; when it is busy the video layer may be a frame further already."""
    from edgecam.capture.street import Street
    scene = Street(640, 360, marker=True, objects=0)
    ahead = []
    for number, white, box, media_time in marker_run(marked, "mse", wanted):
        assert number == round(30 * media_time)
        x, y, w, h = scene.marker_box(number)
        assert box == pytest.approx([x, y, x + w, y + h], abs=2), number
        ahead.append((number_of(white) - number) % (192 * 9))
    assert ahead.count(0) >= wanted / 2, ahead
    assert max(ahead) < 15, ahead

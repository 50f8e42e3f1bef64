"""The page in a real browser, on real video."""
import contextlib
import json
import os
import socket

import pytest

import web_rig as rig
from edgecam.bench.latency_browser import Browser, find_chromium, import_websocket
from edgecam.capture.scene import SceneCamera
from edgecam.errors import BackendUnavailable
from edgecam.web import board, open_web
from edgecam.web.passwords import hash_password

MARKED = "test://street?size=640x360&marker=1&objects=0&noise=0"
TILE = "(document.querySelector('.tile')?.tile ?? {})"


@pytest.fixture(scope="module")
def chromium():
    if not rig.have_encoder():
        pytest.skip("no H.264 encoder: PyAV with libx264 is not installed")
    try:
        find_chromium()
        import_websocket()
    except BackendUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def running(chromium):
    with rig.page() as (server, view):
        yield server, view


@pytest.fixture(scope="module")
def browser(running):
    with Browser() as browser:
        browser.open(running[0].address)
        browser.wait(TILE + ".shown > 10", 40)
        yield browser


def test_pictures_move_with_their_overlay_and_nothing_complains(browser):
    shown = browser.run(TILE + ".shown")
    browser.wait("{}.shown > {}".format(TILE, shown + 20), 30)
    assert browser.run(TILE + ".badge.dataset.state") == "live"
    assert browser.run("[...{}.overlay.element.getContext('2d').getImageData(0, 0, 200, 100).data].length".format(TILE)) == 80000
    assert browser.complaints() == []


@pytest.mark.parametrize("player", ["codecs", "mse"])
def test_a_real_video_is_shown_with_what_the_network_sees_in_it(chromium, data_folder, player):
    pytest.importorskip("onnxruntime")
    video = os.path.join(data_folder, "videos/cars_topdown/video_768x432.mp4")
    words = ["detect.backend=onnx", "detect.model=edgecam-detectnet-light-960x540-int8"]
    with rig.page(*words, input=video) as (server, _), Browser() as browser:
        browser.open(server.address + "?player=" + player)
        browser.wait(TILE + ".event?.tracks.length > 0", 60)
        browser.run("window.drawn = 0; window.boxed = 0; document.querySelector('.tile').addEventListener('edgecam:frame', ({detail: {event}}) => {"
                    "window.drawn++; window.boxed += event.tracks.length > 0; })")
        browser.wait("window.drawn > 30 && window.boxed > 15", 60)
        assert browser.complaints() == []
        assert browser.run(OPAQUE) > 0


OPAQUE = """(() => {
  // how many pixels of the overlay are drawn on
  const {width, height} = %s.overlay.element;
  const pixels = %s.overlay.element.getContext('2d').getImageData(0, 0, width, height).data;
  return pixels.filter((value, n) => n %% 4 === 3 && value > 0).length;
})()""" % (TILE, TILE)


def test_the_numbers_come(browser):
    browser.wait("[...document.querySelectorAll('#panel .row:not([hidden]) .value')].filter(v => /^[0-9]/.test(v.textContent)).length > 8")
    browser.wait("document.querySelector('#panel .control input')", 15)
    assert browser.run(TILE + ".latency") < 5


def pressed(browser, layer):
    return browser.run("document.querySelector('[data-layer={}]').getAttribute('aria-pressed')".format(layer)) == "true"


@pytest.mark.parametrize("key, layer", [("b", "boxes"), ("l", "labels"), ("p", "tails"), ("r", "regions"), ("d", "detections")])
def test_keys_switch_layers(browser, key, layer):
    before = pressed(browser, layer)
    browser.press(key)
    assert pressed(browser, layer) is not before
    browser.press(key)
    assert pressed(browser, layer) is before


def test_other_keys(browser):
    browser.press(" ")
    assert browser.run(TILE + ".playing") is False
    browser.press(" ")
    browser.wait(TILE + ".playing && {}.badge.dataset.state === 'live'".format(TILE), 20)
    before = browser.run("document.documentElement.dataset.theme || 'dark'")
    browser.press("t")
    assert browser.run("document.documentElement.dataset.theme") != before
    browser.press("t")
    browser.press("?")
    assert browser.run("document.getElementById('keys').open") is True
    browser.run("document.getElementById('keys').close()")
    browser.press("i")
    assert browser.run("getComputedStyle(document.getElementById('panel')).display") == "none"
    browser.press("i")


def test_everything_can_be_reached_with_the_keyboard(browser):
    browser.wait("document.querySelector('#panel .control input')", 15)
    names = browser.run("[...document.querySelectorAll('button, input, select')].filter(e => e.offsetParent && !e.disabled)"
                        ".map(e => e.tabIndex >= 0 && (e.textContent || e.ariaLabel || e.labels?.[0]?.textContent))")
    assert len(names) > 10 and all(names)


def test_controls_change_the_camera(browser, running):
    _, view = running
    browser.wait("document.getElementById('control-roi')", 15)
    assert view.controls()["roi"]["value"] is True
    browser.run("document.getElementById('control-roi').click()")
    rig.wait_for(lambda: view.controls()["roi"]["value"] is False)
    browser.run("(() => {{ const s = document.getElementById('control-bitrate'); s.value = Math.log({}); s.dispatchEvent(new Event('input')); }})()".format(700000))
    rig.wait_for(lambda: view.controls()["bitrate"]["value"] == 700000)
    browser.run("document.getElementById('control-roi').click()")
    rig.wait_for(lambda: view.controls()["roi"]["value"] is True)


class SceneWithLens(SceneCamera):
    """The scene with a lens that has what V4L2 cameras have: a number, a gain, a menu."""

    def __init__(self, source, live):
        super().__init__(source, live)
        self.knobs = {"exposure_time_absolute": {"value": 157, "min": 3, "max": 2047, "step": 1, "type": "number", "unit": ""},
                      "gain": {"value": 8, "min": 0, "max": 64, "step": 1, "type": "number", "unit": ""},
                      "auto_exposure": {"value": 1, "min": 0, "max": 3, "step": 1, "type": "menu", "unit": "",
                                        "menu": {1: "Manual Mode", 3: "Aperture Priority Mode"}}}

    def controls(self):
        return self.knobs

    def set_control(self, name, value):
        self.knobs[name] = dict(self.knobs[name], value=value)


def test_exposure_and_gain_can_be_set_where_the_camera_has_them(chromium, monkeypatch):
    from edgecam.capture import scene
    monkeypatch.setattr(scene, "SceneCamera", SceneWithLens)
    with rig.page() as (server, view), Browser() as browser:
        browser.open(server.address)
        browser.wait("document.getElementById('control-camera.gain')", 40)
        labels = browser.run("[...document.querySelectorAll('.control label')].map(e => e.textContent)")
        assert {"Camera: exposure time absolute", "Camera: gain", "Camera: auto exposure"} <= set(labels)
        browser.run("(() => { const e = document.getElementById('control-camera.gain'); e.value = 20; e.dispatchEvent(new Event('input')); })()")
        rig.wait_for(lambda: view.controls()["camera.gain"]["value"] == 20)
        browser.run("(() => { const e = document.getElementById('control-camera.auto_exposure'); e.value = 3; e.dispatchEvent(new Event('change')); })()")
        rig.wait_for(lambda: view.controls()["camera.auto_exposure"]["value"] == 3)
        assert browser.complaints() == []


@pytest.fixture
def warm_board(tmp_path, monkeypatch):
    """A board's sysfs with a temperature and a power rail."""
    files = {"sys/class/thermal/thermal_zone0/type": "CPU-therm", "sys/class/thermal/thermal_zone0/temp": "61500",
             "sys/bus/i2c/drivers/ina3221x/6-0040/iio:device0/rail_name_0": "POM_5V_IN",
             "sys/bus/i2c/drivers/ina3221x/6-0040/iio:device0/in_power0_input": "7250"}
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    monkeypatch.setattr(board.read, "__defaults__", (str(tmp_path),))


ROWS = """Object.fromEntries([...document.querySelectorAll('#panel .row:not([hidden])')].map(
  row => [row.querySelector('.name').textContent, row.querySelector('.value').textContent]))"""


def test_every_number_has_its_place(chromium, warm_board, tmp_path):
    with rig.page("outputs.urls=" + str(tmp_path / "flight.mp4"), input="test://street?size=640x360&objects=6") as (server, _), Browser() as browser:
        browser.open(server.address)
        browser.wait("document.querySelectorAll('#panel .row:not([hidden])').length > 20", 40)
        browser.wait("(rows => rows['bits in regions'] && rows['shown here'] > 0)({})".format(ROWS), 20)
        rows = browser.run(ROWS)
        sparklines = browser.run("[...document.querySelectorAll('#panel .row:not([hidden]) .spark')].length")
    for lane in ("captured", "encoded", "detected", "shown here"):
        assert float(rows[lane]) > 0
    assert "bit/s" in rows["bitrate"] and "%" in rows["bits in regions"] and "/" in rows["QP inside / outside"]
    for stage in ("capture to packet", "waiting", "motion", "planning", "encoding", "handing out", "detecting", "tracking"):
        assert "·" in rows[stage]
    assert {"capture to screen", "at capture", "at outputs", "not looked at by the detector", "skipped by this browser"} <= set(rows)
    assert rows[str(tmp_path / "flight.mp4")].startswith("recording · ")
    assert rows["CPU"] == "61.5 °C" and rows["POM_5V_IN"] == "7.25 W"
    assert sparklines >= 12


@pytest.fixture(scope="module")
def several(chromium):
    """Three cameras behind one server."""
    with contextlib.ExitStack() as stack:
        views = {}
        for name, size in (("front", "640x360"), ("rear", "320x240"), ("tower", "640x480")):
            conf = rig.settings(input="test://street?size=" + size)
            views[name] = stack.enter_context(rig.camera(conf, name))
        yield stack.enter_context(open_web(conf, views))


PLAYING = "[...document.querySelectorAll('.tile')].map(({hidden, tile}) => [tile.camera.name, hidden, tile.playing])"


def test_several_cameras_make_a_grid_and_each_can_be_seen_alone(several):
    with Browser() as browser:
        browser.open(several.address)
        browser.wait("[...document.querySelectorAll('.tile')].filter(({tile}) => tile.shown > 5).length === 3", 40)
        assert browser.run(PLAYING) == [["front", False, True], ["rear", False, True], ["tower", False, True]]
        browser.press("2")
        assert browser.run(PLAYING) == [["front", True, False], ["rear", False, True], ["tower", True, False]]
        browser.press("g")
        assert browser.run(PLAYING) == [["front", False, True], ["rear", False, True], ["tower", False, True]]
        browser.run("[...document.querySelectorAll('#cameras button')].find(b => b.textContent === 'tower').click()")
        assert browser.run(PLAYING)[2] == ["tower", False, True]
        assert browser.complaints() == []
        browser.open(several.address + "?camera=rear")
        browser.wait("document.querySelectorAll('.tile')[1]?.tile.shown > 5", 40)
        assert browser.run(PLAYING) == [["front", True, False], ["rear", False, True], ["tower", True, False]]


def test_a_camera_that_no_connection_is_left_for_shows_stills(chromium):
    with contextlib.ExitStack() as stack:
        views = {}
        for n in range(5):
            conf = rig.settings("detect.backend=none", input="test://street?size=160x160&fps=10&objects=2")
            views["camera{}".format(n)] = stack.enter_context(rig.camera(conf, "camera{}".format(n)))
        server, browser = stack.enter_context(open_web(conf, views)), stack.enter_context(Browser())
        browser.open(server.address)
        browser.wait("[...document.querySelectorAll('.tile')].filter(({tile}) => tile.shown > 1).length === 5", 60)
        kinds = browser.run("[...document.querySelectorAll('.tile')].map(({tile}) => tile.player.constructor.title)")
        assert kinds == ["WebCodecs"] * 4 + ["stills"]
        browser.press("5")
        browser.wait("document.querySelectorAll('.tile')[4].tile.player.constructor.title === 'WebCodecs'")
        browser.wait("document.querySelectorAll('.tile')[4].tile.shown > 5", 20)
        assert browser.run("document.querySelectorAll('.picture').length") == 5         # the old players are gone
        assert browser.complaints() == []


LEAD = "(({element: v, newest}) => newest - v.currentTime)(document.querySelector('.tile').tile.player)"


def test_mse_goes_faster_when_behind_and_jumps_when_far_behind(running):
    with Browser() as browser:
        browser.open(running[0].address + "?player=mse")
        browser.wait(TILE + ".shown > 60 && Math.abs({}) < 0.1".format(LEAD), 40)
        browser.run(TILE + ".player.element.currentTime -= 0.3")
        browser.wait(TILE + ".player.element.playbackRate > 1.03", 20)
        browser.wait("Math.abs({}) < 0.1".format(LEAD), 30)
        browser.run(TILE + ".player.element.currentTime -= 1.5")
        browser.wait("!{}.player.element.seeking && Math.abs({}) < 0.3".format(TILE, LEAD), 20)
        assert browser.complaints() == []


@pytest.mark.parametrize("dark", [True, False])
def test_the_page_follows_the_systems_light(running, dark):
    with Browser(dark=dark) as browser:
        browser.open(running[0].address)
        level = browser.run("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
        assert all(value < 60 for value in level) if dark else all(value > 200 for value in level)


@pytest.mark.parametrize("size, phone", [((390, 844), True), ((768, 1024), False), ((1280, 800), False), ((1920, 1080), False)])
def test_nothing_sticks_out_at_any_width(browser, size, phone):
    browser.resize(size, phone)
    assert browser.run("document.documentElement.scrollWidth") <= size[0]
    assert browser.run("(({scrollWidth, clientWidth}) => scrollWidth - clientWidth)(document.getElementById('panel'))") <= 0
    wide = browser.run("document.querySelector('.tile').clientWidth")
    assert wide >= size[0] * (0.95 if size[0] < 900 else 0.6)


ZONE = "zones.areas={yard: '0.5,0.5 1,0.5 1,1 0.5,1'}"
ALPHA = """(() => {
  // how opaque the overlay is in each quarter of the picture: upper left, upper right, lower left, lower right
  const {width, height} = %s.overlay.element, c = %s.overlay.element.getContext('2d');
  return [[.25, .25], [.75, .25], [.25, .75], [.75, .75]].map(([x, y]) => c.getImageData(x * width, y * height, 1, 1).data[3]);
})()""" % (TILE, TILE)


def test_zones_are_drawn_where_they_are_and_can_be_switched_off(chromium):
    with rig.page(ZONE, "detect.backend=none") as (server, _), Browser() as browser:
        browser.open(server.address)
        browser.wait(TILE + ".shown > 5", 40)
        assert browser.complaints() == []           # before our own look at the pixels, of which Chromium complains
        assert browser.run(ALPHA)[:3] == [0, 0, 0] and browser.run(ALPHA)[3] > 0
        browser.press("z")
        browser.wait(ALPHA + "[3] === 0")
        assert not pressed(browser, "zones")


def test_without_zones_there_is_no_switch_for_them(browser):
    assert browser.run("document.querySelector('[data-layer=zones]').hidden") is True


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


def test_people_log_in_with_the_form(chromium):
    words = ["web.password=" + hash_password("right one"), "web.viewer_password=" + hash_password("only look")]
    with rig.page(*words) as (server, _), Browser() as browser:
        browser.open(server.address)
        for password in ("wrong one", "only look"):
            browser.wait("location.pathname === '/login' && document.getElementById('password')")
            browser.run("document.getElementById('password').value = '{}'; document.forms[0].submit()".format(password))
            browser.wait("document.querySelector('.problem') || document.body?.dataset.role === 'viewer'")
        browser.wait(TILE + ".shown > 5", 40)
        browser.wait("document.querySelector('#panel .control input')", 15)
        assert browser.run("[...document.querySelectorAll('#panel input, #panel button')].every(e => e.disabled)")
        browser.run("document.getElementById('logout').click()")
        browser.wait("location.pathname === '/login'")


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

"""The page in a real browser, on real video."""
import contextlib
import os

import pytest

import web_rig as rig
from edgecam.bench.latency_browser import Browser
from edgecam.capture.scene import SceneCamera
from edgecam.web import board, open_web
from edgecam.web.passwords import hash_password
from web_browser import TILE, chromium                          # noqa: F401 (a fixture)


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
        browser.run("window.drawn = 0; window.boxed = 0; window.opaque = 0; "
                    "document.querySelector('.tile').addEventListener('edgecam:frame', ({detail: {event}}) => {"
                    "window.drawn++; window.boxed += event.tracks.length > 0; "
                    "if (event.tracks.length && !window.opaque) requestAnimationFrame(() => { window.opaque = %s; }); })" % OPAQUE)
        browser.wait("window.drawn > 30 && window.boxed > 15 && window.opaque > 0", 60)
        assert browser.complaints() == []


OPAQUE = """(() => {
  // how many pixels of the overlay are drawn on
  const {width, height} = %s.overlay.element;
  const pixels = %s.overlay.element.getContext('2d').getImageData(0, 0, width, height).data;
  return pixels.filter((value, n) => n %% 4 === 3 && value > 0).length;
})()""" % (TILE, TILE)


def test_the_numbers_come(browser):
    browser.wait("[...document.querySelectorAll('#panel .row:not([hidden]) .value')].filter(v => /^[0-9]/.test(v.textContent)).length > 8")
    browser.wait("document.querySelector('#panel .control input')", 15)
    browser.wait(TILE + ".latency !== null")                 # known with the first quick answer of the board's clock
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

    def __init__(self, *words):
        super().__init__(*words)
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
        browser.wait("(rows => rows['bits in regions'] && rows['shown here'] > 0 && rows['capture to screen'])({})".format(ROWS), 20)
        rows = browser.run(ROWS)
        sparklines = browser.run("[...document.querySelectorAll('#panel .row:not([hidden]) .spark')].length")
    for lane in ("captured", "encoded", "detected", "shown here"):
        assert float(rows[lane]) > 0
    assert "bit/s" in rows["bitrate"] and "%" in rows["bits in regions"] and "/" in rows["QP in / out"]
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


@pytest.mark.parametrize("size", [(844, 390), (932, 430)])
def test_a_phone_on_its_side_shows_a_picture_to_look_at(browser, size):
    browser.resize(size, True)
    assert browser.run("document.querySelector('.tile').clientHeight") >= size[1] * 0.6
    assert browser.run("document.documentElement.scrollWidth") <= size[0]
    apart = "document.querySelector('.caption').getBoundingClientRect().right - document.querySelector('.badge').getBoundingClientRect().left"
    assert browser.run(apart) <= 0


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

"""What a page makes of a browser that is slow, strange or broken."""
import contextlib

import pytest

import web_rig as rig
from edgecam.bench.latency_browser import Browser
from edgecam.web import open_web
from web_browser import TILE, chromium                          # noqa: F401 (a fixture)


@pytest.fixture(scope="module")
def two(chromium):
    """Two cameras behind one server: (server, views)."""
    with contextlib.ExitStack() as stack:
        conf = rig.settings("detect.backend=none", input="test://street?size=160x160&fps=10&objects=2")
        views = {name: stack.enter_context(rig.camera(conf, name)) for name in ("front", "rear")}
        yield stack.enter_context(open_web(conf, views)), views


@contextlib.contextmanager
def page(server, script, query=""):
    """Open the page in a browser that runs *script* before anything of the page."""
    with Browser() as browser:
        browser.call("Page.addScriptToEvaluateOnNewDocument", source=script)
        browser.open(server.address + query)
        yield browser


SLIDE = "(() => {{ const s = document.getElementById('control-bitrate'); s.value = Math.log({}); s.dispatchEvent(new Event('input')); }})();"
KEY = "document.body.dispatchEvent(new KeyboardEvent('keydown', {{key: '{}', bubbles: true}}));"


def test_a_change_goes_to_the_camera_whose_controls_were_touched(two):
    server, views = two
    with page(server, "", "?camera=front") as browser:
        browser.wait("document.getElementById('control-bitrate')", 40)
        before = views["rear"].controls()["bitrate"]["value"]
        browser.run(SLIDE.format(640000) + KEY.format(2) + SLIDE.format(660000))        # front's are still there: rear's are being asked for
        rig.wait_for(lambda: views["front"].controls()["bitrate"]["value"] == 660000)
        assert views["rear"].controls()["bitrate"]["value"] == before


LATE = """const ask = window.fetch;
window.fetch = async (url, options) => {
  const answer = await ask(url, options);
  if (String(url).includes('rear/controls')) { await new Promise((done) => setTimeout(done, 500)); window.late = true; }
  return answer;
};"""


def test_controls_that_come_late_do_not_take_the_place_of_another_cameras(two):
    server, views = two
    views["front"].set_controls({"bitrate": 710000})
    views["rear"].set_controls({"bitrate": 720000})
    with page(server, LATE, "?camera=front") as browser:
        browser.wait("document.getElementById('control-bitrate')", 40)
        browser.run(KEY.format(2) + KEY.format(1))
        browser.wait("window.late")
        browser.run("new Promise((done) => setTimeout(done, 100))")
        assert browser.run("document.querySelector('#control-bitrate').parentElement.querySelector('output').textContent") == "710 kbit/s"


def test_a_player_that_the_browser_lacks_is_not_waited_for(two):
    with page(two[0], "delete window.VideoDecoder;", "?camera=front&player=codecs") as browser:
        browser.wait(TILE + ".shown > 5", 40)
        assert browser.run(TILE + ".player.constructor.title") == "MSE"
        assert browser.complaints() == []


@pytest.mark.parametrize("script", [
    "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('denied', 'SecurityError'); }});",
    "localStorage.setItem('edgecam', 'null');", "localStorage.setItem('edgecam', '{');"],
    ids=["forbidden", "null", "no JSON"])
def test_the_page_works_where_nothing_can_be_remembered(two, script):
    with page(two[0], script, "?camera=front") as browser:
        browser.wait(TILE + ".shown > 5", 40)
        browser.press("r")
        browser.press("t")
        assert browser.run("document.querySelector('[data-layer=regions]').ariaPressed") == "false"
        assert browser.complaints() == []


FRAMES = "document.querySelectorAll('.tile')[0].tile.shown"
SHOWN_HERE = "[...document.querySelectorAll('#panel .row')].find((row) => row.firstChild.textContent === 'shown here').querySelector('.value').textContent"


def test_frames_are_counted_from_one_second_to_the_next_also_of_a_camera_that_was_not_chosen(two):
    with page(two[0], "") as browser:
        browser.wait(FRAMES + " > 10 && Number(%s) > 0" % SHOWN_HERE, 40)
        browser.run(KEY.format(2) + KEY.format("g"))                # rear is chosen, and both are seen
        seen = browser.run(FRAMES)
        browser.wait("%s > %d" % (FRAMES, seen + 60), 40)
        browser.run("(() => { window.most = 0; new MutationObserver(() => { window.most = Math.max(window.most, Number(%s)); })"
                    ".observe(document.getElementById('panel'), {subtree: true, childList: true, characterData: true}); })()" % SHOWN_HERE)
        browser.run(KEY.format(1))
        seen = browser.run(FRAMES)
        browser.wait("%s > %d" % (FRAMES, seen + 30), 40)
        assert 0 < browser.run("window.most") < 40


def test_a_key_that_is_held_acts_once(two):
    with page(two[0], "", "?camera=front") as browser:
        browser.wait("document.querySelector('[data-layer=regions]')", 40)
        held = "new KeyboardEvent('keydown', {key: 'r', bubbles: true, cancelable: true, repeat: true})"
        browser.run(KEY.format("r"))
        assert browser.run("document.body.dispatchEvent(%s)" % held) is False       # nor does it scroll
        assert browser.run("document.querySelector('[data-layer=regions]').ariaPressed") == "false"

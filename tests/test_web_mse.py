"""The player of plain http, Media Source Extensions, in a real browser."""
import pytest

import web_rig as rig
from edgecam.bench.latency_browser import Browser
from web_browser import TILE, chromium                          # noqa: F401 (a fixture)

LEAD = "(({element: v, newest}) => newest - v.currentTime)(document.querySelector('.tile').tile.player)"
NEAR = "Math.abs({}) < 0.1".format(LEAD)


@pytest.fixture
def playing(chromium):
    """A browser in which the stream plays, near its newest frame; the page has nothing to complain of at the end."""
    with rig.page() as (server, _), Browser() as browser:
        browser.open(server.address + "?player=mse")
        browser.wait("{}.shown > 60 && {}".format(TILE, NEAR), 40)
        yield browser
        assert browser.complaints() == []


def test_it_goes_faster_when_behind_and_jumps_when_far_behind(playing):
    playing.run(TILE + ".player.element.currentTime -= 0.3")
    playing.wait(TILE + ".player.element.playbackRate > 1.03", 20)
    playing.wait(NEAR, 30)
    playing.run(TILE + ".player.element.currentTime -= 1.5")
    playing.wait("!{}.player.element.seeking && Math.abs({}) < 0.3".format(TILE, LEAD), 20)


def test_frames_times_are_so_uneven_that_there_is_no_cadence(playing):
    """The clock is slow while one frame in twelve is reckoned, and keeps pace nevertheless."""
    playing.run("""(({player}) => {
      const speed = Object.getOwnPropertyDescriptor(HTMLMediaElement.prototype, 'playbackRate');
      window.frames = window.slow = 0;
      Object.defineProperty(player.element, 'playbackRate', {set(rate) { window.slow += rate === 0.3; speed.set.call(this, rate); },
                                                             get() { return speed.get.call(this); }});
      player.frame = (...parts) => { window.frames++; Object.getPrototypeOf(player).frame.apply(player, parts); };
    })(%s)""" % TILE)
    playing.wait("window.frames >= 100", 40)
    assert playing.run("window.slow") >= 5
    playing.wait(NEAR, 20)


def test_the_clock_is_held_while_frames_are_missing(playing):
    playing.run(TILE + ".player.frame = () => {}")
    playing.wait(TILE + ".player.element.playbackRate === 0.1", 20)
    playing.run("delete {}.player.frame".format(TILE))
    playing.wait("{}.player.element.playbackRate > 0.9 && {}".format(TILE, NEAR), 30)

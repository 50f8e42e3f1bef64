"""The page follows the board's clock by the quickest of its answers."""
import pytest

import web_rig as rig
from edgecam.bench.latency_browser import Browser
from web_browser import chromium                                # noqa: F401 (a fixture)

LEARN = """import('/static/ask.js').then(({{ BoardClock }}) => {{
  const clock = new BoardClock(), here = performance.now() / 1000;
  for (const [trip, ahead] of {}) clock.learn(here - trip, here, here - trip / 2 + ahead);
  const now = clock.now();
  return now === null ? null : now - performance.now() / 1000;
}})"""


@pytest.fixture(scope="module")
def browser(chromium):                                          # noqa: F811
    with rig.page("detect.backend=none") as (server, _), Browser() as found:
        found.open(server.address)
        yield found


@pytest.mark.parametrize("answers, ahead", [
    ([], None),                                                 # nothing is known yet
    ([(0.4, 9.8)], None),                                       # a slow answer tells little
    ([(0.01, 10.0)], 10.0),
    ([(0.4, 9.8), (0.01, 10.0), (0.3, 10.2)], 10.0),            # the quickest one counts
    ([(0.4, 9.8), (0.3, 9.9), (0.2, 10.0), (0.3, 9.9), (0.4, 9.9)], 10.0),      # never a quick one: what there is
])
def test_the_quickest_answer_counts(browser, answers, ahead):
    found = browser.run(LEARN.format([list(answer) for answer in answers]))
    assert found is None if ahead is None else found == pytest.approx(ahead, abs=1e-3)

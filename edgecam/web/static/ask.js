// Talking with the API.

/** Send a request and return the JSON of its answer; an error has the server's own words. */
export async function ask(url, method = "GET", body = undefined) {
  const options = { method, cache: "no-store" };
  if (body !== undefined) Object.assign(options, { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } });
  const response = await fetch(url, options);
  if (response.status === 401) location.reload();           // the session has ended: the server shows the way in
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error || response.statusText);
  return answer;
}

const QUICK = 0.05, ENOUGH = 5;      // seconds there and back; answers

/**
 * Follows the board's clock: `now()` is what its `clock` shows, found like NTP from the quickest answer of the last minute.
 * It is null until there was a quick one, or enough of them: the first answers of a busy board tell little.
 */
export class BoardClock {
  #samples = [];                // [round trip, offset, when], seconds

  learn(sent, received, shown) {
    this.#samples.push([received - sent, shown - (sent + received) / 2, received]);
    this.#samples = this.#samples.filter(([, , when]) => received - when < 60);
  }

  now() {
    if (!this.#samples.length) return null;
    const [trip, offset] = this.#samples.reduce((best, sample) => (sample[0] < best[0] ? sample : best));
    if (trip > QUICK && this.#samples.length < ENOUGH) return null;
    return performance.now() / 1000 + offset;
  }
}

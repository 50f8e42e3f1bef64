// Where the bytes come from: one connection per camera, opened anew when it breaks.
import { BoxReader, readEvent } from "./boxes.js";
import { PartReader } from "./mjpeg.js";

const STILL_EVERY = 2;                      // seconds
const PAUSES = [0.3, 0.6, 1, 2, 4];         // seconds between attempts

/** Feeds a player from *urls* until `close`; *tell(state, text)* hears "live", "waiting" or "lost". */
export class Source {
  #stop = new AbortController();
  #attempt = 0;
  #feeds = { live: () => this.#live(), mjpeg: () => this.#mjpeg(), stills: () => this.#stills() };

  constructor(player, urls, tell) {
    this.player = player;
    this.urls = urls;
    this.tell = tell;
    this.run();
  }

  async run() {
    while (!this.#stop.signal.aborted) {
      try {
        this.tell("waiting", "connecting");
        await this.#feeds[this.player.constructor.source]();
        this.tell("lost", "the stream has ended");
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        this.tell("lost", error.message || "the connection is lost");
      }
      await new Promise((done) => setTimeout(done, 1000 * PAUSES[Math.min(this.#attempt++, PAUSES.length - 1)]));
    }
  }

  async #live() {
    let init = null, event = null, moof = null;
    for await (const chunk of this.#chunks(this.urls.live, new BoxReader())) {
      const { type, bytes } = chunk;
      if (type === "ftyp") init = bytes;
      else if (type === "moov") this.player.init(joined(init, bytes));
      else if (type === "emsg") event = readEvent(bytes);
      else if (type === "moof") moof = bytes;
      else if (type === "mdat") this.#taken(() => this.player.frame(event, moof, bytes));
    }
  }

  async #mjpeg() {
    for await (const jpeg of this.#chunks(this.urls.mjpeg, new PartReader())) this.#taken(() => this.player.picture(jpeg));
  }

  async #stills() {
    while (!this.#stop.signal.aborted) {
      const response = await this.#get(this.urls.snapshot), jpeg = new Uint8Array(await response.arrayBuffer());
      this.#taken(() => this.player.picture(jpeg));
      await new Promise((done) => setTimeout(done, 1000 * STILL_EVERY));
    }
  }

  #taken(give) {
    if (this.#stop.signal.aborted) return;
    this.#attempt = 0;
    give();
    this.tell("live");
  }

  async #get(url) {
    const response = await fetch(url, { signal: this.#stop.signal, cache: "no-store" });
    if (response.status === 401) location.reload();
    if (!response.ok) throw new Error((await response.json()).error);
    return response;
  }

  async *#chunks(url, cutter) {
    const reader = (await this.#get(url)).body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield* cutter.push(value);
    }
  }

  close() { this.#stop.abort(); }
}

function joined(a, b) {
  const whole = new Uint8Array(a.length + b.length);
  whole.set(a);
  whole.set(b, a.length);
  return whole;
}

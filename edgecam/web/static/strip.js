// The last ten seconds frame by frame: a bar for the bytes of each frame, keyframes bright, and dots for its way to the screen.

import { make } from "./tile.js";

const FRAMES = 300, GAP = 0.25;     // bars, and the space between two as a share of one
const DRAW_EVERY = 100;             // milliseconds

export class Strip {
  #frames = [];                     // [bytes, keyframe, latency in seconds or null, boxes]
  #drawn = 0;

  constructor(element) {
    this.element = element;
    this.canvas = element.querySelector("canvas");
    this.text = element.querySelector("output");
  }

  add(event, latency) {
    this.#frames.push([event.bytes, event.keyframe, latency, event.tracks.length]);
    if (this.#frames.length > FRAMES) this.#frames.shift();
    if (performance.now() - this.#drawn > DRAW_EVERY) this.draw();
  }

  clear() {
    this.#frames = [];
    this.draw();
  }

  draw() {
    this.#drawn = performance.now();
    const { canvas } = this, wide = canvas.clientWidth * devicePixelRatio, tall = canvas.clientHeight * devicePixelRatio;
    if (canvas.width !== wide || canvas.height !== tall) Object.assign(canvas, { width: wide, height: tall });
    const c = canvas.getContext("2d"), { color, borderTopColor, outlineColor } = getComputedStyle(canvas);
    const most = Math.max(...this.#frames.map(([bytes]) => bytes), 1), slow = Math.max(...this.#frames.map(([, , late]) => late || 0), 0.05);
    const step = wide / FRAMES, left = wide - step * this.#frames.length;
    c.clearRect(0, 0, wide, tall);
    this.#frames.forEach(([bytes, key], n) => {
      const high = Math.max(bytes / most * (tall - 2), 1);
      c.fillStyle = key ? color : borderTopColor;
      c.fillRect(left + n * step, tall - high, step * (1 - GAP), high);
    });
    c.fillStyle = outlineColor;
    this.#frames.forEach(([, , late], n) => late !== null && c.fillRect(left + n * step, tall - 2 - Math.max(late, 0) / slow * (tall - 6), step, 2 * devicePixelRatio));
    const last = this.#frames[this.#frames.length - 1];
    this.text.replaceChildren(...last ? [`${(last[0] / 1000).toFixed(1)} kB · ${last[3]} ${last[3] === 1 ? "object" : "objects"}`,
      make("span", "wide", ` · largest ${(most / 1000).toFixed(0)} kB`)] : []);
  }
}

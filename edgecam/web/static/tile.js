// One camera on the page: a player, its overlay, and a line that tells how it goes.
import { CodecsPlayer } from "./codecs.js";
import { MjpegPlayer, StillsPlayer } from "./mjpeg.js";
import { MsePlayer } from "./mse.js";
import { Overlay } from "./overlay.js";
import { Source } from "./source.js";

const PLAYERS = { codecs: CodecsPlayer, mse: MsePlayer, mjpeg: MjpegPlayer };      // best first
const SILENT = 3000;            // milliseconds without a picture, then the tile says so

/** Return the players to try in turn; *wanted* (from the page's address) names a certain one, which this browser may lack. */
export function choosePlayers(wanted) {
  const usable = Object.entries(PLAYERS).filter(([, player]) => player.supported()), named = usable.filter(([name]) => name === wanted);
  return (named.length ? named : usable).map(([, player]) => player);
}

export class Tile {
  #players;
  #source = null;
  #stills = false;
  #last = 0;
  #asked = null;                // frames that were on screen when somebody asked
  #painted = null;              // {event, mediaTime} of the frame that the next refresh of the screen shows

  /** *layers()* tells what to draw; *now()* is the board's clock in seconds, or null while unknown. */
  constructor(camera, { wanted, layers, now }) {
    this.camera = camera;
    this.layers = layers;
    this.now = now;
    this.latency = null;        // seconds from capture to the screen
    this.shown = 0;
    this.overpainted = 0;       // frames that made way for the next one before the screen was refreshed
    this.#players = choosePlayers(wanted);
    this.element = make("figure", "tile");
    this.element.tabIndex = 0;
    this.element.setAttribute("aria-label", "Camera " + camera.name);
    this.badge = make("span", "badge");
    this.message = make("p", "message");
    this.caption = make("figcaption", "caption", camera.name);
    this.overlay = new Overlay();
    this.overlay.zones = camera.zones;
    this.element.append(this.overlay.element, this.caption, this.badge, this.message);
    this.shape(camera.stream || { width: 16, height: 9 });
    this.element.tile = this;
  }

  shape({ width, height }) {
    this.element.style.setProperty("--shape", width + " / " + height);
    this.element.style.setProperty("--ratio", width / height);
  }

  /** Let pictures flow; *stills*: one now and then only. */
  play(stills = false) {
    if (this.#source && stills === this.#stills) return;
    this.#end();
    this.#stills = stills;
    const Player = stills ? StillsPlayer : this.#players[0];
    const player = this.player = new Player((event, mediaTime) => player === this.player && this.#show(event, mediaTime),
      (error) => player === this.player && this.#failed(error));
    this.player.element.className = "picture";
    this.element.prepend(this.player.element);
    this.#source = new Source(this.player, this.camera.urls, (state, text) => this.#tell(state, text));
    this.watchdog = setInterval(() => this.#watch(), 500);
  }

  /** Stop and leave the last picture where it is. */
  pause() {
    if (!this.#source) return;
    clearInterval(this.watchdog);
    this.#source.close();
    this.#source = null;
    this.#badge("paused", "paused");
  }

  /** Frames that were on screen so far. */
  get presented() { return this.player?.presented ?? this.shown; }

  /** Return how many frames were on screen since this was asked the last time. */
  takePresented() {
    const before = this.#asked;
    this.#asked = this.presented;
    return Math.max(0, this.#asked - (before ?? this.#asked));          // a player that begins anew counts from 0
  }

  /** Frames that came but were never on screen. */
  get skipped() { return (this.player?.skipped ?? 0) + this.overpainted; }

  get playing() { return this.#source !== null; }

  restart() {
    this.#end();
    this.play(this.#stills);
  }

  /** Stop, and take the picture away. */
  #end() {
    this.pause();
    if (!this.player) return;
    this.player.close();
    this.player.element.remove();
    this.player = null;
  }

  #show(event, mediaTime) {
    const picture = this.player.element;
    const width = picture.videoWidth || picture.width, height = picture.videoHeight || picture.height;
    this.event = event;
    this.overlay.draw(event, width, height, this.layers());
    if (this.#painted) this.overpainted++;
    else requestAnimationFrame(() => this.#onScreen());
    this.#painted = { event, mediaTime };
  }

  /** The screen is being refreshed, with the frame that was painted last. */
  #onScreen() {
    const { event, mediaTime } = this.#painted;
    this.#painted = null;
    this.#last = performance.now();
    this.shown++;
    const now = this.now();
    if (now !== null && this.camera.video && this.camera.video.live) this.latency = now - event.time;
    this.element.dispatchEvent(new CustomEvent("edgecam:frame", { detail: { event, mediaTime, at: this.#last }, bubbles: true }));
  }

  /** Redraw the overlay of the frame that stands, after a switch or a new size. */
  redraw() {
    const picture = this.player && this.player.element;
    if (this.event && picture) {
      this.overlay.draw(this.event, picture.videoWidth || picture.width, picture.videoHeight || picture.height, this.layers());
    }
  }

  #tell(state, text = "") {
    this.state = state;
    if (state === "live") return;
    this.#badge(state, state === "lost" ? "reconnecting" : text);
    this.message.textContent = state === "lost" ? text : "";
  }

  #watch() {
    if (this.state !== "live") return;
    if (performance.now() - this.#last > SILENT * (this.#stills ? 3 : 1)) {
      this.#badge("lost", "no picture");
      return;
    }
    const late = this.latency === null || this.#stills ? "" : ` · ${Math.max(0, Math.round(1000 * this.latency))} ms`;
    this.#badge("live", "live · " + this.player.constructor.title + late);
    this.message.textContent = "";
  }

  #badge(state, text) {
    this.badge.dataset.state = state;
    this.badge.textContent = text;
  }

  /** A player that can't go on makes way for the next one. */
  #failed(error) {
    console.warn("edgecam: " + this.player.constructor.title + " failed: " + (error && error.message));
    if (this.#players.length > 1) this.#players.shift();
    setTimeout(() => this.#source && this.restart(), 500);
  }
}

export function make(tag, className = "", text = "") {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text) element.textContent = text;
  return element;
}

// Media Source Extensions: works on plain http. The video element plays at the live edge;
// requestVideoFrameCallback tells which frame is on screen.
import { readConfig } from "./boxes.js";

const TARGET = 0.06;            // seconds behind the newest frame
const TOO_FAR = 0.5;            // seconds beyond the target: jump
const KEPT = 20, TRIMMED = 10;  // seconds: with more than KEPT buffered, all but TRIMMED goes

export class MsePlayer {
  static title = "MSE";
  static source = "live";
  static supported = () => "MediaSource" in window && "requestVideoFrameCallback" in HTMLVideoElement.prototype;

  #media = null;
  #buffer = null;
  #queue = [];
  #events = new Map();          // milliseconds, rounded -> event
  #url = null;
  #started = false;
  #closed = false;

  constructor(show, fail) {
    this.show = show;
    this.fail = fail;
    this.element = document.createElement("video");
    Object.assign(this.element, { muted: true, playsInline: true, disableRemotePlayback: true, autoplay: true });
    this.element.addEventListener("waiting", () => { this.waits += this.#started ? 1 : 0; });
    this.element.addEventListener("error", () => this.#closed || fail(this.element.error));
    this.waits = 0;
    const onFrame = (now, { mediaTime }) => {
      this.#shown(mediaTime);
      if (!this.#closed) this.element.requestVideoFrameCallback(onFrame);
    };
    this.element.requestVideoFrameCallback(onFrame);
  }

  init(segment) {
    if (this.#buffer) return this.#append(segment);      // new parameters in a running stream
    this.#media = new MediaSource();
    this.#queue = [segment];
    this.#media.addEventListener("sourceopen", () => this.#open(readConfig(segment)), { once: true });
    this.element.src = this.#url = URL.createObjectURL(this.#media);
  }

  #open({ codec }) {
    this.#buffer = this.#media.addSourceBuffer(`video/mp4; codecs="${codec}"`);
    this.#buffer.mode = "segments";
    this.#buffer.addEventListener("updateend", () => this.#appended());
    this.#append();
  }

  frame(event, moof, mdat) {
    this.#events.set(Math.round(event.us / 1000), event);
    if (this.#events.size > 600) this.#events.delete(this.#events.keys().next().value);
    this.#append(moof, mdat);
  }

  /** Queue bytes; everything queued goes into one append. */
  #append(...parts) {
    this.#queue.push(...parts);
    if (!this.#buffer || this.#buffer.updating || !this.#queue.length || this.#media.readyState !== "open") return;
    try {
      this.#buffer.appendBuffer(new Uint8Array(joined(this.#queue)));
      this.#queue = [];
    } catch (error) {
      if (!this.#closed) this.fail(error);
    }
  }

  #appended() {
    if (this.#closed || this.#buffer.updating) return;     // a frame that came meanwhile has begun the next append
    const { element } = this, { buffered } = this.#buffer;
    if (!buffered.length) return;
    if (!this.#started) {
      this.#started = true;
      element.currentTime = buffered.start(0);
      element.play().catch(() => {});               // a page that was closed meanwhile
    }
    if (element.currentTime - buffered.start(0) > KEPT) this.#buffer.remove(0, element.currentTime - TRIMMED);
    else this.#append();
    this.#steer(buffered);
  }

  /** Stay near the live edge: a little faster or slower, or a jump. */
  #steer(buffered) {
    const last = buffered.length - 1, end = buffered.end(last), lag = end - this.element.currentTime - TARGET;
    const inGap = this.element.currentTime < buffered.start(last);
    if (lag > TOO_FAR || inGap || lag < -1) {
      this.element.currentTime = Math.max(buffered.start(last), end - TARGET);
    } else {
      this.element.playbackRate = lag > 0.05 ? 1.05 : lag > 0.02 ? 1.02 : lag < -0.03 ? 0.97 : 1;
    }
  }

  #shown(mediaTime) {
    const at = Math.round(mediaTime * 1000);
    const event = this.#events.get(at) || this.#events.get(at + 1) || this.#events.get(at - 1);
    if (event) this.show(event, mediaTime);
  }

  get skipped() { return this.element.getVideoPlaybackQuality().droppedVideoFrames; }

  close() {
    this.#closed = true;
    this.#queue = [];
    this.element.removeAttribute("src");
    this.element.load();
    if (this.#url) URL.revokeObjectURL(this.#url);
  }
}

function joined(parts) {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

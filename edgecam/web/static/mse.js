// Media Source Extensions: works on plain http. requestVideoFrameCallback tells which frame is on screen.
//
// A video element wants to play smoothly, we want each frame at once. What Chromium does when frames come late:
// - Where frames and screen have a common cadence (30 a second at 60 Hz: each is shown twice) a frame that was shown so often is
//   used up, and if the next is not decoded by then, the clock stops ("waiting"). Without a cadence it goes by the frames' times.
//   So every second frame is said to be UNEVEN earlier than it is: variable rates have no cadence.
// - A frame whose duration is over is used up, too. So each is said to last LASTS frames; the next one replaces it anyway.
// - The newest frame whose time has come is shown. So the clock is kept a little ahead of the newest frame: it is shown as soon
//   as it is decoded, and a late one is merely late.
import { readConfig, stretch } from "./boxes.js";

const TARGET = -0.015;         // seconds that the newest frame lies ahead of the clock when it comes
const UNEVEN = 0.012;           // seconds; more than 0.55 of the time between two refreshes of a screen of 50 Hz
const LASTS = 15;
const TOO_FAR = 0.5;            // seconds off the target: jump
const SMOOTHING = 0.1;          // weight of the newest frame in the mean lag
const KEPT = 20, TRIMMED = 10;  // seconds: with more than KEPT buffered, all but TRIMMED goes

export class MsePlayer {
  static title = "MSE";
  static source = "live";
  static supported = () => "MediaSource" in window && "requestVideoFrameCallback" in HTMLVideoElement.prototype;

  #media = null;
  #buffer = null;
  #queue = [];                  // [bytes, seconds to be added to their times], in order
  #events = new Map();          // milliseconds as the browser tells them, rounded -> event
  #newest = 0;                  // presentation time of the newest frame, seconds
  #before = 0;                  // and of the one before
  #uneven = false;
  #lag = null;                  // seconds behind the target, in the mean of the last frames
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
    if (this.#buffer) return this.#append(segment, 0);      // new parameters in a running stream
    this.#media = new MediaSource();
    this.#queue = [[segment, 0]];
    this.#media.addEventListener("sourceopen", () => this.#open(readConfig(segment)), { once: true });
    this.element.src = this.#url = URL.createObjectURL(this.#media);
  }

  #open({ codec }) {
    this.#buffer = this.#media.addSourceBuffer(`video/mp4; codecs="${codec}"`);
    this.#buffer.mode = "segments";
    this.#buffer.addEventListener("updateend", () => this.#appended());
    this.#next();
  }

  frame(event, moof, mdat) {
    this.#before = this.#newest;
    this.#newest = event.us / 1e6;
    this.#uneven = !this.#uneven;
    const shift = this.#uneven ? -Math.min(UNEVEN, Math.max(0, 0.7 * (this.#newest - this.#before))) : 0;
    this.#events.set(Math.round(1000 * (this.#newest + shift)), event);
    if (this.#events.size > 600) this.#events.delete(this.#events.keys().next().value);
    this.#append(joined(stretch(moof, LASTS), mdat), shift);
  }

  #append(bytes, shift) {
    this.#queue.push([bytes, shift]);
    this.#next();
  }

  /** Append the next piece, when the one before is done. */
  #next() {
    if (!this.#buffer || this.#buffer.updating || !this.#queue.length || this.#media.readyState !== "open") return;
    const [bytes, shift] = this.#queue.shift();
    try {
      this.#buffer.timestampOffset = shift;
      this.#buffer.appendBuffer(bytes);
    } catch (error) {
      if (!this.#closed) this.fail(error);
    }
  }

  #appended() {
    if (this.#closed || this.#buffer.updating) return;     // a frame that came meanwhile has begun the next append
    const { element } = this, { buffered } = this.#buffer;
    if (buffered.length && !this.#started) {
      this.#started = true;
      element.currentTime = buffered.start(0);
      element.play().catch(() => {});               // a page that was closed meanwhile
    }
    if (buffered.length && element.currentTime - buffered.start(0) > KEPT) this.#buffer.remove(0, element.currentTime - TRIMMED);
    else this.#next();
    if (buffered.length && !this.#queue.length) this.#steer(buffered);
  }

  /** Stay at the live edge: a little faster or slower, or a jump. */
  #steer(buffered) {
    const { element } = this, start = buffered.start(buffered.length - 1), lag = this.#newest - element.currentTime - TARGET;
    if (element.seeking) return;
    if (Math.abs(lag) > TOO_FAR || element.currentTime < start) {
      element.currentTime = Math.max(start, this.#newest - TARGET);
      this.#lag = null;
      return;
    }
    this.#lag = this.#lag === null ? lag : this.#lag + SMOOTHING * (lag - this.#lag);
    element.playbackRate = rateFor(this.#lag);
  }

  #shown(mediaTime) {
    const at = Math.round(mediaTime * 1000);
    const event = this.#events.get(at) || this.#events.get(at + 1) || this.#events.get(at - 1);
    if (event) this.show(event, mediaTime);
  }

  /** Presentation time of the newest frame that came, in seconds. */
  get newest() { return this.#newest; }

  get skipped() { return this.element.getVideoPlaybackQuality().droppedVideoFrames; }

  close() {
    this.#closed = true;
    this.#queue = [];
    this.element.removeAttribute("src");
    this.element.load();
    if (this.#url) URL.revokeObjectURL(this.#url);
  }
}

/** Return how fast to play, *lag* seconds behind the target: up to 10 % faster or slower, in steps of 1 %. */
function rateFor(lag) {
  const percent = Math.min(10, Math.round(50 * Math.max(0, Math.abs(lag) - 0.005)));
  return 1 + Math.sign(lag) * percent / 100;
}

function joined(a, b) {
  const whole = new Uint8Array(a.length + b.length);
  whole.set(a);
  whole.set(b, a.length);
  return whole;
}

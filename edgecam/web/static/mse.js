// Media Source Extensions: works on plain http. requestVideoFrameCallback tells which frame is on screen.
//
// A video element wants to play smoothly, we want each frame soon, and all of them. What Chromium does to frames as they come:
// - Where frames and screen have a common cadence (30 a second at 60 Hz: each is shown twice) a frame that was shown so often is
//   used up, and if the next is not decoded by then, the clock stops ("waiting"). And a screen of which nothing but such a video
//   moves is refreshed only as often as the video has frames: two that come between two refreshes are one too many. So we play
//   by turns SWAY slower and SWAY faster: that has no cadence.
// - A frame whose duration is over is used up, too. So each is said to last LASTS frames; the next one replaces it anyway.
// - The newest frame whose time has come is shown. So the clock is kept so far behind that nearly all frames are there in time:
//   as far as they came late lately.
import { readConfig, stretch } from "./boxes.js";

const SWAY = 0.04, TURN = 0.012;     // share of the speed, and how many seconds off our place we turn round
const FASTEST = 0.1;            // most that we go faster or slower
const LATE = 0.01;              // share of the frames that may come too late
const WINDOW = 300;             // frames that tell how late they come
const PATIENCE = 0.03;          // seconds that we wait for late frames: a stream that is later than that now and then loses some
const READY = 0.008;            // seconds from a frame's coming until it is decoded
const LASTS = 15;
const TOO_FAR = 0.5;            // seconds off the target: jump
const KEPT = 20, TRIMMED = 10;  // seconds: with more than KEPT buffered, all but TRIMMED goes

export class MsePlayer {
  static title = "MSE";
  static source = "live";
  static supported = () => "MediaSource" in window && "requestVideoFrameCallback" in HTMLVideoElement.prototype;

  #media = null;
  #buffer = null;
  #queue = [];                  // bytes to be appended, in order
  #events = new Map();          // milliseconds as the browser tells them, rounded -> event
  #newest = 0;                  // presentation time of the newest frame, seconds
  #delays = [];                 // this browser's clock when a frame came less the frame's time, seconds, of the last frames
  #side = 1;                    // 1: we play too fast, -1: too slow
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
    this.presented = 0;         // frames put on screen; one that stays for a single refresh may have no callback of its own
    const onFrame = (now, { mediaTime, presentedFrames }) => {
      this.presented = presentedFrames;
      this.#shown(mediaTime);
      if (!this.#closed) this.element.requestVideoFrameCallback(onFrame);
    };
    this.element.requestVideoFrameCallback(onFrame);
  }

  /** A stream begins, perhaps anew with times that there were before: nothing of the old one is kept. */
  init(segment) {
    const media = this.#media = new MediaSource();
    this.#buffer = null;
    this.#queue = [segment];
    this.#events.clear();
    this.#delays = [];
    this.#started = false;
    media.addEventListener("sourceopen", () => media === this.#media && this.#open(readConfig(segment)), { once: true });
    if (this.#url) URL.revokeObjectURL(this.#url);
    this.element.src = this.#url = URL.createObjectURL(media);
  }

  #open({ codec }) {
    const buffer = this.#buffer = this.#media.addSourceBuffer(`video/mp4; codecs="${codec}"`);
    buffer.mode = "segments";
    buffer.addEventListener("updateend", () => buffer === this.#buffer && this.#appended());
    this.#next();
  }

  frame(event, moof, mdat) {
    this.#newest = event.us / 1e6;
    this.#delays.push(seconds() - this.#newest);
    if (this.#delays.length > WINDOW) this.#delays.shift();
    this.#events.set(Math.round(1000 * this.#newest), event);
    if (this.#events.size > 600) this.#events.delete(this.#events.keys().next().value);
    this.#queue.push(joined(stretch(moof, LASTS), mdat));
    this.#next();
  }

  /** Append the next piece, when the one before is done. */
  #next() {
    if (!this.#buffer || this.#buffer.updating || !this.#queue.length || this.#media.readyState !== "open") return;
    try {
      this.#buffer.appendBuffer(this.#queue.shift());
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

  /** Stay as near to the live edge as the frames' coming allows: a little faster or slower, or a jump. */
  #steer(buffered) {
    const { element } = this, start = buffered.start(buffered.length - 1), wanted = seconds() - behind(this.#delays);
    if (element.seeking) return;
    const lag = wanted - element.currentTime;
    if (Math.abs(lag) > TOO_FAR || element.currentTime < start) element.currentTime = Math.max(start, wanted);
    else element.playbackRate = 1 + this.#pace(lag);
  }

  /** Return how much faster than the camera to play, *lag* seconds behind where we should be. */
  #pace(lag) {
    if (lag * this.#side < -TURN) this.#side = -this.#side;
    return this.#side * Math.max(SWAY, Math.min(FASTEST, Math.abs(lag)));
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

const seconds = () => performance.now() / 1000;

/** Return how far the clock must be behind `seconds()` that frames which come with such *delays* are there in time. */
function behind(delays) {
  const sorted = [...delays].sort((a, b) => a - b), at = (share) => sorted[Math.floor(share * (sorted.length - 1))];
  return Math.min(at(1 - LATE), at(0.5) + PATIENCE) + READY;
}

function joined(a, b) {
  const whole = new Uint8Array(a.length + b.length);
  whole.set(a);
  whole.set(b, a.length);
  return whole;
}

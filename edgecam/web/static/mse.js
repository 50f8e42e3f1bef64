// Media Source Extensions: works on plain http. requestVideoFrameCallback tells which frame is on screen.
//
// A video element wants to play smoothly, we want each frame soon, and all of them. What Chromium does to frames as they come:
// - It reckons the mean time from frame to frame. Where that fits the refreshes of the screen (a cadence: 30 frames a second at
//   60 Hz), each frame is due for so many: one that is late stops the clock ("waiting"), and of two that come close together one is
//   lost. A frame's time is reckoned once, at the speed of the clock at the first refresh after the next frame was decoded. Where
//   the times of the last frames differ much (standard deviation: half a refresh), there is no cadence. So the clock is SLOW while
//   one frame in EVERY is reckoned: that one seems to last three times as long.
// - It shows the newest frame whose time has come by the refresh after the next. So a frame that came late, or together with the
//   next one, would make way before it was shown: then the clock is SLOW, too, until it must have been.
// - A frame whose duration is over is used up. So each is said to last LASTS frames; the next one replaces it anyway.
// The clock is kept so far behind that nine frames of ten are there in time. It waits for the others.
import { readConfig, stretch } from "./boxes.js";

const SLOW = 0.3, EVERY = 12;
const RECKONED = 0.025;         // seconds from a frame's coming until its forerunner was surely reckoned
const FASTEST = 0.3, SOON = 0.15;    // most that we go faster or slower otherwise; seconds until we want to be in our place
const HOLD = 0.1;               // speed while the next frame's time has come, but not the frame
const LATE = 0.1;               // share of the frames that we may have to wait for
const WINDOW = 300;             // frames that tell how late they come
const PATIENCE = 0.02;          // seconds: where frames come later than the usual one by more than that, more have to be waited for
const READY = 0.016;            // seconds from a frame's coming until it is decoded
const DRAWN = 0.045;            // and until it was surely chosen for a refresh of the screen
const TOGETHER = 0.6;           // of the time from frame to frame: what comes closer to each other came together
const LASTS = 15;
const SMOOTHING = 0.1, LONGEST = 1;      // weight of the newest time from frame to frame; seconds: a longer one is a gap
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
  #came = 0;                    // when it came, by this browser's clock
  #oldest = 0;                  // presentation time of the oldest frame that came together with it
  #delays = [];                 // this browser's clock when a frame came less the frame's time, seconds, of the last frames
  #behind = 0;                  // and how far the clock must be behind this browser's, therefore
  #spacing = 1 / 30;            // seconds from frame to frame, in the mean
  #since = 0;                   // frames since we played slower
  #turn = null;                 // timer of the next change of speed
  #overdue = null;              // timer of the moment when the next frame should be there
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
    this.#clearTimers();
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
    const time = event.us / 1e6, since = time - this.#newest;
    if (since > 0 && since < LONGEST) this.#spacing += SMOOTHING * (since - this.#spacing);
    if (seconds() - this.#came > TOGETHER * this.#spacing) this.#oldest = time;
    this.#came = seconds();
    this.#newest = time;
    this.#delays.push(this.#came - time);
    if (this.#delays.length > WINDOW) this.#delays.shift();
    this.#behind = behind(this.#delays);
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
    const { element } = this, start = buffered.start(buffered.length - 1), lag = this.#lag();
    if (element.seeking) return;
    this.#clearTimers();
    if (Math.abs(lag) > TOO_FAR || element.currentTime < start) element.currentTime = Math.max(start, element.currentTime + lag);
    const until = (time) => time + this.#spacing - element.currentTime;       // until the successor of the frame of *time* is due
    if (++this.#since >= EVERY || until(this.#oldest) < DRAWN) this.#slow();
    else this.#play();
    this.#overdue = setTimeout(() => this.#hold(), 1000 * Math.max(0, until(this.#newest) - READY));
  }

  #play() {
    this.element.playbackRate = 1 + Math.max(-FASTEST, Math.min(FASTEST, this.#lag() / SOON));
  }

  /** Play so slowly that the time reckoned now stands out, and no frame's time is over before it was shown. */
  #slow() {
    this.#since = 0;
    this.element.playbackRate = SLOW;
    this.#turn = setTimeout(() => this.#play(), 1000 * RECKONED);
  }

  /** The next frame should be there, and isn't: wait for it. */
  #hold() {
    clearTimeout(this.#turn);
    this.element.playbackRate = HOLD;
  }

  #clearTimers() {
    clearTimeout(this.#turn);
    clearTimeout(this.#overdue);
  }

  /** Seconds that the clock is behind where it should be. */
  #lag() { return seconds() - this.#behind - this.element.currentTime; }

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
    this.#clearTimers();
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

// WebCodecs: each frame is decoded as it comes and painted with its overlay. Needs https or localhost.
//
// A frame is painted as soon as it is decoded, so that it need not be painted any more when the screen is refreshed. Of further
// ones before that refresh only the newest is painted, by then.
import { readConfig } from "./boxes.js";

const MOST_WAITING = 15;        // frames in the decoder; with more we go on at the next keyframe

export class CodecsPlayer {
  static title = "WebCodecs";
  static source = "live";
  static supported = () => "VideoDecoder" in window;

  #decoder = null;
  #context;
  #events = new Map();          // microseconds -> event, of the frames in the decoder
  #painted = false;             // since the last refresh of the screen
  #newest = null;               // the decoded frame to be painted at the next refresh
  #needsKey = true;

  /** *show(event)* is called while a frame is painted, *fail(error)* when nothing works any more. */
  constructor(show, fail) {
    this.show = show;
    this.fail = fail;
    this.element = document.createElement("canvas");
    this.#context = this.element.getContext("2d", { alpha: false, desynchronized: false });
    this.skipped = 0;
  }

  init(segment) {
    const { codec, description, width, height } = readConfig(segment);
    this.#close();
    this.element.width = width;
    this.element.height = height;
    this.#decoder = new VideoDecoder({ output: (frame) => this.#decoded(frame), error: (error) => this.fail(error) });
    this.#decoder.configure({ codec, description, optimizeForLatency: true });
    this.#needsKey = true;
  }

  frame(event, moof, mdat) {
    if (this.#decoder.decodeQueueSize > MOST_WAITING) this.#needsKey = true;
    if (this.#needsKey && !event.keyframe) return;
    this.#needsKey = false;
    this.#events.set(event.us, event);
    const type = event.keyframe ? "key" : "delta";
    this.#decoder.decode(new EncodedVideoChunk({ type, timestamp: event.us, data: mdat.subarray(8) }));
  }

  #decoded(frame) {
    if (!this.#painted) {
      this.#painted = true;
      requestAnimationFrame(() => this.#refreshed());
      this.#paint(frame);
      return;
    }
    if (this.#newest) {
      this.#forget(this.#newest);
      this.skipped++;
    }
    this.#newest = frame;
  }

  #refreshed() {
    const frame = this.#newest;
    this.#painted = false;
    this.#newest = null;
    if (frame) this.#paint(frame);
  }

  #paint(frame) {
    this.#context.drawImage(frame, 0, 0, this.element.width, this.element.height);
    const event = this.#forget(frame);
    if (event) this.show(event);
  }

  #forget(frame) {
    const event = this.#events.get(frame.timestamp);
    this.#events.delete(frame.timestamp);
    frame.close();
    return event;
  }

  #close() {
    if (this.#decoder && this.#decoder.state !== "closed") this.#decoder.close();
    if (this.#newest) this.#forget(this.#newest);
    this.#newest = null;
    this.#events.clear();
  }

  close() { this.#close(); }
}

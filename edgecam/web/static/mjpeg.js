// MJPEG, where nothing better works. Each picture brings its event in a JPEG comment.

const BOUNDARY = new TextEncoder().encode("\r\n--edgecam-frame");
const JPEG_START = 0xd8, COMMENT = 0xfe;

export class MjpegPlayer {
  static title = "MJPEG";
  static source = "mjpeg";
  static supported = () => true;

  #context;
  #busy = false;

  constructor(show, fail) {
    this.show = show;
    this.fail = fail;
    this.element = document.createElement("canvas");
    this.#context = this.element.getContext("2d", { alpha: false });
    this.skipped = 0;
  }

  /** Take one JPEG; a picture that comes while the one before is being decoded is skipped. */
  async picture(jpeg) {
    if (this.#busy) {
      this.skipped++;
      return;
    }
    this.#busy = true;
    try {
      const image = await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" }));
      if (this.element.width !== image.width || this.element.height !== image.height) {
        this.element.width = image.width;
        this.element.height = image.height;
      }
      this.#context.drawImage(image, 0, 0);
      image.close();
      const event = readComment(jpeg);
      if (event) this.show(event);
    } finally {
      this.#busy = false;
    }
  }

  close() {}
}

/** A still now and then, for cameras that no connection is left for. */
export class StillsPlayer extends MjpegPlayer {
  static title = "stills";
  static source = "stills";
}

/** Return the event in a JPEG's comment, or null. */
export function readComment(jpeg) {
  if (jpeg[1] !== JPEG_START || jpeg[3] !== COMMENT) return null;
  return JSON.parse(new TextDecoder().decode(jpeg.subarray(6, 4 + jpeg[4] * 256 + jpeg[5])));
}

/** Cuts a multipart stream into JPEGs. */
export class PartReader {
  #rest = new Uint8Array(0);
  #scanned = 0;

  push(chunk) {
    const bytes = new Uint8Array(this.#rest.length + chunk.length), found = [];
    bytes.set(this.#rest);
    bytes.set(chunk, this.#rest.length);
    let from = 0, at = this.#scanned;
    for (let end; (end = find(bytes, BOUNDARY, at)) >= 0; at = from = end + BOUNDARY.length) {
      const start = skipHead(bytes, from);
      if (end > start) found.push(bytes.slice(start, end));
    }
    this.#rest = bytes.slice(from);
    this.#scanned = Math.max(this.#rest.length - BOUNDARY.length, 0);
    return found;
  }
}

function find(bytes, wanted, from) {
  for (let at = bytes.indexOf(wanted[0], from); at >= 0 && at + wanted.length <= bytes.length; at = bytes.indexOf(wanted[0], at + 1)) {
    if (wanted.every((value, n) => bytes[at + n] === value)) return at;
  }
  return -1;
}

/** Return where the picture begins behind a part's head, which ends with an empty line. */
function skipHead(bytes, from) {
  const end = find(bytes, [13, 10, 13, 10], from);
  return end < 0 ? bytes.length : end + 4;
}

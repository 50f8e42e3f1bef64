// MP4 boxes as they arrive. A box is 4 bytes size, 4 bytes type, then its content.

const typeOf = (bytes, at) => String.fromCharCode(...bytes.subarray(at + 4, at + 8));
const dataView = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Cuts a byte stream into top-level boxes. */
export class BoxReader {
  #rest = new Uint8Array(0);

  /** Take the next bytes; return the boxes {type, bytes} that are complete now. */
  push(chunk) {
    let bytes = chunk;
    if (this.#rest.length) {
      bytes = new Uint8Array(this.#rest.length + chunk.length);
      bytes.set(this.#rest);
      bytes.set(chunk, this.#rest.length);
    }
    const view = dataView(bytes), found = [];
    let at = 0;
    while (bytes.length - at >= 8 && bytes.length - at >= view.getUint32(at)) {
      const size = Math.max(view.getUint32(at), 8);
      found.push({ type: typeOf(bytes, at), bytes: bytes.subarray(at, at + size) });
      at += size;
    }
    this.#rest = bytes.slice(at);
    return found;
  }
}

/** Return the event in an emsg box (version 1), with `us`: its presentation time in microseconds. */
export function readEvent(bytes) {
  const view = dataView(bytes);
  let at = 32;                                  // behind size, type, flags, timescale, time, duration, id
  for (let strings = 0; strings < 2; at++) strings += bytes[at] === 0;
  const event = JSON.parse(new TextDecoder().decode(bytes.subarray(at)));
  event.us = Math.round(Number(view.getBigUint64(16)) * 1e6 / view.getUint32(12));
  return event;
}

/** Return {codec, description, width, height} from an init segment's avc1 and avcC boxes. */
export function readConfig(init) {
  const view = dataView(init), avc1 = find(init, "avc1"), avcC = find(init, "avcC");
  const description = init.slice(avcC + 4, avcC - 4 + view.getUint32(avcC - 4));
  const hex = (value) => value.toString(16).padStart(2, "0").toUpperCase();
  return {
    codec: "avc1." + [...description.subarray(1, 4)].map(hex).join(""),
    description, width: view.getUint16(avc1 + 28), height: view.getUint16(avc1 + 30),
  };
}

/** Say in a fragment of one frame that it lasts *times* as long; return the same bytes. */
export function stretch(moof, times) {
  const view = dataView(moof), at = find(moof, "trun") + 16;
  view.setUint32(at, view.getUint32(at) * times);
  return moof;
}

function find(bytes, type) {
  const code = [...type].map((letter) => letter.charCodeAt(0));
  for (let at = bytes.length - 4; at >= 0; at--) {              // from behind: brands in ftyp are called avc1, too
    if (code.every((value, n) => bytes[at + n] === value)) return at;
  }
  throw new Error("no " + type + " box in the init segment");
}

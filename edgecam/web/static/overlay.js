// Draws one frame's event over its picture. Everything in the event is in pixels of the picture.

const TAIL = 2.0;               // seconds of track that the tail shows
const DETECTION_SHOWN = 0.25;   // seconds that bare detections stay

/** What can be shown, in the order of the bar: name, key, title, shown at first. */
export const LAYERS = [
  ["boxes", "b", "Boxes", true],
  ["labels", "l", "Labels", true],
  ["tails", "p", "Paths", true],
  ["regions", "r", "Regions", true],
  ["detections", "d", "Detections", false],
  ["zones", "z", "Zones", true],
];

export class Overlay {
  #tails = new Map();           // track id -> [[time, x, y], ...]
  #detections = null;           // {until, list}
  #context;

  constructor() {
    this.element = document.createElement("canvas");
    this.element.className = "overlay";
    this.#context = this.element.getContext("2d");
    this.zones = [];
  }

  /** Paint *event* for a picture of *width* x *height* pixels; *layers* is an object of truths. */
  draw(event, width, height, layers) {
    const scale = this.#fit(width, height), c = this.#context;
    c.setTransform(1, 0, 0, 1, 0, 0);
    c.clearRect(0, 0, this.element.width, this.element.height);
    c.setTransform(scale, 0, 0, scale, 0, 0);
    const px = devicePixelRatio / scale;                // one CSS pixel in pixels of the picture
    this.#remember(event);
    if (layers.zones) for (const zone of this.zones) drawZone(c, zone, width, height, px);
    if (layers.regions) for (const region of event.plan.regions) drawRegion(c, region, px, layers.labels);
    if (layers.tails) for (const track of event.tracks) drawTail(c, this.#tails.get(track.id), track, event.time, px);
    if (layers.detections && this.#detections) for (const seen of this.#detections.list) drawDetection(c, seen, px);
    if (layers.boxes) for (const track of event.tracks) drawTrack(c, track, px);
    if (layers.labels) for (const track of event.tracks) drawLabel(c, track, width, px);
  }

  clear() {
    this.#context.setTransform(1, 0, 0, 1, 0, 0);
    this.#context.clearRect(0, 0, this.element.width, this.element.height);
    this.#tails.clear();
  }

  /** Give the canvas as many pixels as the screen has under it; return screen pixels per picture pixel. */
  #fit(width, height) {
    const wide = Math.round(this.element.clientWidth * devicePixelRatio) || width;
    const tall = Math.round(wide * height / width);
    if (this.element.width !== wide || this.element.height !== tall) {
      this.element.width = wide;
      this.element.height = tall;
    }
    return wide / width;
  }

  #remember(event) {
    for (const { id, box: [x, y, w, h] } of event.tracks) {
      if (!this.#tails.has(id)) this.#tails.set(id, []);
      this.#tails.get(id).push([event.time, x + w / 2, y + h]);
    }
    for (const [id, points] of this.#tails) {
      while (points.length && (event.time - points[0][0] > TAIL || points[0][0] > event.time)) points.shift();
      if (!points.length) this.#tails.delete(id);
    }
    if (event.detections.length) this.#detections = { until: event.time + DETECTION_SHOWN, list: event.detections };
    else if (this.#detections && event.time > this.#detections.until) this.#detections = null;
  }
}

export const colourOf = (id, alpha = 1) => `hsl(${(id * 137.5 + 140) % 360} 85% 62% / ${alpha})`;

function drawTrack(c, { id, box: [x, y, w, h] }, px) {
  c.lineWidth = 2 * px;
  c.strokeStyle = colourOf(id);
  c.strokeRect(x, y, w, h);
}

function drawLabel(c, { id, label, score, box: [x, y] }, width, px) {
  const text = `${id} ${label} ${Math.round(100 * score)}`, size = 11.5 * px;
  c.font = `600 ${size}px system-ui, sans-serif`;
  const wide = c.measureText(text).width + 8 * px, top = Math.max(y - 17 * px, 0);
  const left = Math.max(0, Math.min(x - px, width - wide));       // an object that leaves the picture keeps its name in it
  c.fillStyle = colourOf(id, 0.92);
  c.beginPath();
  c.roundRect(left, top, wide, 17 * px, 3 * px);
  c.fill();
  c.fillStyle = "#0b0e13";
  c.fillText(text, left + 4 * px, top + 12.5 * px);
}

function drawTail(c, points, { id }, now, px) {
  c.lineWidth = 2 * px;
  c.lineCap = "round";
  for (let n = 1; n < (points || []).length; n++) {
    c.strokeStyle = colourOf(id, 0.8 * Math.max(0, 1 - (now - points[n][0]) / TAIL));
    c.beginPath();
    c.moveTo(points[n - 1][1], points[n - 1][2]);
    c.lineTo(points[n][1], points[n][2]);
    c.stroke();
  }
}

function drawRegion(c, { box: [x, y, w, h], qp }, px, named) {
  c.lineWidth = px;
  c.setLineDash([5 * px, 4 * px]);
  c.strokeStyle = "rgb(255 255 255 / .75)";
  c.fillStyle = "rgb(255 255 255 / .06)";
  c.fillRect(x, y, w, h);
  c.strokeRect(x, y, w, h);
  c.setLineDash([]);
  if (!named) return;
  c.font = `500 ${10 * px}px system-ui, sans-serif`;
  c.fillStyle = "rgb(255 255 255 / .85)";
  c.textAlign = "right";
  c.fillText(`QP ${qp > 0 ? "+" : ""}${qp}`.replace("-", "−"), x + w - 3 * px, y + h - 4 * px);
  c.textAlign = "left";
}

function drawDetection(c, { score, box: [x, y, w, h] }, px) {
  c.lineWidth = 1.5 * px;
  c.setLineDash([2 * px, 3 * px]);
  c.strokeStyle = `rgb(255 176 66 / ${0.35 + 0.65 * score})`;
  c.strokeRect(x, y, w, h);
  c.setLineDash([]);
}

/** A zone's corners are shares of the picture's sides. */
function drawZone(c, { name, points }, width, height, px) {
  const [[left, top]] = points;
  c.beginPath();
  points.forEach(([x, y], n) => (n ? c.lineTo(x * width, y * height) : c.moveTo(x * width, y * height)));
  c.closePath();
  c.lineWidth = 1.5 * px;
  c.strokeStyle = "rgb(96 165 250 / .9)";
  c.fillStyle = "rgb(96 165 250 / .12)";
  c.fill();
  c.stroke();
  c.font = `600 ${11 * px}px system-ui, sans-serif`;
  c.fillStyle = "rgb(147 197 253)";
  c.fillText(name, left * width + 4 * px, top * height + 14 * px);
}

// The numbers of one camera, and how they went in the last two minutes.
import { make } from "./tile.js";

const HISTORY = 120;            // samples, one a second
const STAGES = [["wait", "waiting"], ["motion", "motion"], ["plan", "planning"], ["encode", "encoding"],
  ["output", "handing out"], ["detect", "detecting"], ["track", "tracking"]];

const number = (value, digits = 0) => value === null || value === undefined ? "–" : value.toLocaleString("en", {
  minimumFractionDigits: digits, maximumFractionDigits: digits });
const percent = (value) => (value === null || value === undefined ? "–" : Math.round(100 * value) + " %");
export const bits = (value) => (value >= 1e6 ? number(value / 1e6, 2) + " Mbit/s" : number(value / 1e3) + " kbit/s");

export class Panel {
  #histories = new Map();
  #rows = new Map();

  constructor(element) {
    this.element = element;
    const lanes = this.#card("Lanes", "frames a second");
    this.#row(lanes, "captured");
    this.#row(lanes, "encoded");
    this.#row(lanes, "detected");
    this.#row(lanes, "shown here");
    const stream = this.#card("Stream");
    this.#row(stream, "bitrate");
    this.#row(stream, "bits in regions");
    this.#row(stream, "QP in / out");
    const latency = this.#card("Latency", "milliseconds, median · 99 %");
    this.#row(latency, "capture to screen");
    this.#row(latency, "capture to packet");
    for (const [, title] of STAGES) this.#row(latency, title);
    this.losses = this.#card("Dropped");
    this.outputs = this.#card("Outputs");
    this.board = this.#card("Board");
  }

  #card(title, unit = "") {
    const card = make("section", "card"), head = make("h2", "", title);
    if (unit) head.append(make("small", "", unit));
    card.append(head);
    this.element.append(card);
    return card;
  }

  #row(card, title) {
    const row = make("div", "row"), value = make("output", "value", "–"), spark = make("canvas", "spark");
    row.append(make("span", "name", title), spark, value);
    card.append(row);
    this.#rows.set(title, { row, value, spark });
  }

  /** Show *text* in a row and *value* in its sparkline; null hides the row. */
  #set(camera, title, value, text) {
    const { row, value: output, spark } = this.#rows.get(title), key = camera + "/" + title;
    row.hidden = value === null || value === undefined;
    if (row.hidden) return;
    output.textContent = text;
    if (!this.#histories.has(key)) this.#histories.set(key, []);
    const history = this.#histories.get(key);
    history.push(value);
    if (history.length > HISTORY) history.shift();
    sparkline(spark, history);
  }

  /** Show *stats*, the answer of /api/stats, for the camera of *tile*, of which the browser shows *shown* frames a second. */
  show(stats, tile, shown) {
    const name = tile.camera.name, camera = stats.cameras[name] || {};
    const { fps = {}, stages_ms: stages = {}, bits: spent } = camera;
    this.#set(name, "captured", fps.captured, number(fps.captured, 1));
    this.#set(name, "encoded", fps.encoded, number(fps.encoded, 1));
    this.#set(name, "detected", fps.detected, number(fps.detected, 1));
    this.#set(name, "shown here", shown, number(shown, 1));
    this.#set(name, "bitrate", camera.bitrate, bits(camera.bitrate || 0));
    this.#set(name, "bits in regions", spent ? spent.bits_share : null, spent && `${percent(spent.bits_share)} on ${percent(spent.area_share)}`);
    this.#set(name, "QP in / out", spent ? spent.qp_inside : null, spent && `${number(spent.qp_inside, 1)} / ${number(spent.qp_outside, 1)}`);
    this.#set(name, "capture to screen", tile.latency === null ? null : 1000 * tile.latency, number(Math.max(0, 1000 * (tile.latency || 0))));
    const times = (stage) => stage && `${number(stage.p50, stage.p50 < 10 ? 1 : 0)} · ${number(stage.p99, stage.p99 < 10 ? 1 : 0)}`;
    this.#set(name, "capture to packet", stages.latency && stages.latency.p50, times(stages.latency));
    for (const [stage, title] of STAGES) this.#set(name, title, stages[stage] && stages[stage].p50, times(stages[stage]));
    this.#list(this.losses, losses(camera, tile));
    this.#list(this.outputs, (camera.outputs || []).map(outputLine));
    this.#list(this.board, boardLines(stats.board));
  }

  /** Fill a card with [title, text, state, hint] lines; an empty one is hidden. */
  #list(card, lines) {
    card.hidden = !lines.length;
    card.replaceChildren(card.firstChild, ...lines.flatMap(([title, text, state, hint]) => {
      const row = make("div", "row");
      if (state) row.dataset.state = state;
      row.append(make("span", "name", title), make("output", "value", text));
      row.title = title;
      return hint ? [row, make("p", "hint problem", hint)] : [row];
    }));
  }
}

function losses(camera, tile) {
  const { drops = {}, frames = {}, reconnects, broken } = camera;
  const lines = [["at capture", drops.capture], ["at outputs", drops.outputs], ["not looked at by the detector", frames.not_detected],
    ["skipped by this browser", tile.player ? tile.skipped : undefined], ["camera reopened", reconnects],
    ["at events", drops.events || undefined], ["came damaged", broken || undefined]];
  return lines.filter(([, count]) => count !== undefined).map(([title, count], n) => [title, number(count), count && n !== 2 ? "warn" : ""]);
}

function outputLine({ url, packets, bytes, drops, error, state }) {
  const size = bytes >= 1e9 ? number(bytes / 1e9, 2) + " GB" : number(bytes / 1e6, 1) + " MB";
  const doing = state !== "running" ? state : url.includes(":") ? "sending" : "recording";
  const text = `${doing} · ${size}${drops ? ` · ${number(drops)} dropped` : ""}`;
  return [url, text, error ? "bad" : "", error && error.replace(url + ": ", "")];
}

function boardLines({ temperatures, power }) {
  const lines = Object.entries(temperatures).map(([zone, degrees]) => [zone, number(degrees, 1) + " °C", degrees > 85 ? "bad" : degrees > 70 ? "warn" : ""]);
  return lines.concat(Object.entries(power).map(([rail, watts]) => [rail, number(watts, 2) + " W", ""]));
}

/** Draw the values as a line from the oldest at the left; the scale goes from 0 (or less) to the largest. */
export function sparkline(canvas, values) {
  const ratio = devicePixelRatio, wide = (canvas.clientWidth || 72) * ratio, tall = (canvas.clientHeight || 18) * ratio;
  if (canvas.width !== wide || canvas.height !== tall) Object.assign(canvas, { width: wide, height: tall });
  const c = canvas.getContext("2d"), top = Math.max(...values, 1e-9), low = Math.min(...values, 0);
  const x = (n) => wide - (values.length - 1 - n) * wide / (HISTORY - 1) - ratio;
  const y = (value) => tall - ratio - (value - low) / (top - low) * (tall - 3 * ratio);
  c.clearRect(0, 0, wide, tall);
  c.strokeStyle = getComputedStyle(canvas).color;
  c.lineWidth = 1.3 * ratio;
  c.lineJoin = "round";
  c.beginPath();
  values.forEach((value, n) => (n ? c.lineTo(x(n), y(value)) : c.moveTo(x(n), y(value))));
  c.stroke();
}

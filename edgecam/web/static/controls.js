// What can be changed while the camera runs. The server says what there is; this makes inputs of it.
import { ask } from "./ask.js";
import { bits } from "./panel.js";
import { make } from "./tile.js";

const TITLES = { bitrate: "Bitrate", roi: "Regions", roi_qp: "QP offset of regions", threshold: "Score threshold" };
const SEND_AFTER = 150;         // milliseconds after the last movement of a slider

export class ControlsCard {
  #camera = null;               // the one that is chosen
  #shown = null;                // the one whose controls are in the card: until the chosen one's have come that is another
  #waiting = {};
  #timer = null;

  /** *mayChange*: whether the caller is an operator; *say(text)* tells the user. */
  constructor(element, mayChange, say) {
    this.element = element;
    this.mayChange = mayChange;
    this.say = say;
  }

  async show(camera) {
    this.#camera = camera;
    try {
      const controls = await ask(camera.urls.controls);
      if (camera === this.#camera) this.#fill(camera, controls);
    } catch (error) {
      this.say(error.message);
    }
  }

  #fill(camera, controls) {
    this.#flush();              // what was changed of the camera before
    this.#shown = camera;
    const rows = Object.entries(controls).map(([name, control]) => this.#row(name, control));
    const key = make("button", "", "Keyframe now");
    key.title = "Keyframe now (K)";
    key.disabled = !this.mayChange;
    key.addEventListener("click", () => this.keyframe());
    this.element.replaceChildren(make("h2", "", "Controls"), ...rows, key);
    if (!this.mayChange) this.element.append(make("p", "hint", "Viewers may look; the operator's password lets you change."));
  }

  #row(name, control) {
    const row = make("div", "control"), label = make("label", "", TITLES[name] || nice(name));
    const input = control.type === "bool" || typeof control.value === "boolean" ? this.#switch(name, control)
      : control.menu ? this.#choice(name, control) : this.#slider(name, control, row);
    input.id = "control-" + name;
    input.disabled = !this.mayChange;
    label.htmlFor = input.id;
    row.prepend(label);
    row.append(input);
    return row;
  }

  #switch(name, { value }) {
    const input = Object.assign(make("input", "switch"), { type: "checkbox", checked: value });
    input.addEventListener("change", () => this.#send(name, input.checked));
    return input;
  }

  /** *menu*: {number: text}. */
  #choice(name, { value, menu }) {
    const input = make("select");
    input.append(...Object.entries(menu).map(([number, text]) => new Option(text, number, false, Number(number) === value)));
    input.addEventListener("change", () => this.#send(name, Number(input.value)));
    return input;
  }

  /** A slider; wide ranges of rates get a logarithmic one, so that 200 kbit/s can be hit as well as 20 Mbit/s. */
  #slider(name, control, row) {
    const { value, min = 0, max = 100, step = 1, unit = "" } = control, logarithmic = min > 0 && max / min > 100;
    const scale = logarithmic ? { to: Math.log, from: Math.exp } : { to: (x) => x, from: (x) => x };
    const top = logarithmic ? Math.min(max, 20e6) : max, input = make("input"), shown = make("output", "value");
    Object.assign(input, { type: "range", min: scale.to(min), max: scale.to(top), step: logarithmic ? "any" : step });
    input.value = scale.to(value ?? (min + max) / 2);
    const read = () => Number((Math.round(scale.from(Number(input.value)) / step) * step).toPrecision(12));
    const write = (number) => { shown.textContent = number === null ? "the model's own" : unit === "bit/s" ? bits(number) : `${number} ${unit}`.trim(); };
    write(value);
    input.addEventListener("input", () => {
      write(read());
      this.#send(name, read());
    });
    row.append(shown);
    return input;
  }

  /** Collect changes for a moment, then send them together. */
  #send(name, value) {
    this.#waiting[name] = value;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#flush(), SEND_AFTER);
  }

  async #flush() {
    const changes = this.#waiting;
    clearTimeout(this.#timer);
    this.#waiting = {};
    if (!Object.keys(changes).length) return;
    try {
      await ask(this.#shown.urls.controls, "PATCH", changes);
      this.say(Object.keys(changes).map((name) => TITLES[name] || nice(name)).join(", ") + " changed");
    } catch (error) {
      this.say(error.message);
      this.show(this.#camera);
    }
  }

  async keyframe() {
    try {
      const { requested } = await ask(this.#camera.urls.keyframe, "POST");
      this.say(requested ? "Keyframe asked for" : "At most one keyframe a second");
    } catch (error) {
      this.say(error.message);
    }
  }
}

const nice = (name) => name.replace(/^camera\./, "Camera: ").replaceAll("_", " ");

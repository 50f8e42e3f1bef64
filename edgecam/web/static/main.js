// The page: cameras in a grid or one alone, what is drawn, numbers, controls, keys.
import { BoardClock, ask } from "./ask.js";
import { ControlsCard } from "./controls.js";
import { LAYERS } from "./overlay.js";
import { Panel } from "./panel.js";
import { Strip } from "./strip.js";
import { Tile, make } from "./tile.js";

const MOST_LIVE = 4;            // streams at once: browsers open six connections to a server
const STATS_EVERY = 1000;       // milliseconds
const $ = (id) => document.getElementById(id);

const query = new URLSearchParams(location.search);
const kept = remembered();
const layers = Object.fromEntries(LAYERS.map(([name, , , shown]) => [name, kept.layers?.[name] ?? shown]));

const clock = new BoardClock();
const panel = new Panel($("panel"));
const strip = new Strip($("strip"));
const controls = new ControlsCard($("panel").appendChild(make("section", "card")), document.body.dataset.role === "operator", say);
let tiles = [];
let chosen = null;              // the tile that the panel is about
let alone = false;              // one camera fills the stage

/** Return what `keep` kept; nothing where the browser forbids that, as with all cookies blocked, or it is no longer readable. */
function remembered() {
  try {
    return JSON.parse(localStorage.getItem("edgecam")) || {};
  } catch {
    return {};
  }
}

function keep() {
  try {
    localStorage.setItem("edgecam", JSON.stringify({ layers, theme: document.documentElement.dataset.theme }));
  } catch {
    // forbidden, or its room is full: what was chosen lasts as long as the page
  }
}

async function start() {
  let cameras = [];
  try {
    ({ cameras } = await ask("api/cameras"));
  } catch (error) {
    say(error.message);
  }
  if (!cameras.length) return setTimeout(start, 2000);
  const options = { wanted: query.get("player"), layers: () => layers, now: () => clock.now() };
  tiles = cameras.map((camera) => new Tile(camera, options));
  for (const tile of tiles) {
    tile.element.addEventListener("click", () => choose(tile, tiles.length > 1 && !alone));
    tile.element.addEventListener("focus", () => choose(tile));
    tile.element.addEventListener("edgecam:frame", ({ detail: { event } }) => tile === chosen && strip.add(event, tile.latency));
    $("stage").append(tile.element);
  }
  makeCameraButtons();
  $("bar").querySelector("[data-layer=zones]").hidden = !cameras.some((camera) => camera.zones.length);
  choose(tiles.find((tile) => tile.camera.name === query.get("camera")) || tiles[0], tiles.length === 1 || query.has("camera"));
  poll();
}

/** Make *tile* the one that the panel is about; *only*: show it alone, or all, or leave that as it is. */
function choose(tile, only = alone) {
  const other = tile !== chosen;
  chosen = tile;
  alone = only;
  $("stage").classList.toggle("alone", alone);
  for (const each of tiles) {
    each.element.classList.toggle("chosen", each === chosen);
    each.element.hidden = alone && each !== chosen;
  }
  for (const button of $("cameras").children) button.setAttribute("aria-pressed", String(button.value === (alone ? tile.camera.name : "")));
  playVisible();
  if (other) controls.show(tile.camera);
  if (other) strip.clear();
}

/** Let the tiles play that can be seen: at most MOST_LIVE, stills in the others; nothing flows to a hidden page. */
function playVisible() {
  const seen = document.hidden ? [] : tiles.filter((tile) => !tile.element.hidden);
  for (const tile of tiles) {
    if (seen.includes(tile) && !tile.stopped) tile.play(seen.indexOf(tile) >= MOST_LIVE);
    else tile.pause();
  }
}

function makeCameraButtons() {
  if (tiles.length < 2) return;
  const button = (title, value, act) => {
    const made = make("button", "quiet", title);
    made.value = value;
    made.addEventListener("click", act);
    return made;
  };
  $("cameras").replaceChildren(button("All", "", () => choose(chosen, false)),
    ...tiles.map((tile) => button(tile.camera.name, tile.camera.name, () => choose(tile, true))));
}

async function poll() {
  let before = performance.now();
  for (;;) {
    if (!document.hidden) {
      try {
        const sent = performance.now() / 1000, stats = await ask("api/stats"), received = performance.now();
        clock.learn(sent, received / 1000, stats.clock);
        if (tiles.some((tile) => !tile.camera.stream)) await learnCameras();
        const frames = new Map(tiles.map((tile) => [tile, tile.takePresented()]));
        panel.show(stats, chosen, frames.get(chosen) / ((received - before) / 1000 || 1));
        before = received;
      } catch (error) {
        say(error.message);
      }
    }
    await new Promise((done) => setTimeout(done, STATS_EVERY));
  }
}

/** A camera that was still opening when the page came knows its formats and controls later. */
async function learnCameras() {
  for (const camera of (await ask("api/cameras")).cameras) {
    const tile = tiles.find((each) => each.camera.name === camera.name);
    if (!tile || !camera.stream || tile.camera.stream) continue;
    tile.camera = camera;
    tile.shape(camera.stream);
    if (tile === chosen) controls.show(camera);
  }
}

// -- the bar under the pictures --------------------------------------------------------------------

function makeBar() {
  for (const [name, key, title] of LAYERS) {
    const button = make("button", "chip", title);
    button.title = `${title} (${key.toUpperCase()})`;
    button.dataset.layer = name;
    button.setAttribute("aria-pressed", String(layers[name]));
    button.addEventListener("click", () => toggleLayer(name));
    $("bar").append(button);
  }
  const act = (title, text, run) => {
    const button = make("button", "chip act", text);
    button.title = title;
    button.addEventListener("click", run);
    $("bar").append(button);
  };
  $("bar").append(make("span", "grow"));
  act("Hold or go on (space)", "Pause", pause);
  act("A still with boxes (S)", "Still", still);
  act("Fill the screen (F)", "Full screen", fullscreen);
}

function toggleLayer(name) {
  layers[name] = !layers[name];
  $("bar").querySelector(`[data-layer=${name}]`).setAttribute("aria-pressed", String(layers[name]));
  for (const tile of tiles) tile.redraw();
  keep();
}

function pause() {
  if (!chosen) return;
  chosen.stopped = chosen.playing;
  if (chosen.stopped) chosen.pause();
  else chosen.restart();
}

function still() {
  if (chosen) open(chosen.camera.urls.snapshot + "?overlay=1", "_blank", "noopener");
}

function fullscreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else if (chosen) chosen.element.requestFullscreen().catch((error) => say(error.message));
}

function toggleTheme() {
  const root = document.documentElement, dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const now = root.dataset.theme || (dark ? "dark" : "light");
  root.dataset.theme = now === "dark" ? "light" : "dark";
  keep();
}

function showKeys() {
  const list = make("dl"), lines = [...LAYERS.map(([, key, title]) => [key.toUpperCase(), title]), ["Space", "Hold or go on"],
    ["S", "Still with boxes"], ["F", "Full screen"], ["G", "All cameras, or one"], ["1 – 9", "One camera"],
    ["K", "Keyframe now"], ["I", "Numbers on or off"], ["T", "Light or dark"], ["Esc", "Close this"]];
  for (const [key, title] of lines) list.append(make("dt", "", key), make("dd", "", title));
  $("keys").replaceChildren(make("h2", "", "Keys"), list);
  $("keys").showModal();
}

const KEYS = {
  " ": pause, s: still, f: fullscreen, t: toggleTheme, "?": showKeys, k: () => controls.keyframe(),
  g: () => tiles.length > 1 && choose(chosen, !alone), i: () => document.body.classList.toggle("bare"),
  ...Object.fromEntries(LAYERS.map(([name, key]) => [key, () => toggleLayer(name)])),
};

document.addEventListener("keydown", (pressed) => {
  if (pressed.ctrlKey || pressed.altKey || pressed.metaKey || pressed.target.matches("input, select, textarea")) return;
  if (pressed.key === " " && pressed.target.matches("button, a")) return;           // it presses the button
  const act = tiles[Number(pressed.key) - 1] ? () => choose(tiles[Number(pressed.key) - 1], true) : KEYS[pressed.key.toLowerCase()];
  if (!act || $("keys").open) return;
  pressed.preventDefault();
  if (!pressed.repeat) act();           // a key that is held repeats: pictures would stop and go, and stills open by the dozen
});

let quiet = null;

/** Tell the user something for a few seconds. */
function say(text) {
  let toast = $("toast");
  if (!toast) {
    toast = document.body.appendChild(Object.assign(make("p"), { id: "toast" }));
    toast.setAttribute("role", "status");
  }
  toast.textContent = text;
  toast.classList.add("shown");
  clearTimeout(quiet);
  quiet = setTimeout(() => toast.classList.remove("shown"), 3000);
}

if (kept.theme) document.documentElement.dataset.theme = kept.theme;
makeBar();
$("theme").addEventListener("click", toggleTheme);
$("help").addEventListener("click", showKeys);
$("logout")?.addEventListener("click", async () => { await ask("logout", "POST"); location.reload(); });
$("keys").addEventListener("click", () => $("keys").close());
document.addEventListener("visibilitychange", playVisible);
addEventListener("resize", () => [strip.draw(), ...tiles.map((tile) => tile.redraw())]);
start();

/* The comparison of clips: one module for the live widget (`render`, by anywidget) and the static page (`mount`).
 *
 *   grid (JSON, from Python) ─▶ layout ─▶ tiles ─▶ player (one clock, which every clip follows) ◂─ transport
 *
 * `source` is where media comes from: `poster(id)` and `clip(id)` promise a URL or null; `close()` frees them.
 * Everything foreign enters the document as text, never as markup.
 */

const SPEEDS = [0.25, 0.5, 0.75, 1, 1.5, 2];
const CHECK_MS = 60; // how often a playing clip is compared with the clock
const JUMP_S = 0.15; // a drift above this is mended by a seek, below it by the playback rate
const JUMP_PAUSE_MS = 700; // a slow machine must not spend its time seeking
const AT_ONCE = 3; // media requests on their way to the kernel
const KEPT = 32; // clips that stay loaded; browsers limit the number of decoders

// ── elements ────────────────────────────────────────────────────────────────────────────────────────────────────

/** Make an element; strings among the children become text. */
function h(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
}

const ICONS = {
  play: "M7 4.5v15l12.5-7.5z",
  pause: "M6.5 4.5h4v15h-4zM13.5 4.5h4v15h-4z",
  back: "M6 5h2.5v14h-2.5zM19 5v14l-9-7z",
  next: "M15.5 5h2.5v14h-2.5zM5 5v14l9-7z",
  loop: "M7 7h9.5V4l4.5 4.25-4.5 4.25V9.5H9.5v3.5H7zM17 17H7.5v3L3 15.75l4.5-4.25v3h7v-3.5H17z",
  muted: "M4 9.5h3.5L12 5.5v13l-4.5-4H4zM15 9.6l1.4-1.4 2.1 2.1 2.1-2.1L22 9.6l-2.1 2.1L22 13.8l-1.4 1.4-2.1-2.1-2.1 2.1-1.4-1.4 2.1-2.1z",
  sound: "M4 9.5h3.5L12 5.5v13l-4.5-4H4zM14.5 8.2a5 5 0 0 1 0 7.6v-2.6a2.4 2.4 0 0 0 0-2.4zM14.5 4.6a8.3 8.3 0 0 1 0 14.8v-2.2a6.3 6.3 0 0 0 0-10.4z",
  large: "M4 4h6v2H6v4H4zM14 4h6v6h-2V6h-4zM4 14h2v4h4v2H4zM18 14h2v6h-6v-2h4z",
};

function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

function button(name, label, act, extra = {}) {
  return h("button", { type: "button", "aria-label": label, title: label, onclick: act, ...extra }, icon(name));
}

/** Change a button's face, only when it changes: the screen reader and the pointer stay undisturbed. */
function face(node, name, label, pressed) {
  if (pressed !== undefined) node.setAttribute("aria-pressed", String(pressed));
  if (node.dataset.face === name) return;
  node.dataset.face = name;
  node.setAttribute("aria-label", label);
  node.title = label;
  node.replaceChildren(icon(name));
}

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const two = (seconds) => seconds.toFixed(2);

// ── tiles ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** Return a tile's view. A saved one has a `video`; it is loaded by `watch` when it comes into sight. */
function makeTile(tile, grid) {
  const saved = tile.state === "saved" && Boolean(tile.clip);
  const media = h("div", { class: "knb-media" }, saved ? null : stateCard(tile));
  media.style.aspectRatio = String(aspect(tile, grid));
  const name = [tile.label, tile.summary].filter(Boolean).join(", ");
  const node = h("figure", { class: "knb-tile", "data-state": tile.state, "aria-label": name }, media, caption(tile));
  const view = { tile, node, media, id: tile.id, seconds: tile.seconds || 0, fps: tile.fps || 24, lag: 0.03, jumped: 0 };
  return saved ? addVideo(view, grid) : view;
}

function addVideo(view, grid) {
  const video = h("video", { playsinline: true, preload: "auto", tabindex: "-1", controls: grid.bare, loop: grid.bare });
  video.muted = !grid.bare;
  view.video = video;
  view.poster = h("img", { class: "knb-poster", alt: "", decoding: "async" });
  view.message = h("p", { class: "knb-message", role: "status" });
  const ended = h("span", { class: "knb-ended" }, `ended at ${view.seconds.toFixed(1)} s`);
  view.tools = h("div", { class: "knb-tools" });
  view.media.append(view.poster, video, view.message, ended, view.tools);
  return view;
}

/** Portraits among landscapes get a box that is not taller than it must be; the video is never cropped. */
function aspect(tile, grid) {
  const ratio = (one) => (one.width && one.height ? one.width / one.height : 16 / 9);
  const portraits = grid.tiles.every((one) => ratio(one) < 1);
  return clamp(ratio(tile), portraits ? 9 / 16 : 4 / 5, 2.4);
}

function stateCard(tile) {
  const reason = tile.reason ? h("span", { class: "knb-reason", title: tile.reason }, tile.reason) : null;
  return h("div", { class: "knb-card" }, h("span", { class: "knb-state" }, tile.state), reason);
}

/** Two lines that are alike on all tiles: what tells it apart, then the facts in short, which open into all of them. */
function caption(tile) {
  const flags = tile.flags.map((flag) => h("li", {}, flag));
  const label = tile.label ? h("p", { class: "knb-label", title: tile.label }, tile.label) : null;
  return h("figcaption", {}, label, details(tile), flags.length ? h("ul", { class: "knb-flags" }, ...flags) : null);
}

function details(tile) {
  const facts = tile.reason ? [["reason", tile.reason], ...tile.facts] : tile.facts;
  const rows = facts.flatMap(([name, value]) => [h("dt", {}, String(name)), h("dd", {}, String(value))]);
  const prompt = tile.prompt ? h("p", { class: "knb-prompt" }, tile.prompt) : null;
  return h("details", {}, h("summary", { title: "All facts" }, tile.summary || "Details"), prompt, h("dl", {}, ...rows));
}

// ── layout ──────────────────────────────────────────────────────────────────────────────────────────────────────

function heading(role, kind, axis, value) {
  const text = h("span", { class: "knb-value", title: value }, value);
  return h("div", { role, class: `knb-${kind}` }, h("div", {}, h("span", { class: "knb-axis" }, axis.name), text));
}

/** Return the grid: sticky headings on both axes, and in each cell its samples. */
function layout(grid, tiles) {
  const columns = grid.x ? grid.x.values : [null];
  const rows = grid.y ? grid.y.values : [null];
  const at = (row, col) => tiles.filter(({ tile }) => tile.row === row && tile.col === col);
  const node = h("div", { class: "knb-grid", role: "table", "aria-label": grid.title || "Clips" });
  if (grid.x) node.append(headRow(grid));
  const widest = columns.map((_, col) => Math.max(1, ...rows.map((_row, row) => at(row, col).length)));
  rows.forEach((value, row) => {
    const kind = (col) => (widest[col] > 1 ? "knb-cell knb-many" : "knb-cell");
    const cells = columns.map((_, col) => h("div", { role: "cell", class: kind(col) }, ...at(row, col).map((t) => t.node)));
    const head = grid.y ? heading("rowheader", "rowhead", grid.y, value) : null;
    node.append(h("div", { role: "row", class: "knb-row" }, head, ...cells));
  });
  node.style.setProperty("--knb-columns", widest.map((n) => `minmax(var(--knb-min), calc(${n} * var(--knb-max)))`).join(" "));
  node.classList.toggle("knb-has-rows", Boolean(grid.y));
  return node;
}

function headRow(grid) {
  const corner = grid.y ? h("div", { class: "knb-corner", role: "cell" }) : null;
  const heads = grid.x.values.map((value) => heading("columnheader", "colhead", grid.x, value));
  return h("div", { role: "row", class: "knb-row" }, corner, ...heads);
}

function header(grid) {
  const badge = grid.simulated ? h("span", { class: "knb-badge", title: "No video here was bought" }, "SIMULATED") : null;
  const title = grid.title ? h("span", { class: "knb-title" }, grid.title) : null;
  const totals = grid.totals ? h("span", { class: "knb-totals" }, grid.totals) : null;
  const note = grid.note ? h("span", { class: "knb-note" }, grid.note) : null;
  return h("div", { class: "knb-header" }, title, badge, totals, note);
}

// ── clips ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** Fetch a clip into its video, once; what goes wrong is told on the tile. */
async function load(clip, source) {
  if (clip.asked) return;
  clip.asked = true;
  try {
    const url = await source.clip(clip.id);
    if (!url) throw new Error("The clip is not there.");
    if (clip.asked) clip.video.src = url;
  } catch (error) {
    tell(clip, error.message);
  }
}

function unload(clip) {
  clip.asked = clip.ready = false;
  clip.media.classList.remove("knb-ready", "knb-waiting");
  clip.video.removeAttribute("src");
  clip.video.load();
}

function tell(clip, words) {
  clip.message.textContent = words;
  clip.media.classList.toggle("knb-told", Boolean(words));
}

async function showPoster(clip, source) {
  if (clip.poster.src) return;
  const url = await source.poster(clip.id).catch(() => null);
  if (url) clip.poster.src = url;
}

/** Wire the events of a video; `onReady` is called when its first frame is there. */
function prepare(clip, onReady) {
  const { video, media } = clip;
  const waiting = (on) => () => media.classList.toggle("knb-waiting", on);
  video.addEventListener("loadedmetadata", () => {
    if (Number.isFinite(video.duration)) clip.seconds = video.duration;
    if (!seekable(video)) fetchWhole(clip);
  });
  video.addEventListener("loadeddata", () => {
    clip.ready = true;
    media.classList.add("knb-ready");
    tell(clip, "");
    onReady(clip);
  });
  video.addEventListener("waiting", waiting(true));
  for (const name of ["playing", "seeked", "pause"]) video.addEventListener(name, waiting(false));
  video.addEventListener("seeked", () => seeked(clip));
  video.addEventListener("error", () => video.getAttribute("src") && tell(clip, "This browser cannot play the clip."));
}

function seekable(video) {
  return video.seekable.length > 0 && video.seekable.end(video.seekable.length - 1) > video.duration - 0.1;
}

/** A server without range requests (`python -m http.server`) cannot be sought in: take the whole file instead. */
async function fetchWhole(clip) {
  if (!clip.video.currentSrc.startsWith("http")) return;
  const blob = await (await fetch(clip.video.currentSrc)).blob();
  clip.ready = false;
  clip.video.src = clip.whole = URL.createObjectURL(blob);
}

/** Seek; while one seek is under way only the latest wish is kept, so that scrubbing stays quick. */
function seek(clip, time) {
  if (clip.video.seeking) {
    clip.wish = time;
    return;
  }
  clip.wish = null; // an older one must not come after this
  clip.sought = performance.now();
  clip.video.currentTime = time;
}

function seeked(clip) {
  clip.lag = clamp((performance.now() - clip.sought) / 1000 || 0.03, 0.01, 0.25);
  const wish = clip.wish;
  clip.wish = null;
  if (wish !== null && wish !== undefined) seek(clip, wish);
}

/** Bring one clip to the clock. A clip that is over holds its last frame; one that cannot follow is left alone. */
function follow(clip, time, state) {
  if (!clip.ready || !clip.visible) return;
  const { video } = clip;
  const last = Math.max(0, clip.seconds - 0.5 / clip.fps);
  const over = time >= last;
  clip.media.classList.toggle("knb-over", over && state.duration - clip.seconds > 0.1);
  if (!state.playing || over) {
    if (!video.paused) video.pause();
    const still = Math.min(time + 0.3 / clip.fps, last); // inside the frame, never on its edge
    if (Math.abs((clip.wish ?? video.currentTime) - still) > 0.2 / clip.fps) seek(clip, still);
    return;
  }
  if (video.seeking || (video.ended && last - time < 0.3)) return;
  if (video.paused) video.play().catch(() => {});
  trim(clip, video.currentTime - time, state.rate);
}

/** Mend a drift: a large one by a seek that allows for its own latency, a small one by the rate. */
function trim(clip, drift, rate) {
  const now = performance.now();
  if (Math.abs(drift) > JUMP_S && now - clip.jumped > JUMP_PAUSE_MS) {
    clip.jumped = now;
    seek(clip, clamp(clip.video.currentTime - drift + clip.lag * rate, 0, clip.seconds));
    return;
  }
  const close = Math.abs(drift) < 0.25 / clip.fps;
  const wanted = rate * (close ? 1 : clamp(1 - 2.5 * drift, 0.85, 1.15));
  if (Math.abs(clip.video.playbackRate - wanted) > 0.004) clip.video.playbackRate = wanted;
}

// ── player: one clock for all ───────────────────────────────────────────────────────────────────────────────────

/** Return the master: its clock runs by itself, so that a stalled clip never holds the others. */
function makePlayer(clips) {
  const state = { playing: false, rate: 1, loop: true, muted: true, audible: null, duration: 0 };
  const fps = Math.max(1, ...clips.map((clip) => clip.fps));
  const watchers = new Set();
  let base = 0;
  let since = 0;
  let frame = 0;
  let checked = 0;
  const length = () => (state.duration = Math.max(1 / fps, ...clips.map((clip) => clip.seconds)));
  const time = () => (state.playing ? base + ((performance.now() - since) / 1000) * state.rate : base);
  const sync = () => clips.forEach((clip) => follow(clip, time(), state));
  const notify = () => watchers.forEach((watcher) => watcher(state, clamp(time(), 0, length())));
  const set = (changes, at = time()) => {
    base = clamp(at, 0, length());
    since = performance.now();
    Object.assign(state, changes);
    sync();
    notify();
    if (state.playing && !frame) frame = requestAnimationFrame(tick);
  };
  function tick(now) {
    frame = 0;
    if (!state.playing) return;
    if (time() >= length()) set({ playing: state.loop }, state.loop ? 0 : length());
    if (now - checked > CHECK_MS) {
      checked = now;
      sync();
    }
    notify();
    if (state.playing) frame ||= requestAnimationFrame(tick);
  }
  const onFrame = (at) => Math.floor(at * fps + 1e-6) / fps;
  const hear = () => clips.forEach((clip) => (clip.video.muted = state.muted || clip.id !== state.audible));
  const player = {
    state, time, fps, sync: () => set({}),
    watch: (watcher) => watchers.add(watcher),
    play: () => set({ playing: true }, !state.loop && time() >= length() - 0.5 / fps ? 0 : time()),
    pause: () => set({ playing: false }, onFrame(time())),
    toggle: () => (state.playing ? player.pause() : player.play()),
    seek: (at) => set({}, at),
    step: (frames) => set({ playing: false }, onFrame(time()) + frames / fps),
    speed: (rate) => set({ rate }),
    faster: (by) => player.speed(SPEEDS[clamp(SPEEDS.indexOf(state.rate) + by, 0, SPEEDS.length - 1)]),
    loop: () => set({ loop: !state.loop }),
    listen: (id) => {
      const same = state.audible === id && !state.muted;
      Object.assign(state, { audible: id, muted: same });
      hear();
      notify();
    },
    mute: () => {
      const first = clips.find((clip) => clip.tile.sound && clip.visible) ?? clips.find((clip) => clip.tile.sound);
      if (first) player.listen(state.audible ?? first.id);
    },
    stop: () => {
      cancelAnimationFrame(frame);
      state.playing = false;
    },
  };
  length();
  return player;
}

// ── transport ───────────────────────────────────────────────────────────────────────────────────────────────────

function transport(player, clips) {
  const quiet = !clips.some((clip) => clip.tile.sound);
  const play = button("play", "Play (space)", player.toggle, { class: "knb-play" });
  const loop = button("loop", "Loop (l)", player.loop, { "aria-pressed": "true" });
  const mute = button("muted", "Sound (m)", player.mute, { disabled: quiet, hidden: quiet });
  const scrub = h("input", { type: "range", class: "knb-scrub", min: 0, step: "any", value: 0, "aria-label": "Time" });
  const clock = h("output", { class: "knb-clock" });
  const speed = h("select", { class: "knb-speed", "aria-label": "Speed", title: "Speed (+ and −)" });
  speed.append(...SPEEDS.map((rate) => h("option", { value: rate }, `${rate}×`)));
  scrub.addEventListener("input", () => player.seek(Number(scrub.value)));
  speed.addEventListener("change", () => player.speed(Number(speed.value)));
  const back = button("back", "One frame back (←)", () => player.step(-1));
  const next = button("next", "One frame forward (→)", () => player.step(1));
  player.watch((state, time) => {
    scrub.max = state.duration;
    scrub.value = time;
    scrub.style.setProperty("--knb-at", `${(100 * time) / state.duration}%`);
    scrub.setAttribute("aria-valuetext", `${two(time)} of ${two(state.duration)} seconds`);
    clock.textContent = `${two(time)} / ${two(state.duration)} s`;
    clock.title = `frame ${Math.floor(time * player.fps + 1e-6)} at ${player.fps} frames a second`;
    speed.value = String(state.rate);
    face(play, state.playing ? "pause" : "play", state.playing ? "Pause (space)" : "Play (space)");
    face(loop, "loop", "Loop (l)", state.loop);
    face(mute, state.muted ? "muted" : "sound", state.muted ? "Sound (m)" : "Mute (m)");
  });
  const buttons = h("div", { class: "knb-buttons" }, back, play, next);
  const options = h("div", { class: "knb-options" }, clock, speed, loop, mute);
  return h("div", { class: "knb-transport", role: "group", "aria-label": "Playback of all clips" }, buttons, scrub, options);
}

const NATIVE = { " ": "button, summary, select, a", Enter: "button, summary, select, a" };

function onKey(event, player) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("select")) return;
  if (NATIVE[event.key] && event.target.matches(NATIVE[event.key])) return;
  const jump = (by) => player.seek(player.time() + by);
  const acts = {
    " ": player.toggle, Home: () => player.seek(0), End: () => player.seek(player.state.duration),
    ArrowLeft: () => (event.shiftKey ? jump(-1) : player.step(-1)), ArrowRight: () => (event.shiftKey ? jump(1) : player.step(1)),
    ",": () => player.step(-1), ".": () => player.step(1), m: player.mute, l: player.loop,
    "+": () => player.faster(1), "=": () => player.faster(1), "-": () => player.faster(-1),
  };
  if (!acts[event.key]) return;
  acts[event.key]();
  event.preventDefault();
  event.stopPropagation();
}

/** The two buttons on a clip: its sound, and the whole screen. */
function addTools(clip, player) {
  if (clip.tile.sound) {
    const speaker = button("muted", "Hear this clip", () => player.listen(clip.id), { class: "knb-speaker" });
    player.watch((state) => {
      const heard = !state.muted && state.audible === clip.id;
      face(speaker, heard ? "sound" : "muted", heard ? "Mute this clip" : "Hear this clip", heard);
    });
    clip.tools.append(speaker);
  }
  if (!document.fullscreenEnabled) return;
  const large = () => (document.fullscreenElement ? document.exitFullscreen() : clip.media.requestFullscreen());
  clip.tools.append(button("large", "Whole screen", large));
  clip.video.addEventListener("dblclick", large);
}

// ── mounting ────────────────────────────────────────────────────────────────────────────────────────────────────

/** Load what comes into sight, pause what leaves it, and let go of what was out of sight longest. */
function watch(clips, source, onSight) {
  const byMedia = new Map(clips.map((clip) => [clip.media, clip]));
  const seen = (entry) => {
    const clip = byMedia.get(entry.target);
    clip.visible = entry.isIntersecting;
    clip.left = performance.now();
    if (!clip.visible) return clip.video.pause();
    showPoster(clip, source);
    return load(clip, source);
  };
  const letGo = () => {
    const idle = clips.filter((clip) => clip.asked && !clip.visible).sort((a, b) => a.left - b.left);
    const loaded = clips.filter((clip) => clip.asked).length;
    idle.slice(0, Math.max(0, loaded - KEPT)).forEach(unload);
  };
  const observer = new IntersectionObserver((entries) => {
    entries.forEach(seen);
    letGo();
    onSight();
  }, { rootMargin: "150px", scrollMargin: "150px" });
  clips.forEach((clip) => observer.observe(clip.media));
  return () => observer.disconnect();
}

/** Show a grid in `el`; returns what takes it away again. `header: false` leaves out the title line. */
export function mount(el, grid, source, options = {}) {
  const tiles = grid.tiles.map((tile) => makeTile(tile, grid));
  const clips = tiles.filter((view) => view.video);
  const stage = h("div", { class: "knb-stage", tabindex: grid.bare ? null : "0" }, layout(grid, tiles));
  // JupyterLab keeps its own shortcuts (m, arrows, space) out of an element with this attribute.
  const props = { class: "knb", role: "group", "aria-label": grid.title || "Comparison", "data-lm-suppress-shortcuts": "true" };
  const root = h("div", props, options.header === false ? null : header(grid), stage);
  root.classList.toggle("knb-bare", Boolean(grid.bare));
  const close = grid.bare || !clips.length ? showPlain(clips, source) : showTogether(root, clips, source);
  el.append(root);
  return () => {
    close();
    clips.forEach((clip) => (unload(clip), clip.whole && URL.revokeObjectURL(clip.whole)));
    source.close();
    root.remove();
  };
}

/** A single clip plays by the browser's own controls. */
function showPlain(clips, source) {
  clips.forEach((clip) => prepare(clip, () => {}));
  return watch(clips, source, () => {});
}

function showTogether(root, clips, source) {
  const player = makePlayer(clips);
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  let fresh = !still;
  clips.forEach((clip) => {
    prepare(clip, () => (fresh ? ((fresh = false), player.play()) : player.sync()));
    addTools(clip, player);
    clip.video.addEventListener("click", player.toggle);
  });
  root.append(transport(player, clips));
  root.addEventListener("keydown", (event) => onKey(event, player));
  const hidden = () => (document.hidden ? clips.forEach((clip) => clip.video.pause()) : player.sync());
  document.addEventListener("visibilitychange", hidden);
  const blind = watch(clips, source, player.sync);
  player.sync();
  return () => {
    blind();
    player.stop();
    document.removeEventListener("visibilitychange", hidden);
  };
}

// ── sources ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** Media of a static page: files beside it. */
export function pageSource(grid) {
  const tiles = new Map(grid.tiles.map((tile) => [tile.id, tile]));
  const address = (path) => (path ? path.split("/").map(encodeURIComponent).join("/") : null);
  return {
    poster: async (id) => address(tiles.get(id).poster),
    clip: async (id) => address(tiles.get(id).clip),
    close: () => {},
  };
}

const TYPES = { clip: "video/mp4", poster: "image/jpeg" };

/** Media of the widget: asked of the kernel, a few at a time and posters first, kept as blobs until `close`. */
function kernelSource(model) {
  const asked = new Map();
  const waiting = [];
  const urls = [];
  let flying = 0;
  const next = () => {
    while (flying < AT_ONCE && waiting.length) {
      flying += 1;
      model.send(waiting.shift());
    }
  };
  const listener = (message, buffers) => {
    const entry = asked.get(`${message.got}:${message.id}`);
    if (!entry) return;
    entry.parts.push(...(buffers ?? []));
    if (!message.error && entry.parts.length < message.parts) return;
    flying -= 1;
    next();
    if (message.error) entry.reject(new Error(message.error));
    else entry.resolve(entry.parts);
  };
  const ask = (want, id) => new Promise((resolve, reject) => {
    asked.set(`${want}:${id}`, { resolve, reject, parts: [] });
    waiting[want === "clip" ? "push" : "unshift"]({ want, id });
    next();
  });
  const media = async (want, id) => {
    const url = URL.createObjectURL(new Blob(await ask(want, id), { type: TYPES[want] }));
    urls.push(url);
    return url;
  };
  const once = (want) => {
    const known = new Map();
    return (id) => known.get(id) ?? known.set(id, media(want, id)).get(id);
  };
  model.on("msg:custom", listener);
  const close = () => {
    model.off("msg:custom", listener);
    urls.forEach((url) => URL.revokeObjectURL(url));
  };
  return { alive: () => ask("hello", ""), poster: once("poster"), clip: once("clip"), close };
}

/** Return the static output that this widget stands in for: the nearest one before it with the same mark. */
function standIn(el, mark) {
  const all = [...document.querySelectorAll(".knb-static")].filter((node) => node.dataset.knb === mark);
  return all.filter((node) => node.compareDocumentPosition(el) & Node.DOCUMENT_POSITION_FOLLOWING).pop();
}

/** Posters that stand in the static output are there at once; only the others are asked of the kernel. */
function posters(before, source) {
  const known = new Map([...(before?.querySelectorAll("img[data-tile]") ?? [])].map((img) => [img.dataset.tile, img.src]));
  return async (id) => known.get(id) ?? source.poster(id);
}

/** anywidget's entry. The player shows once the kernel has answered; until then the static output stays. */
function render({ model, el }) {
  const source = kernelSource(model);
  let close = source.close;
  let gone = false;
  source.alive().then(() => {
    if (gone) return;
    el.classList.add("knb-live");
    const before = standIn(el, model.get("mark"));
    if (before) before.hidden = true;
    const unmount = mount(el, JSON.parse(model.get("grid")), { ...source, poster: posters(before, source) });
    close = () => {
      unmount();
      el.classList.remove("knb-live");
      if (before) before.hidden = false;
    };
  });
  return () => {
    gone = true;
    close();
  };
}

export default { render };

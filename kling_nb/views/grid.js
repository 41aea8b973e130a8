/* A grid of tiles: what `grid.py` chose, as elements. A saved tile gets a `video`, which is loaded when it is in sight. */

/** Return a tile's view. A saved one has a `video`; it is loaded by `watch` when it comes into sight. */
function makeTile(tile, grid) {
  const saved = tile.state === "saved" && Boolean(tile.clip);
  const media = h("div", { class: "knb-media" }, saved ? null : stateCard(tile));
  media.style.aspectRatio = String(aspect(tile, grid));
  const name = [tile.label, tile.summary].filter(Boolean).join(", ");
  const node = h("figure", { class: "knb-tile", "data-state": tile.state, "aria-label": name }, media, caption(tile));
  const view = { tile, node, media, called: called(tile, grid), id: tile.id, seconds: tile.seconds || 0, fps: tile.fps || 24, lag: 0.03, jumped: 0 };
  return saved ? addVideo(view, grid) : view;
}

/** What tells a clip from the others where it is heard by itself: its row, its column, and what its label adds. */
function called(tile, grid) {
  return [grid.y?.values[tile.row], grid.x?.values[tile.col], tile.label].filter(Boolean).join(", ") || tile.summary;
}

function addVideo(view, grid) {
  const bare = { controls: true, loop: true, "aria-label": view.node.getAttribute("aria-label") || "Clip" };
  const video = h("video", { playsinline: true, preload: "auto", ...(grid.bare ? bare : { tabindex: "-1" }) });
  video.muted = !grid.bare;
  view.video = video;
  view.poster = h("img", { class: "knb-poster", alt: "", decoding: "async", loading: "lazy" });
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

/** What tells it apart, in two lines at most, then the facts in short, which open into all of them. */
function caption(tile) {
  const flags = tile.flags.map((flag) => h("li", {}, flag));
  const label = tile.label ? h("p", { class: "knb-label", title: tile.label }, ...parts(tile.label)) : null;
  const line = h("div", { class: "knb-line" }, details(tile));
  return h("figcaption", {}, label, line, flags.length ? h("ul", { class: "knb-flags" }, ...flags) : null);
}

function details(tile) {
  const facts = tile.reason ? [["reason", tile.reason], ...tile.facts] : tile.facts;
  const rows = facts.flatMap(([name, value]) => [h("dt", {}, String(name)), h("dd", {}, String(value))]);
  const prompt = tile.prompt ? h("p", { class: "knb-prompt" }, tile.prompt) : null;
  return h("details", {}, h("summary", { title: "All facts" }, h("span", {}, tile.summary || "Details")), prompt, h("dl", {}, ...rows));
}

// ── layout ───────────────────────────────────────────────────────────────────────────────────────────────────────────

function heading(role, kind, axis, value) {
  const text = h("span", { class: "knb-value", title: value }, value);
  const image = axis.images && Object.hasOwn(axis.images, value) ? h("img", { class: "knb-pictured", src: axis.images[value], alt: "" }) : null;
  return h("div", { role, class: `knb-${kind}` }, h("div", {}, image, h("span", { class: "knb-axis" }, axis.label || axis.name), text));
}

/** Return the grid: sticky headings on both axes, and in each cell its samples; and `fit`, which lays out those not hidden. */
function layout(grid, tiles) {
  const columns = (grid.x ? grid.x.values : [null]).map((value) => ({ value, cells: [] }));
  const rows = (grid.y ? grid.y.values : [null]).map((value) => ({ value, cells: columns.map(() => h("div", { role: "cell" })) }));
  tiles.forEach((view) => rows[view.tile.row].cells[view.tile.col].append(view.node));
  columns.forEach((column, at) => (column.cells = rows.map((row) => row.cells[at])));
  const node = h("div", { class: "knb-grid", role: "table", "aria-label": grid.title || "Clips" });
  if (grid.x) node.append(headRow(grid, columns));
  for (const row of rows) {
    const head = grid.y ? heading("rowheader", "rowhead", grid.y, row.value) : null;
    row.node = h("div", { role: "row", class: "knb-row" }, head, ...row.cells);
    node.append(row.node);
  }
  node.classList.toggle("knb-has-rows", Boolean(grid.y));
  node.style.setProperty("--knb-aspect", Math.max(...grid.tiles.map((tile) => aspect(tile, grid))));
  const fit = () => fitted(node, rows, columns);
  fit();
  return { node, fit };
}

const ROOM = 8; // clips of all columns beside each other, before a cell breaks into lines
const ROOM_LARGE = 4; // where they are shown large, or share one narrow column
const ROOM_NARROW = 2;
const NARROW = 600; // px: below it, headings of rows stand above them, as compare.css has it
const ASIDE = 164; // px: the headings of rows and the gap behind them
const GAP = 14;
const PAPER = 700; // px of a sheet between its margins
const onPaper = () => matchMedia("print").matches;

/** Give each column a share by its fullest cell, in tracks that are all alike, so that clips are of one size: a large one
 * where few are to be seen. Where some are hidden, so are rows and columns without any. */
function fitted(node, rows, columns) {
  const seen = (cell) => cell.querySelectorAll(":scope > .knb-tile:not([hidden])").length;
  const all = !node.querySelector(".knb-tile[hidden]");
  const most = columns.map(({ cells }) => Math.max(all ? 1 : 0, ...cells.map(seen)));
  const few = !all || (rows.length === 1 && total(most) <= ROOM_LARGE);
  const share = shares(most, room(node, few, columns.length));
  columns.forEach((column, at) => fitColumn(column, share[at]));
  rows.forEach((row) => (row.node.hidden = !all && !row.cells.some(seen)));
  node.classList.toggle("knb-few", few);
  node.classList.toggle("knb-even", share.some((n) => n > 1));
  node.style.setProperty("--knb-across", Math.max(1, total(share)));
}

/** Return how many clips of all columns there is room for beside each other, in the width of the stage. */
function room(node, few, columns) {
  const width = onPaper() ? PAPER : node.parentElement?.offsetWidth || Infinity;
  const narrow = width < NARROW;
  const most = narrow ? (columns > 1 ? ROOM_NARROW : ROOM_LARGE) : few ? ROOM_LARGE : ROOM;
  const aside = node.classList.contains("knb-has-rows") && !narrow ? ASIDE : 0;
  return Math.min(most, Math.floor((width - aside + GAP) / (clamp(0.15 * width, 120, 144) + GAP)));
}

const total = (numbers) => numbers.reduce((sum, number) => sum + number, 0);

/** Return how many clips of each column stand beside each other: as many of each as there is room for, and no more than
 * fill its lines alike. */
function shares(most, room) {
  const atMost = (each) => most.map((n) => Math.min(n, each));
  let each = 1;
  while (each < Math.max(...most) && total(atMost(each + 1)) <= room) each += 1;
  return atMost(each).map((n, at) => (n ? Math.ceil(most[at] / Math.ceil(most[at] / n)) : 0));
}

/** Fit again whenever the stage is of another width, or on paper; returns what ends that. */
function keepFitted(stage, fit) {
  let width = 0;
  const sized = new ResizeObserver(() => {
    if (stage.offsetWidth === width) return; // its height follows from what is fitted
    width = stage.offsetWidth;
    fit();
  });
  const paper = matchMedia("print");
  sized.observe(stage);
  paper.addEventListener("change", fit);
  return () => {
    sized.disconnect();
    paper.removeEventListener("change", fit);
  };
}

function fitColumn({ head, cells }, share) {
  for (const part of head ? [head, ...cells] : cells) {
    part.hidden = !share;
    part.style.setProperty("--knb-beside", share);
  }
  for (const cell of cells) cell.className = share > 1 ? "knb-cell knb-many" : "knb-cell";
}

function headRow(grid, columns) {
  const corner = grid.y ? h("div", { class: "knb-corner", role: "cell" }) : null;
  for (const column of columns) column.head = heading("columnheader", "colhead", grid.x, column.value);
  return h("div", { role: "row", class: "knb-row" }, corner, ...columns.map(({ head }) => head));
}

function header(grid) {
  const badge = grid.simulated ? h("span", { class: "knb-badge", title: "Nothing here is bought" }, "SIMULATED") : null;
  const title = grid.title ? h("span", { class: "knb-title" }, grid.title) : null;
  const common = grid.common ? h("span", { class: "knb-totals" }, grid.common) : null;
  const totals = grid.totals ? h("span", { class: "knb-totals" }, grid.totals) : null;
  const note = grid.note ? h("span", { class: "knb-note" }, grid.note) : null;
  const prompt = grid.prompt ? h("p", { class: "knb-same", title: grid.prompt }, grid.prompt) : null;
  return h("div", { class: "knb-header" }, title, badge, common, totals, note, prompt);
}

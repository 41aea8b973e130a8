/* A grid of tiles: what `grid.py` chose, as elements. A saved tile gets a `video`, which is loaded when it is in sight. */

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
  const bare = { controls: true, loop: true, "aria-label": view.node.getAttribute("aria-label") || "Clip" };
  const video = h("video", { playsinline: true, preload: "auto", ...(grid.bare ? bare : { tabindex: "-1" }) });
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

/** What tells it apart, in two lines at most, then the facts in short, which open into all of them. */
function caption(tile) {
  const flags = tile.flags.map((flag) => h("li", {}, flag));
  const label = tile.label ? h("p", { class: "knb-label", title: tile.label }, tile.label) : null;
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
  return h("div", { role, class: `knb-${kind}` }, h("div", {}, h("span", { class: "knb-axis" }, axis.name.replace(/^var_/, "")), text));
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
  const common = grid.common ? h("span", { class: "knb-totals" }, grid.common) : null;
  const totals = grid.totals ? h("span", { class: "knb-totals" }, grid.totals) : null;
  const note = grid.note ? h("span", { class: "knb-note" }, grid.note) : null;
  return h("div", { class: "knb-header" }, title, badge, common, totals, note);
}

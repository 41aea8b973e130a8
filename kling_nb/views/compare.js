/* The comparison of clips, for the live widget (`render`, by anywidget) and the static page (`mount`).
 *
 *   grid (JSON, from Python) ─▶ layout ─▶ tiles ─▶ player (one clock, which every clip follows) ◂─ transport
 *
 * `source` is where media comes from: `poster(id)` and `clip(id)` promise a URL or null; `close()` frees them.
 */

/** Show a grid in `el`; returns what takes it away again. `header: false` leaves out the title line. */
export function mount(el, grid, source, options = {}) {
  const tiles = grid.tiles.map((tile) => makeTile(tile, grid));
  const clips = tiles.filter((view) => view.video);
  const scrolls = grid.bare ? {} : { tabindex: "0", role: "group", "aria-label": "Clips" };
  const stage = h("div", { class: "knb-stage", ...scrolls }, layout(grid, tiles));
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

/** Posters that stand in the static output are there at once; only the others are asked of the kernel. */
function posters(before, source) {
  const known = new Map([...(before?.querySelectorAll("img[data-tile]") ?? [])].map((img) => [img.dataset.tile, img.src]));
  return async (id) => known.get(id) ?? source.poster(id);
}

/** anywidget's entry. The player shows once the kernel has answered; until then the static output stays. */
function render({ model, el }) {
  let close = null;
  const stop = whenAlive(model, ["msg:custom"], () => {
    close = takePlace(el, model.get("mark"), (before) => {
      const source = kernelMedia(model);
      return mount(el, JSON.parse(model.get("grid")), { ...source, poster: posters(before, source) });
    });
  });
  return () => {
    stop();
    close?.();
  };
}

export default { render };

/* The comparison of clips, for the live widget (`render`, by anywidget) and the static page (`mount`).
 *
 *   grid (JSON, from Python) ─▶ layout ─▶ tiles ─▶ player (one clock, which every clip follows) ◂─ transport
 *
 * `source` is where media comes from: `poster(id)` and `clip(id)` promise a URL or null; `close()` frees them.
 * One that can keep stars has `ratings` (stars.js).
 */

/** Show a grid in `el`; returns what takes it away again. `header: false` leaves out the title line. */
export function mount(el, grid, source, options = {}) {
  const tiles = grid.tiles.map((tile) => makeTile(tile, grid));
  const clips = tiles.filter((view) => view.video);
  const scrolls = grid.bare ? {} : { tabindex: "0", role: "group", "aria-label": "Clips" };
  const { node, fit } = layout(grid, tiles);
  const stage = h("div", { class: "knb-stage", ...scrolls }, node);
  const props = { class: "knb", role: "group", "aria-label": grid.title || "Comparison" };
  const root = h("div", props, options.header === false ? null : header(grid), stage);
  root.classList.toggle("knb-bare", Boolean(grid.bare));
  const close = grid.bare || !clips.length ? showPlain(clips, source) : showTogether(root, clips, source, { tiles, fit });
  const kept = keepKeys(root);
  el.append(root);
  return () => {
    close();
    kept();
    clips.forEach(unload);
    source.close();
    root.remove();
  };
}

/** A single clip plays by the browser's own controls. */
function showPlain(clips, source) {
  clips.forEach((clip) => {
    prepare(clip, () => {});
    addStars(clip, source.ratings);
    clip.node.addEventListener("keydown", (event) => rateByKey(event, clip) && taken(event));
  });
  return watch(clips, source, () => {});
}

/** Several play together; `fit` lays out those of all `tiles` that are to be seen. */
function showTogether(root, clips, source, { tiles, fit }) {
  const player = makePlayer(clips);
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  let fresh = !still;
  const { least, update } = leastStars(tiles, fit);
  clips.forEach((clip) => {
    prepare(clip, () => (fresh ? ((fresh = false), player.play()) : player.sync()));
    addTools(clip, player);
    addStars(clip, source.ratings, update);
    clip.video.addEventListener("click", player.toggle);
  });
  update();
  root.append(transport(player, clips, least));
  const at = whichClip(root, clips);
  root.addEventListener("focusout", () => requestAnimationFrame(update));
  root.addEventListener("fullscreenchange", update);
  root.addEventListener("keydown", (event) => (rateByKey(event, at()) ? taken(event) : onKey(event, player)));
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

/** All that a kernel gives and keeps. */
function kernelSource(model, before) {
  const media = kernelMedia(model);
  const ratings = model.get("rates") ? kernelRatings(model) : null;
  const close = () => {
    media.close();
    ratings?.close();
  };
  return { ...media, poster: posters(before, media), ratings, close };
}

/** The player of a widget. */
function mountLive(el, model, before) {
  return mount(el, JSON.parse(model.get("grid")), kernelSource(model, before));
}

export default { render: inPlace(["msg:custom"], mountLive, { lasts: true }) };

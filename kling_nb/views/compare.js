/* The comparison of clips, for the live widget (`render`, by anywidget) and the static page (`mount`).
 *
 *   grid (JSON, from Python) ─▶ layout ─▶ tiles ─▶ player (one clock, which every clip follows) ◂─ transport
 *
 * `source` is where media comes from: `poster(id)` and `clip(id)` promise a URL or null; `close()` frees them.
 * One that can keep stars has `ratings` (stars.js).
 */

/** Show a grid in `el`; returns what takes it away again. Where it is the `whole` page, that has the title line, all keys
 * are the player's, and every clip has its poster, which the browser loads when it comes into sight or is printed. */
export function mount(el, grid, source, options = {}) {
  const tiles = grid.tiles.map((tile) => makeTile(tile, grid));
  const clips = tiles.filter((view) => view.video);
  const scrolls = grid.bare ? {} : { tabindex: "0", role: "group", "aria-label": "Clips" };
  const { node, fit } = layout(grid, tiles);
  const stage = h("div", { class: "knb-stage", ...scrolls }, node);
  const props = { class: "knb", role: "group", "aria-label": grid.title || "Comparison" };
  const root = h("div", props, options.whole ? null : header(grid), stage);
  root.classList.toggle("knb-bare", Boolean(grid.bare));
  const at = whichClip(root, clips);
  const keys = options.whole ? document : root;
  const close = grid.bare || !clips.length ? showPlain(clips, source) : showTogether(root, clips, source, { tiles, fit, at, keys });
  const heard = [keepKeys(root), rateUnderPointer(root, at), keepFitted(stage, fit)];
  if (options.whole) clips.forEach((clip) => showPoster(clip, source));
  el.append(root);
  return () => {
    close();
    heard.forEach((stop) => stop());
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

/** Several play together; `fit` lays out those of all `tiles` that are to be seen, `at` tells at which clip a person is, and
 * `keys` is where keys are heard. */
function showTogether(root, clips, source, { tiles, fit, at, keys }) {
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
  const { node, skip } = transport(player, clips, least);
  root.querySelector(".knb-stage").before(skip);
  root.append(node);
  root.addEventListener("focusout", () => requestAnimationFrame(update));
  root.addEventListener("fullscreenchange", update);
  const hear = (event) => (rateByKey(event, at()) ? taken(event) : onKey(event, player));
  keys.addEventListener("keydown", hear);
  const hidden = () => (document.hidden ? clips.forEach((clip) => clip.video.pause()) : player.sync());
  document.addEventListener("visibilitychange", hidden);
  const blind = watch(clips, source, player.sync);
  player.sync();
  return () => {
    blind();
    player.stop();
    keys.removeEventListener("keydown", hear);
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

/* The tiles of the live panel: a picture of each task once it has one, which plays in place, and its state in words.
 *
 *   tiles (JSON) ─▶ cards by id ─▶ { want: "poster" | "clip", id } ─▶ messages with the bytes
 *   paces ───────▶ how far one is that a provider is at
 */

const UNPLAYABLE = "This browser cannot play the clip.";

/** A tile; once it is pictured, a click or Enter on it plays its clip, which `fetch` brings, and another one stops it. */
function makeTile(fetch) {
  let wanted = false;
  const pic = h("span", { class: "knb-run-pic" });
  const chip = h("span", { class: "knb-run-chip" });
  const far = h("span", { class: "knb-run-far", hidden: true });
  const label = h("span", { class: "knb-run-label" });
  const words = h("span", { class: "knb-run-words", hidden: true });
  const failed = h("span", { class: "knb-run-error", role: "alert", hidden: true });
  const node = h("span", { class: "knb-run-tile", role: "listitem" }, pic, far, chip, label, words, failed);
  const show = (tile) => {
    for (const one of [node, chip]) one.dataset.state = tile.state;
    say(chip, tile.state);
    if (label.textContent !== tile.label) label.replaceChildren(...parts(tile.label));
    node.title = [tile.label, tile.reason].filter(Boolean).join(": ");
    if (!pic.querySelector("img")) pic.replaceChildren(...(tile.reason ? [h("span", { class: "knb-run-why" }, tile.reason)] : []));
  };
  const pace = (told) => {
    say(far, told?.said ?? "");
    say(words, (far.title = told?.words ?? ""));
    node.classList.toggle("knb-run-paced", told?.share !== undefined);
    node.style.setProperty("--knb-share", told?.share ?? 0);
  };
  const play = h("button", { type: "button", class: "knb-run-play", "aria-pressed": "false", onclick: () => turn(!wanted) });
  const picture = (url) => {
    play.setAttribute("aria-label", `Play ${label.textContent}`);
    pic.replaceChildren(h("img", { src: url, alt: "first frame" }), play);
  };
  function turn(on, why = "") {
    wanted = on;
    play.setAttribute("aria-pressed", String(on));
    say(failed, why);
    pic.querySelector("video")?.remove();
    if (on) fetch().then((url) => wanted && start(url), (error) => turn(false, error.message));
  }
  function start(url) {
    const video = h("video", { src: url, loop: true, playsinline: true, onerror: () => turn(false, UNPLAYABLE) });
    play.before(video);
    video.play().catch(() => ((video.muted = true), video.play().catch(() => {})));
  }
  return { node, show, pace, picture };
}

/** A poster is asked for once; one that cannot be had leaves its tile as it is. */
function makeTiles({ poster, clip }) {
  const node = h("div", { class: "knb-run-tiles", role: "list", "aria-label": "Clips" });
  const known = new Map();
  const pictured = new Set();
  const make = (id) => known.set(id, makeTile(() => clip(id))).get(id);
  const picture = (id, take) => {
    if (pictured.has(id)) return;
    pictured.add(id);
    poster(id).then(take, () => {});
  };
  const show = (tiles) => {
    const nodes = tiles.map((tile) => {
      const view = known.get(tile.id) ?? make(tile.id);
      view.show(tile);
      if (tile.saved) picture(tile.id, view.picture);
      return view.node;
    });
    if (nodes.length !== node.children.length || nodes.some((one, n) => one !== node.children[n])) node.replaceChildren(...nodes);
    node.hidden = !nodes.length;
  };
  const pace = (paces) => known.forEach((view, id) => view.pace(paces[id]));
  return { node, show, pace };
}

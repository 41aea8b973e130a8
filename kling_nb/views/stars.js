/* What a person thinks of a clip: stars under it. The kernel keeps them in the log; a page only shows them.
 *
 *   click, arrows, or 1 to 5 ─▶ rate(id, stars) ─▶ kernel ─▶ kept, or why not, told on the clip
 */

const STARS = 5;

const spoken = (rating) => (rating === null ? "not rated" : `${rating} of ${STARS} stars`);

/** Ask the kernel to keep ratings: returns a function that promises it, and one that stops listening. */
function kernelRatings(model) {
  const asked = [];
  const listener = (message) => {
    if (message.got !== "rating") return;
    const { resolve, reject } = asked.shift() ?? {};
    if (message.error) reject?.(new Error(message.error));
    else resolve?.(message.rating);
  };
  const rate = (id, rating) => new Promise((resolve, reject) => {
    asked.push({ resolve, reject });
    model.send({ want: "rating", id, rating });
  });
  model.on("msg:custom", listener);
  return { rate, close: () => model.off("msg:custom", listener) };
}

/** Put stars under a clip. Without `rate` they are only shown, and only where there is a rating. */
function addStars(view, rate, onChange = () => {}) {
  view.rating = view.tile.rating ?? null;
  if (!rate && view.rating === null) return;
  const props = rate
    ? { role: "slider", tabindex: "0", "aria-label": "Stars", "aria-valuemin": 0, "aria-valuemax": STARS, title: "1 to 5, 0 takes them back" }
    : { role: "img" };
  const icons = Array.from({ length: STARS }, (_, n) => h("span", { "aria-hidden": "true", "data-star": n + 1 }, "★"));
  const number = h("span", { class: "knb-number", "aria-hidden": "true" });
  const node = h("div", { class: "knb-stars", ...props }, ...icons, number);
  const show = (rating) => {
    view.rating = rating;
    const full = Math.round(clamp(rating ?? 0, 0, STARS));
    icons.forEach((icon, n) => icon.classList.toggle("knb-full", n < full));
    number.textContent = rating === null || rating === full ? "" : String(rating);
    node.setAttribute(rate ? "aria-valuetext" : "aria-label", spoken(rating));
    if (rate) node.setAttribute("aria-valuenow", full);
    onChange();
  };
  view.node.querySelector(".knb-line").append(node);
  show(view.rating);
  view.showRating = show;
  if (rate) letRate(view, node, show, rate);
}

/** Let what is kept of a clip show on every tile of the same task. */
function forTwins(clips, rate) {
  return rate && (async (id, stars) => {
    const kept = await rate(id, stars);
    const { task } = clips.find((clip) => clip.id === id).tile;
    clips.filter((clip) => clip.id !== id && clip.tile.task === task).forEach((clip) => clip.showRating(kept));
    return kept;
  });
}

/** Let a person rate; what could not be kept is taken back, and told on the clip. */
function letRate(view, node, show, rate) {
  let latest = 0;
  let kept = view.rating;
  const set = async (stars) => {
    const turn = (latest += 1);
    show(stars || null);
    try {
      kept = await rate(view.id, stars || null);
      if (turn === latest) tell(view, "");
    } catch (error) {
      if (turn !== latest) return;
      show(kept);
      tell(view, error.message);
    }
  };
  view.rate = (stars) => set(stars === view.rating ? null : stars);
  node.addEventListener("click", ({ target }) => target.dataset.star && view.rate(Number(target.dataset.star)));
  node.addEventListener("keydown", (event) => {
    const at = Math.round(clamp(view.rating ?? 0, 0, STARS));
    const to = { ArrowRight: at + 1, ArrowUp: at + 1, ArrowLeft: at - 1, ArrowDown: at - 1, Home: 0, End: STARS, Delete: 0, Backspace: 0 }[event.key];
    if (to === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    set(clamp(to, 0, STARS));
    taken(event); // elsewhere the arrows step through the clips
  });
}

/** Return what tells at which clip a person is: where the pointer moved last, or the focus went after that. */
function whichClip(root, clips) {
  let at = null;
  const come = (node) => (at = clips.find((clip) => clip.node.contains(node)) ?? null);
  for (const name of ["pointermove", "focusin"]) root.addEventListener(name, (event) => come(event.target));
  root.addEventListener("pointerleave", () => come(root.contains(document.activeElement) ? document.activeElement : null));
  return () => at;
}

/** Rate a clip by 1 to 5, and 0. Tells whether it did. */
function rateByKey(event, clip) {
  if (!clip?.rate || event.ctrlKey || event.metaKey || event.altKey || !/^[0-5]$/.test(event.key)) return false;
  clip.rate(Number(event.key));
  return true;
}

/** A choice of how many stars a clip must have to be seen; it is there once a clip has any. `fit` lays out those that are. */
function leastStars(tiles, fit) {
  const least = h("select", { class: "knb-least", "aria-label": "Clips to look at", title: "Which clips to look at" });
  const words = ["all clips", ...Array.from({ length: STARS }, (_, n) => `${"★".repeat(n + 1)}${n + 1 < STARS ? " and more" : ""}`)];
  least.append(...words.map((text, n) => h("option", { value: n }, text)));
  const update = () => {
    const best = Math.max(0, ...tiles.map(({ rating }) => rating ?? 0));
    least.hidden = !best;
    [...least.options].forEach((option, stars) => (option.disabled = stars > best));
    if (Number(least.value) > best) least.value = "0"; // where the last of them lost its stars
    const wanted = Number(least.value);
    const before = tiles.map(({ node }) => node.hidden);
    tiles.forEach(({ node, rating }) => (node.hidden = (rating ?? 0) < wanted));
    if (tiles.some(({ node }, n) => node.hidden !== before[n])) fit(wanted > 0);
  };
  least.addEventListener("change", update);
  return { least, update };
}

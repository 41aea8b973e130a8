/* What a person thinks of a clip: stars under it. The kernel keeps them in the log; a page only shows them.
 *
 *   click, arrows, or 1 to 5 ─▶ ratings.keep(id, stars) ─▶ kernel ─▶ ratings.known() ─▶ the stars of every tile of the clip
 *                                                            └─▶ or why not, told on the clip
 */

const STARS = 5;
const SILENT = "The rating was not kept: no kernel answers. Run the cell again.";
const HINT = "1 to 5; 0 clears the rating";

function spoken(rating) {
  if (rating === null) return "not rated";
  return rating >= 0 && rating <= STARS ? `${rating} of ${STARS} stars` : `rated ${rating}`;
}

/** What a kernel keeps: `known()` by tile, `keep`, which promises it, `watch`, which calls when it changed. */
function kernelRatings(model) {
  const asked = new Map();
  const own = Math.random().toString(36).slice(2); // a message goes to every view of the widget
  const watchers = [];
  let count = 0;
  const listener = (message) => {
    const one = message.got === "rating" && asked.get(message.n);
    if (!one) return;
    asked.delete(message.n);
    if (message.error) one.reject(new Error(message.error));
    else one.resolve();
  };
  const keep = (id, rating) => new Promise((resolve, reject) => {
    const n = `${own}-${(count += 1)}`;
    asked.set(n, { resolve, reject });
    if (!isSent(model, { want: "rating", id, rating, n })) reject(new Error(SILENT));
  });
  let stars = {};
  const changed = () => {
    stars = JSON.parse(model.get("ratings") ?? "{}");
    watchers.forEach((act) => act());
  };
  changed();
  const listeners = { "msg:custom": listener, "change:ratings": changed };
  for (const [event, act] of Object.entries(listeners)) model.on(event, act);
  const close = () => {
    for (const [event, act] of Object.entries(listeners)) model.off(event, act);
  };
  return { keep, known: () => stars, watch: (act) => watchers.push(act), close };
}

/** Put stars under a clip. Without `ratings` to keep them in they are only shown, and only where there are some. */
function addStars(view, ratings, onChange = () => {}) {
  const can = Boolean(ratings && view.tile.task);
  const kept = () => (can ? ratings.known()[view.id] : view.tile.rating) ?? null;
  view.rating = kept();
  if (!can && view.rating === null) return;
  const { node, draw } = drawnStars(view, can);
  const show = (rating) => {
    if (rating === view.rating) return;
    view.rating = rating;
    draw(rating);
    onChange();
  };
  view.node.querySelector(".knb-line").append(node);
  draw(view.rating);
  if (can) letRate(view, node, { ratings, kept, show });
}

function drawnStars(view, can) {
  const name = view.node.getAttribute("aria-label");
  const slider = { role: "slider", tabindex: "0", "aria-label": `Stars, ${name}`, "aria-valuemin": 0, "aria-valuemax": STARS, title: HINT };
  const icons = Array.from({ length: STARS }, (_, n) => h("span", { "aria-hidden": "true", "data-star": n + 1 }, "★"));
  const number = h("span", { class: "knb-number", "aria-hidden": "true" });
  const node = h("div", { class: "knb-stars", ...(can ? slider : { role: "img" }) }, ...icons, number);
  const draw = (rating) => {
    const full = Math.floor(clamp(rating ?? 0, 0, STARS));
    icons.forEach((icon, n) => icon.classList.toggle("knb-full", n < full));
    number.textContent = rating === null || rating === full ? "" : String(rating);
    node.setAttribute(can ? "aria-valuetext" : "aria-label", spoken(rating));
    if (can) node.setAttribute("aria-valuenow", full);
  };
  return { node, draw };
}

/** Let a person rate. Shown is the latest wish until it was answered, then what is kept. Why it is not is told on the clip
 * until the next wish or answer; a click on the clip and Escape take it away, too. */
function letRate(view, node, { ratings, kept, show }) {
  let turn = 0;
  let waits = false;
  let complaint = "";
  const complain = (words) => {
    if (words || view.message.textContent === complaint) tell(view, words);
    complaint = words;
  };
  const set = async (stars) => {
    if (stars === view.rating) return;
    const mine = (turn += 1);
    waits = true;
    complain("");
    node.classList.add("knb-set"); // what is kept is seen, not what a click where the pointer rests would do
    show(stars);
    const words = await ratings.keep(view.id, stars).then(() => "", (error) => error.message);
    if (mine !== turn) return;
    waits = false;
    complain(words);
    show(kept());
  };
  ratings.watch(() => {
    if (waits) return;
    complain("");
    show(kept());
  });
  view.rate = (stars) => set(stars === 0 || stars === view.rating ? null : stars);
  node.addEventListener("pointermove", () => node.classList.remove("knb-set"));
  node.addEventListener("click", ({ target, detail }) => target.dataset.star && detail < 2 && view.rate(Number(target.dataset.star)));
  node.addEventListener("keydown", (event) => rateByArrow(event, view, set) && taken(event));
  view.video.addEventListener("click", () => complain(""));
  view.node.addEventListener("keydown", (event) => event.key === "Escape" && complaint && (complain(""), taken(event)));
}

const withCommand = (event) => event.ctrlKey || event.metaKey || event.altKey;

/** Rate a clip by 1 to 5, and 0. Tells whether the key was for that; one that is held counts once. */
function rateByKey(event, clip) {
  if (!clip?.rate || withCommand(event) || !/^[0-5]$/.test(event.key) || event.target.matches("select")) return false;
  if (!event.repeat) clip.rate(Number(event.key));
  return true;
}

/** Hear the digits for the clip under the pointer while the focus is elsewhere: JupyterLab would make a heading of a cell.
 * Where a person types they are text. Returns what undoes that. */
function rateUnderPointer(root, at) {
  const types = (node) => node.isContentEditable || node.matches("input, textarea, select");
  const hear = (event) => {
    const { target } = event;
    if (root.contains(target) || types(target) || !root.matches(":hover")) return;
    if (rateByKey(event, at())) taken(event);
  };
  window.addEventListener("keydown", hear, true);
  return () => window.removeEventListener("keydown", hear, true);
}

/** Rate by the keys of a slider: these step through the clips where the focus is not on stars. */
function rateByArrow(event, view, set) {
  const at = Math.floor(clamp(view.rating ?? 0, 0, STARS));
  const right = getComputedStyle(view.node).direction === "rtl" ? -1 : 1;
  const to = { ArrowRight: at + right, ArrowUp: at + 1, ArrowLeft: at - right, ArrowDown: at - 1, Home: 0, End: STARS, Delete: 0, Backspace: 0 }[event.key];
  if (to === undefined || withCommand(event)) return false;
  if (!event.repeat) set(clamp(to, 0, STARS) || null);
  return true;
}

/** Return what tells at which clip a person is: where the pointer came last, or the focus after that. */
function whichClip(root, clips) {
  let at = null;
  const come = (node) => (at = clips.find((clip) => clip.node.contains(node)) ?? null);
  for (const name of ["pointermove", "pointerover", "focusin"]) root.addEventListener(name, (event) => come(event.target));
  root.addEventListener("pointerleave", () => come(root.contains(document.activeElement) ? document.activeElement : null));
  return () => (at?.node.hidden ? null : at);
}

/**
 * A choice of how many stars a clip must have to be seen; it is there once a clip has any. `fit` lays out those that are.
 * What has the focus or the whole screen stays until it has that no longer.
 */
function leastStars(tiles, fit) {
  const least = h("select", { class: "knb-least", "aria-label": "Clips to look at", title: "Which clips to look at" });
  const words = ["all clips", ...Array.from({ length: STARS }, (_, n) => `${"★".repeat(n + 1)}${n + 1 < STARS ? " and up" : ""}`)];
  least.append(...words.map((text, n) => h("option", { value: n }, text)));
  const isHeld = (node) => [document.fullscreenElement, document.activeElement].some((held) => node.contains(held));
  const update = () => {
    const best = Math.max(0, ...tiles.map(({ rating }) => rating ?? 0));
    least.hidden = best < 1;
    [...least.options].forEach((option, stars) => (option.disabled = stars > best));
    if (Number(least.value) > best) least.value = "0"; // where the last of them lost its stars
    const before = tiles.map(({ node }) => node.hidden);
    const from = Number(least.value) || -Infinity; // all clips: those rated below zero by hand too
    tiles.forEach(({ node, rating }) => (node.hidden = (rating ?? 0) < from && !isHeld(node)));
    if (tiles.some(({ node }, n) => node.hidden !== before[n])) fit();
  };
  least.addEventListener("change", update);
  return { least, update };
}

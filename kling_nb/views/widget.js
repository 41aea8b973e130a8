/* What every script here begins with: elements, and how a widget asks its kernel.
 *
 *   inPlace: whenAlive ─▶ takePlace ─▶ (the widget) ─▶ kernelMedia: { want, id } ─▶ messages with the bytes
 *
 * Everything foreign enters the document as text, never as markup.
 */

const AT_ONCE = 3; // media requests on their way to the kernel
const PATIENCE_MS = 1500; // after which a button says that the kernel is busy
const BUSY = "The kernel is busy: this takes effect when its cell has ended.";
const ON_ITS_WAY = "On its way…";
const UNHEARD = "No kernel answers. Run the cell again.";
const CUT_OFF = "comm_live_update"; // ipywidgets' word for it: the kernel was restarted, and knows this widget no more
const KNOCK_FIRST_MS = 400;
const KNOCK_LONGEST_MS = 20000; // the longest pause between two hellos
const TYPES = { clip: "video/mp4", poster: "image/jpeg" };

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

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

/** Change a node's text only when it changes, and show it only when there is some. */
function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
  node.hidden = !text;
}

/** Return a label's parts, each of which runs by its own letters: an Arabic prompt to the left, whatever stands before it. */
function parts(label) {
  const [first, ...rest] = label.split(" · ");
  return rest.length ? [h("bdi", {}, first), ...rest.flatMap((part) => [" · ", h("bdi", {}, part)])] : [first];
}

/** Return a button that is pressed anew: Enter that is held since the one that asked "sure?" does not press it. */
function pressedAnew(node) {
  node.addEventListener("keydown", (event) => event.repeat && event.preventDefault());
  return node;
}

/** anywidget's entry: `mount(el, model, before)` builds the widget once the kernel has sent one of the signs, in place of
 * the static output, which stays until then, and returns what frees it. Cut off from its kernel it gives the place back,
 * unless it `lasts`: buttons that nobody hears are worse than none. */
function inPlace(signs, mount, { lasts = false } = {}) {
  return ({ model, el }) => {
    let leave = () => {};
    const show = () => (leave = takePlace(el, model.get("mark"), (before) => mount(el, model, before)));
    const wait = () => {
      leave();
      leave = whenAlive(model, signs, show);
    };
    if (!lasts) model.on(CUT_OFF, wait);
    wait();
    return () => {
      model.off(CUT_OFF, wait);
      leave();
    };
  };
}

/** Send a message; returns whether there is anyone to send it to. */
function isSent(model, message) {
  try {
    model.send(message);
    return true;
  } catch {
    return false;
  }
}

/** Call `show` once the kernel has sent one of the signs; until then say hello, ever less often. Returns what stops it. */
function whenAlive(model, signs, show) {
  let timer = null;
  const stop = () => {
    clearTimeout(timer);
    signs.forEach((sign) => model.off(sign, alive));
  };
  const alive = () => {
    stop();
    show();
  };
  // JupyterLab makes its subshell meanwhile: a message sent before that waits for a busy cell, so knock again.
  const knock = (pause_ms) => {
    timer = setTimeout(knock, pause_ms, Math.min(2 * pause_ms, KNOCK_LONGEST_MS));
    isSent(model, { want: "hello" });
  };
  signs.forEach((sign) => model.on(sign, alive));
  knock(KNOCK_FIRST_MS);
  return stop;
}

/** Let `show` build into `el` in place of the static output with the same mark; returns what undoes that. */
function takePlace(el, mark, show) {
  const before = standIn(el, mark);
  el.classList.add("knb-live");
  if (before) before.hidden = true;
  const remove = show(before);
  return () => {
    remove();
    el.classList.remove("knb-live");
    if (before) before.hidden = false;
  };
}

/** Return the static output that a widget stands in for: the nearest one before it with the same mark. */
function standIn(el, mark) {
  const all = [...document.querySelectorAll(".knb-static")].filter((node) => node.dataset.knb === mark);
  return all.filter((node) => node.compareDocumentPosition(el) & Node.DOCUMENT_POSITION_FOLLOWING).pop();
}

/** Media asked of the kernel, each once, a few at a time and posters first, kept as blobs until `close`. */
function kernelMedia(model) {
  const asked = new Map();
  const waiting = { poster: [], clip: [] };
  const urls = [];
  let flying = 0;
  const next = () => {
    while (flying < AT_ONCE && (waiting.poster.length || waiting.clip.length)) {
      const wish = waiting.poster.shift() ?? waiting.clip.shift();
      if (isSent(model, wish)) flying += 1;
      else asked.get(`${wish.want}:${wish.id}`).reject(new Error(UNHEARD));
    }
  };
  const listener = (message, buffers) => {
    const entry = asked.get(`${message.got}:${message.id}`);
    if (!entry || entry.done) return;
    entry.parts.push(...(buffers ?? []));
    if (!message.error && entry.parts.length < message.parts) return;
    entry.done = true;
    flying -= 1;
    next();
    if (message.error) entry.reject(new Error(message.error));
    else entry.resolve(entry.parts);
  };
  const ask = (want, id) => new Promise((resolve, reject) => {
    asked.set(`${want}:${id}`, { resolve, reject, parts: [], done: false });
    waiting[want].push({ want, id });
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
  return { poster: once("poster"), clip: once("clip"), close };
}

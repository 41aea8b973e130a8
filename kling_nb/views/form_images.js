/* The images of a field: a button to upload some, and of each a thumbnail, its facts, and a button that takes it out.
 *
 *   `pictures` (small JSON) ─▶ tiles ─▶ { thumb: line } ─▶ a message with the bytes
 *   Upload ─▶ { upload: name } with the bytes              Remove ─▶ { remove: line }
 *
 * Everything foreign enters the document as text, never as markup. An address is shown by the browser itself.
 */

const MOST_BYTES = 9e6; // a notebook's server closes the connection at a message of 10 MiB

function h(tag, props, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function draw(frame, source, words) {
  const image = h("img", { alt: words, referrerpolicy: "no-referrer" });
  image.addEventListener("load", () => source.startsWith("blob:") && URL.revokeObjectURL(source));
  image.addEventListener("error", () => frame.replaceChildren("no preview"));
  image.src = source;
  frame.replaceChildren(image);
}

function makeUpload(field, accepted, send) {
  const input = h("input", { type: "file", multiple: "", accept: accepted, class: "knb-unseen" });
  const said = h("p", { class: "knb-bad", role: "alert" });
  input.addEventListener("change", async () => {
    const files = [...input.files];
    input.value = "";
    const large = files.filter((file) => file.size > MOST_BYTES).map((file) => file.name);
    said.textContent = large.length ? `${large.join(", ")}: more than 9 MB cannot be uploaded; enter the path instead` : "";
    for (const file of files) if (file.size <= MOST_BYTES) send(file.name, await file.arrayBuffer());
  });
  return h("div", {}, h("label", { class: "knb-quiet" }, "Upload", h("span", { class: "knb-unseen" }, ` ${field}`), input), said);
}

function makeTile(field, { line, name, facts, warned, address }, send) {
  const frame = h("div", { class: "knb-frame" });
  const remove = h("button", { class: "knb-quiet", type: "button", "aria-label": `Remove ${field} ${name}` }, "Remove");
  remove.addEventListener("click", () => send({ remove: line }));
  const said = warned.map((sentence) => h("p", { class: "knb-warn" }, sentence));
  const words = h("div", {}, h("b", {}, name), h("p", { class: "knb-soft" }, facts), ...said, remove);
  if (address) draw(frame, line, `${field}: ${name}`);
  else send({ thumb: line });
  return { line, frame, words: `${field}: ${name}`, node: h("li", {}, frame, words) };
}

function render({ model, el }) {
  const field = model.get("field");
  const tiles = new Map(); // by all that is known of a picture, so that a file that changed gets a new one
  const list = h("ul", { class: "knb-pictures" });
  const upload = makeUpload(field, model.get("accepted"), (name, bytes) => model.send({ upload: name }, undefined, [bytes]));

  const show = () => {
    const pictures = new Map(JSON.parse(model.get("pictures")).map((one) => [JSON.stringify(one), one]));
    for (const key of tiles.keys()) if (!pictures.has(key)) tiles.delete(key);
    for (const [key, one] of pictures) if (!tiles.has(key)) tiles.set(key, makeTile(field, one, (wish) => model.send(wish)));
    list.replaceChildren(...[...pictures.keys()].map((key) => tiles.get(key).node));
  };

  const hear = (message, buffers) => {
    const tile = [...tiles.values()].findLast(({ line }) => line === message.line);
    if (!tile) return;
    if (message.error) tile.frame.replaceChildren("no preview");
    else draw(tile.frame, URL.createObjectURL(new Blob([buffers[0]], { type: "image/jpeg" })), tile.words);
  };

  model.on("change:pictures", show);
  model.on("msg:custom", hear);
  el.replaceChildren(upload, list);
  show();
  return () => {
    model.off("change:pictures", show);
    model.off("msg:custom", hear);
    el.replaceChildren(); // ipywidgets keeps `el` after its cell was run again: without what was in it
  };
}

export default { render };

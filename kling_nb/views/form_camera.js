/* The six sliders of a simple camera, of which one at most is not zero: moving one takes the others back to zero.
 *
 *   axes (name, what it does), reach, step ─▶ sliders          a slider ─▶ `moves`: { name: value }, or {}
 */

function h(tag, props, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** A number as it is read: with its sign, since the sign is the direction. */
function signed(value) {
  return value > 0 ? `+${value}` : String(value).replace("-", "−");
}

/** One slider. The label holds what the axis does, so that it is read with its name. */
function makeSlider([name, does], reach, move) {
  const input = h("input", { type: "range", min: -reach, max: reach });
  const unseen = h("span", { class: "knb-unseen" }, "camera ");
  const words = h("span", { class: "knb-axis" }, unseen, h("b", {}, name), " ", h("span", { class: "knb-does" }, does));
  const output = h("output", { class: "knb-value", "aria-hidden": "true" });
  input.addEventListener("input", () => move(name, Number(input.value)));
  const show = (value, step) => {
    input.step = step;
    input.value = value;
    input.style.setProperty("--knb-share", (value + reach) / (2 * reach));
    input.setAttribute("aria-valuetext", signed(value));
    output.textContent = signed(value);
    output.dataset.moved = value !== 0;
  };
  return { node: h("div", { class: "knb-slider" }, h("label", {}, words, input), output), name, show };
}

function render({ model, el }) {
  const move = (name, value) => {
    model.set("moves", value ? { [name]: value } : {});
    model.save_changes();
  };
  const sliders = model.get("axes").map((axis) => makeSlider(axis, model.get("reach"), move));
  const show = () => sliders.forEach((one) => one.show(model.get("moves")[one.name] ?? 0, model.get("step")));
  const heard = ["change:moves", "change:step"];
  heard.forEach((name) => model.on(name, show));
  show();
  el.classList.add("knb-sliders");
  el.replaceChildren(...sliders.map((one) => one.node));
  return () => {
    heard.forEach((name) => model.off(name, show));
    el.replaceChildren(); // ipywidgets keeps `el` after its cell was run again: without what was in it
  };
}

export default { render };

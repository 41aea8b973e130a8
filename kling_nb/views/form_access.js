/* What the widgets of the form cannot say of themselves to a screen reader: which words are about which control, what is
 * wrong, what is open. And where the keyboard goes on when the control that has the focus is taken away.
 *
 *   control, or a box of some ◂─ aria-describedby ── .knb-said behind it          .knb-bad in it ─▶ aria-invalid
 *
 * And it keeps JupyterLab from hearing keys that are pressed here: X would cut the cell. And it says whether the form lives:
 * one that was saved with its notebook, or whose kernel was restarted, looks the same, but nobody hears its buttons, so the
 * static output keeps its place, or gets it back; and a press that reaches no kernel is answered. Else it shows nothing.
 * Elements come and go with the form, so everything is set anew after each change.
 */

const GROUPS = ".knb-choices, .knb-sliders"; // these are described as a whole, not box by box
const TEXTS = ".knb-text :is(input, textarea, select)";

const DISCONNECTED = "jupyter-widgets-disconnected"; // ipywidgets' class for a widget that no kernel hears

const own = `knb-words-${Math.random().toString(36).slice(2)}`; // every form of a page runs a module of its own
let named = 0;
const idOf = (node) => (node.id ||= `${own}-${(named += 1)}`);

/** Set an attribute, or take it away where there is nothing to say. */
function put(node, name, value) {
  if (value) node.setAttribute(name, value);
  else node.removeAttribute(name);
}

const all = (node, selector) => [...(node.matches(selector) ? [node] : []), ...node.querySelectorAll(selector)];

/** Tell whether a paragraph is about a control: about all before it, unless it names one. */
function isAbout(words, control) {
  const [of] = [...words.classList].filter((name) => name.startsWith("knb-of-"));
  return !of || Boolean(control.closest(`.${of.replace("-of-", "-")}`));
}

function describe(said) {
  const before = said.previousElementSibling;
  if (!before) return;
  const paragraphs = [...said.querySelectorAll("p")];
  const groups = all(before, ".knb-choices");
  for (const node of groups.length ? groups : all(before, TEXTS)) {
    const words = paragraphs.filter((one) => isAbout(one, node));
    put(node, "aria-describedby", words.map(idOf).join(" "));
    const wrong = words.some((one) => one.matches(".knb-bad"));
    for (const control of groups.length ? node.querySelectorAll("input") : [node]) {
      put(control, "aria-invalid", wrong && (!groups.length || control.checked) && "true");
    }
  }
}

function name(form) {
  for (const node of form.querySelectorAll(GROUPS)) {
    const legend = node.closest(".knb-field").querySelector(".knb-legend .widget-html-content");
    node.setAttribute("role", "group");
    if (legend) node.setAttribute("aria-labelledby", idOf(legend));
  }
  form.querySelector(".knb-line .widget-html-content")?.setAttribute("role", "status");
  for (const node of form.querySelectorAll(".widget-toggle-button")) {
    node.setAttribute("aria-expanded", String(node.classList.contains("mod-active")));
  }
}

/** Keep the focus in its field when what had it is gone or disabled: on the last control that is left there. */
function hold(form, until) {
  let [last, field] = [null, null];
  form.addEventListener("focusin", ({ target }) => ([last, field] = [target, target.closest(".knb-field, .knb-bar")]), until);
  return () => {
    if (!last || (last.isConnected && !last.disabled) || ![document.body, last].includes(document.activeElement)) return;
    const left = [...(field?.querySelectorAll("button, input, textarea") ?? [])].filter((one) => one.checkVisibility());
    left.filter((one) => !one.disabled).pop()?.focus();
  };
}

/** Select the Python when it is reached by Tab, as a click does, so that Ctrl+C copies it. */
function selectCode(form, until) {
  form.addEventListener("focusin", ({ target }) => target.matches("pre:focus-visible") && getSelection().selectAllChildren(target), until);
  form.addEventListener("focusout", ({ target }) => target.matches("pre") && getSelection().removeAllRanges(), until);
}

/** Answer a press that reaches no kernel, as after it was shut down: ipywidgets neither disconnects the form then nor takes
 * a press without an error in the console, so the press ends here. */
function answer(form, model) {
  const said = h("p", { class: "knb-bad", role: "alert", hidden: true });
  const ask = (event) => {
    if (!event.target.closest("button, input") || event.target.closest(".knb-panels")) return; // a panel answers itself
    const reached = isSent(model, { want: "hello" });
    say(said, reached ? "" : UNHEARD);
    if (!reached) event.stopPropagation();
  };
  form.querySelector(".knb-bar").after(said);
  form.addEventListener("click", ask, true);
  return () => {
    form.removeEventListener("click", ask, true);
    said.remove();
  };
}

function attend(form, model) {
  const over = new AbortController(); // ipywidgets keeps a form after its cell was run again: it hears nothing any more
  const [held, heard, answered] = [hold(form, over), keepKeys(form), answer(form, model)];
  selectCode(form, over);
  const look = () => {
    const lives = !form.classList.contains(DISCONNECTED);
    if (lives !== form.classList.contains("knb-live")) form.classList.toggle("knb-live", lives);
    name(form);
    form.querySelectorAll(".knb-said").forEach(describe);
    held();
  };
  const observer = new MutationObserver(look);
  observer.observe(form, { childList: true, subtree: true, attributes: true, attributeFilter: ["class", "disabled"] });
  form.addEventListener("change", look, over);
  look();
  return () => {
    observer.disconnect();
    heard();
    answered();
    over.abort();
  };
}

function render({ model, el }) {
  let stop = () => {};
  const wait = () => {
    const form = el.closest(".knb-form");
    if (form) stop = attend(form, model);
    else frame = requestAnimationFrame(wait);
  };
  let frame = requestAnimationFrame(wait);
  return () => {
    cancelAnimationFrame(frame);
    stop();
  };
}

export default { render };

/* Uncertain tasks and what can be done about them. Python writes traits (`head`, `rows`, `answers`), the panel sends
 * messages.
 *
 *   rows ─▶ a table by id ─▶ buttons ─▶ a question or a box for the id ─▶ { do, task, id, n } ─▶ `answers` says what came of it
 */

const COLUMNS = ["Provider", "Model", "Asked for", "At stake", "Since", "Why", "Status"];

/** Put a row's own words where a way speaks of {provider}, {price} and the like. */
const filled = (text, row) => text.replace(/\{(\w+)\}/g, (whole, name) => row[name] ?? whole);

const button = (words, act, props = {}) => h("button", { type: "button", class: "knb-run-button", onclick: act, ...props }, words);

// ── the facts of one task ───────────────────────────────────────────────────────────────────────────────────────

function makeFacts() {
  const cell = (label, kind, ...inside) => h("td", { role: "cell", "data-label": label, class: kind && `knb-doubt-${kind}` }, ...inside);
  const [prompt, more, own, price, chip, python] = [h("span"), h("small"), h("small"), h("b"), h("span", { class: "knb-run-chip" }), h("code")];
  const under = h("br");
  const [provider, model, since, why] = [["Provider", "word"], ["Model", "word"], ["Since", "since"], ["Why", "why"]].map((one) => cell(...one));
  const asked = cell("Asked for", "asked", prompt, h("br"), more, under, own);
  const stands = cell("Status", "stands", chip, h("br"), python);
  const node = h("tr", { role: "row" }, provider, model, asked, cell("At stake", "price", price), since, why, stands);
  const show = (row) => {
    const cells = [[provider, row.provider], [model, row.model], [prompt, row.prompt], [price, row.price], [since, row.since], [why, row.why]];
    for (const [place, text] of cells) if (place.textContent !== text) place.textContent = text;
    say(own, row.own);
    under.hidden = !row.own;
    say(more, [row.settings, row.run && `run ${row.run}`].filter(Boolean).join(" · "));
    chip.dataset.state = row.state;
    say(chip, row.stands);
    say(python, row.python);
  };
  return { node, show };
}

// ── what can be done about it ───────────────────────────────────────────────────────────────────────────────────

/** The box that opens under a row: a question to agree with, or an id to type. `agree` takes the id. */
function makeQuestion(agree, leave) {
  const words = h("p");
  const name = h("span");
  const id = h("input", { type: "text", class: "knb-doubt-id", autocomplete: "off", spellcheck: "false", maxlength: 200 });
  const label = h("label", {}, name, id);
  const sure = pressedAnew(button("", () => agree(id.value.trim())));
  const keep = button("Leave it", leave);
  const node = h("div", { class: "knb-run-ask", role: "group", hidden: true }, words, label, h("span", {}, sure, keep));
  const ready = () => (sure.disabled = id.readOnly || (!label.hidden && !id.value.trim()));
  id.addEventListener("input", ready);
  id.addEventListener("keydown", (event) => event.key === "Enter" && (event.preventDefault(), event.repeat || sure.click()));
  // JupyterLab's own shortcuts are not for what is typed here.
  node.addEventListener("keydown", (event) => (event.stopPropagation(), event.key === "Escape" && leave()));
  const open = (way, row) => {
    node.hidden = false;
    node.dataset.tone = sure.dataset.tone = way.field ? "calm" : "bad";
    node.setAttribute("aria-label", `${filled(way.button, row)} ${row.prompt}`);
    label.hidden = !way.field;
    say(words, filled(way.question, row));
    say(name, filled(way.field, row));
    say(sure, filled(way.sure, row));
    id.value = "";
    ready();
    (way.field ? id : sure).focus();
  };
  /** What was typed stays while the kernel looks, and can be changed when it was refused; it is marked as `wrong` then. */
  const hold = (yes, wrong = false) => {
    id.readOnly = keep.disabled = yes;
    id.setAttribute("aria-invalid", String(wrong));
    ready();
    if (yes || wrong) id.focus();
  };
  const close = () => {
    hold(false);
    node.hidden = true;
  };
  return { node, open, hold, close };
}

/** The buttons of one task; `send` tells the kernel and whether it could, `settle` takes what came of it. */
function makeWays(ways, send) {
  let row = null;
  let asked = 0; // the number of the last action that was sent
  let answered = 0;
  let opened = null; // the way whose question is open
  let timer = null;
  const begun = (way) => (way.question ? (opened === way ? leave() : turn(way)) : act(way, ""));
  const buttons = ways.map((way) => [way, button(way.button, () => begun(way), { "aria-expanded": way.question ? "false" : null })]);
  const question = makeQuestion((id) => act(opened, id), () => leave());
  const bar = h("div", { class: "knb-doubt-buttons", role: "group" }, ...buttons.map(([, node]) => node));
  const said = h("p", { class: "knb-run-said", role: "status", tabindex: "-1", hidden: true });
  const error = h("p", { class: "knb-run-error", role: "alert", hidden: true });
  const cell = h("td", { role: "cell", colspan: COLUMNS.length }, bar, question.node, said, error);
  const node = h("tr", { role: "row", class: "knb-doubt-ways-of" }, cell);

  function turn(way) {
    opened = way;
    for (const [one, place] of buttons) if (one.question) place.setAttribute("aria-expanded", String(one === way));
    if (!way) return question.close();
    say(error, ""); // of what was tried before
    question.open(way, row);
  }

  function leave() {
    if (asked > answered) return;
    const [, place] = buttons.find(([way]) => way === opened) ?? [];
    turn(null);
    place?.focus();
  }

  /** An id may be refused: its question stays open until it is taken. */
  function act(way, id) {
    if (way.field) question.hold(true);
    else turn(null);
    const sent = send({ do: way.name, task: row.id, id, n: asked + 1 });
    say(error, sent ? "" : UNHEARD);
    if (!sent) return opened && question.hold(false);
    asked += 1;
    clearTimeout(timer);
    timer = setTimeout(() => say(said, BUSY), PATIENCE_MS);
    say(said, ON_ITS_WAY);
    if (!opened) said.focus();
    show(row);
  }

  /** The kernel has the message; what comes of it may take as long as a provider takes to answer. */
  function heard(number) {
    if (number !== asked || asked <= answered) return;
    clearTimeout(timer);
    say(said, ON_ITS_WAY);
  }

  function show(now) {
    row = now;
    const waiting = asked > answered;
    if (!row.open && opened) {
      const held = question.node.contains(document.activeElement);
      turn(null);
      if (held && !said.hidden) said.focus();
    }
    bar.hidden = !row.open;
    bar.setAttribute("aria-label", `What can be done about ${row.prompt}`);
    for (const [way, place] of buttons) {
      place.disabled = waiting;
      place.title = `${row.python}${way.python}: ${way.means}`;
    }
    node.hidden = !row.open && said.hidden && error.hidden;
  }

  function settle(answer) {
    if (!answer || answer.acted <= answered || asked > answer.acted) return;
    asked = answered = answer.acted;
    clearTimeout(timer);
    const held = document.activeElement === said || question.node.contains(document.activeElement);
    say(said, answer.said);
    say(error, answer.error);
    if (answer.error && opened) return (question.hold(false, true), show(row));
    if (opened) turn(null);
    if (held && !said.hidden) said.focus();
    show(row);
    if (held && said.hidden && !bar.hidden) buttons[0][1].focus();
  }

  return { node, show, heard, settle, close: () => clearTimeout(timer) };
}

// ── the panel ───────────────────────────────────────────────────────────────────────────────────────────────────

/** Build the panel into `el` and keep it up to date; returns what frees it. */
function mount(el, model) {
  const read = (name, otherwise) => JSON.parse(model.get(name) || otherwise);
  const ways = read("ways", "[]");
  const head = h("b", { class: "knb-run-name", role: "status" });
  const badge = model.get("simulated") ? h("span", { class: "knb-badge", title: "Nothing here is bought" }, "SIMULATED") : null;
  const titles = h("tr", { role: "row" }, ...COLUMNS.map((name) => h("th", { role: "columnheader", scope: "col" }, name)));
  const body = h("tbody", { role: "rowgroup" });
  const table = h("table", { role: "table", "aria-label": "Uncertain tasks" }, h("thead", { role: "rowgroup" }, titles), body);
  const left = h("p", { class: "knb-run-note", hidden: true });
  const trouble = h("p", { class: "knb-run-error", role: "alert", hidden: true });
  const root = h("section", { class: "knb knb-run knb-doubt", "aria-label": "Uncertain tasks" }, h("div", { class: "knb-run-top" }, head, badge), table, left, trouble);
  const known = new Map();

  const make = (row) => {
    const view = { facts: makeFacts(), ways: makeWays(ways, (message) => isSent(model, message)) };
    body.append(view.facts.node, view.ways.node);
    return known.set(row.id, view).get(row.id);
  };
  const show = () => {
    const answers = read("answers", "{}");
    for (const row of read("rows", "[]")) {
      const view = known.get(row.id) ?? make(row);
      view.facts.show(row);
      view.ways.show(row);
      view.ways.settle(answers[row.id]);
    }
    say(head, model.get("head") ?? "");
    say(left, model.get("left") ?? "");
    say(trouble, model.get("trouble") ?? "");
  };
  const listened = ["rows", "answers", "head", "left", "trouble"].map((name) => `change:${name}`);
  const heard = (message) => message.got === "do" && known.get(message.task)?.ways.heard(message.n);
  for (const event of listened) model.on(event, show);
  model.on("msg:custom", heard);
  const kept = keepKeys(root);
  el.append(root);
  show();
  return () => {
    kept();
    for (const event of listened) model.off(event, show);
    model.off("msg:custom", heard);
    for (const view of known.values()) view.ways.close();
    root.remove();
  };
}

export default { render: inPlace(["msg:custom", "change:rows"], mount) };

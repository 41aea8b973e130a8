/* The live panel of a run. Python writes traits (`standing`, `tiles`, `paces`, `answer`: small JSON), the panel sends messages.
 *
 *   standing ─▶ head, bar, counts, money, causes          buttons ─▶ { do, n } ─▶ `answer` says that n is done
 *   tiles, paces ─▶ live_tiles.js
 */

const SAY_EVERY_MS = 15000; // how often a screen reader hears the counts
const NOT_BOUGHT = "Nothing here is bought";
const PAUSES = "Send nothing more; what was sent is followed and fetched";
const RETRIES = "Buy again what failed, once you agreed to the price; run.retry() does the same at once";

/** Change a text that is read aloud: its place stays shown, since a screen reader misses what appears with its words. */
function tell(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Take or give a button without taking the focus from it. */
const allow = (node, yes) => node.setAttribute("aria-disabled", String(!yes));

/** Make as many children as there are items, keeping those that are there, so that bars glide and nothing flickers. */
function fill(node, items, make, update) {
  while (node.children.length > items.length) node.lastElementChild.remove();
  items.forEach((item, index) => {
    if (!node.children[index]) node.append(make());
    update(node.children[index], item);
  });
}

// ── head, bar, words ────────────────────────────────────────────────────────────────────────────────────────────

function makeHead() {
  const name = h("b", { class: "knb-run-name" });
  const badge = h("span", { class: "knb-badge", title: NOT_BOUGHT, hidden: true }, "SIMULATED");
  const stage = h("span", { class: "knb-run-stage" });
  const node = h("div", { class: "knb-run-top" }, name, badge, stage);
  const show = (run) => {
    say(name, run.name);
    badge.hidden = !run.simulated;
    say(stage, run.stage);
    stage.dataset.tone = run.moving ? "moving" : "";
  };
  return { node, show };
}

function makeFacts(meanings) {
  const bar = h("div", { class: "knb-run-bar", "aria-hidden": "true" });
  const counts = h("p", { class: "knb-run-counts" });
  const money = h("p", { class: "knb-run-line" });
  const held = h("p", { class: "knb-run-held", hidden: true });
  const causes = h("ul", { class: "knb-run-causes", hidden: true });
  const show = (run) => {
    fill(bar, run.parts, () => h("span"), part);
    fill(counts, [...run.parts, ["", run.total]], () => h("span", {}, h("b"), h("span")), (node, item) => count(node, item, meanings));
    say(money, [run.money, run.left].filter(Boolean).join(" · "));
    say(held, run.held && run.unsent ? `${run.unsent} not sent: ${run.held}` : run.held);
    fill(causes, run.causes, () => h("li", {}, h("b"), h("span")), cause);
    causes.hidden = !run.causes.length;
    causes.dataset.tone = run.failed ? "bad" : "";
  };
  return { nodes: [bar, h("div", { class: "knb-run-facts" }, counts, money), held, causes], show };
}

function part(node, [state, number]) {
  node.dataset.state = state;
  node.style.flexGrow = number;
  node.title = `${number} ${state}`;
}

function count(node, [state, number], meanings) {
  if (state) node.dataset.state = state;
  else delete node.dataset.state;
  node.title = meanings[state] ?? "";
  say(node.firstChild, state ? String(number) : "");
  say(node.lastChild, state ? ` ${state}` : `of ${number}`);
}

function cause(node, [text, number]) {
  say(node.firstChild, `${number} × `);
  say(node.lastChild, text);
}

/** What titles say under a pointer, for whoever has none; while it is open, the tiles show all their words, too. */
function makeLong(meanings) {
  const words = h("ul");
  const node = h("details", { class: "knb-run-long" }, h("summary", {}, "In full"), words);
  const item = () => h("li", {}, h("b"), ": ", h("span"));
  const explain = (node, [word, meaning]) => (say(node.firstChild, word), say(node.lastChild, meaning ?? ""));
  const show = (run) => {
    const told = [run.simulated && ["SIMULATED", NOT_BOUGHT], run.pauses && ["Pause", PAUSES], run.retry && ["Retry…", RETRIES]].filter(Boolean);
    fill(words, [...told, ...run.parts.map(([state]) => [state, meanings[state]])], item, explain);
  };
  return { node, show };
}

// ── buttons ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** Return what a cancellation would do, in words. */
function cost(run) {
  const unsent = run.unsent && `${run.unsent} not sent will be cancelled`;
  const sent = run.sent && `${run.sent} already paid for ${run.sent === 1 ? "is" : "are"} still fetched, unless the provider can cancel`;
  return `Cancel: ${[unsent, sent].filter(Boolean).join("; ")}.`;
}

/** What is asked before it is done: which buttons answer, with which words, and whether it can still be done. */
const QUESTIONS = {
  cancel: { name: "Cancel the run?", may: (run) => run.cancels, words: cost, sure: () => "Cancel the run", keep: "Keep going" },
  retry: { name: "Buy again?", may: (run) => Boolean(run.retry), words: (run) => run.retry.question, sure: (run) => run.retry.sure, keep: "Leave it" },
};

/** Pause or resume; cancel, and buy again what failed, after one more question. `act` sends; `settle` takes what came of it. */
function makeTools(model) {
  let run = null;
  let asked = 0; // the number of the last action that was sent
  let asking = null; // which question is open
  let agreed = ""; // what it is about, where that is more than the run
  let timer = null;
  const button = (words, act, tone) => h("button", { type: "button", class: "knb-run-button", "data-tone": tone, onclick: act }, words);
  const pause = button("Pause", () => (run.resumes ? act("resume") : run.pauses && act("pause")));
  const cancel = button("Cancel…", () => question("cancel"));
  const retry = button("Retry…", () => question("retry"));
  const asks = { cancel, retry };
  const words = h("p");
  const sure = pressedAnew(button("", () => (act(asking, agreed) && tell(said, ON_ITS_WAY), close(), said.focus()), "bad"));
  const keep = button("", () => leave());
  const ask = h("div", { class: "knb-run-ask", role: "group", hidden: true }, words, h("span", {}, sure, keep));
  const said = h("p", { class: "knb-run-said", role: "status", tabindex: "-1" });
  const error = h("p", { class: "knb-run-error", role: "alert", hidden: true });
  ask.addEventListener("keydown", (event) => event.key === "Escape" && (event.stopPropagation(), leave()));

  const waiting = () => asked > (JSON.parse(model.get("answer") || "{}").acted ?? 0);

  /** Ask the kernel for it; returns whether that was sent. */
  function act(name, agreed = "") {
    const sent = !waiting() && isSent(model, { do: name, n: asked + 1, ...(agreed && { agreed }) });
    say(error, sent || waiting() ? "" : UNHEARD);
    if (!sent) return false;
    asked += 1;
    clearTimeout(timer);
    timer = setTimeout(() => tell(said, BUSY), PATIENCE_MS);
    show(run);
    return true;
  }

  /** Ask it, unless it is asked already, or cannot be done now. */
  function question(name) {
    asking = asking === name || waiting() || !QUESTIONS[name].may(run) ? null : name;
    agreed = asking === "retry" ? run.retry.mark : "";
    show(run);
    if (asking) sure.focus();
  }

  function close() {
    asking = null;
    show(run);
  }

  function leave() {
    const from = asks[asking];
    close();
    from?.focus();
  }

  /** Show the question that is open; one about something else by now is taken back, before anybody agrees to it. */
  function showQuestion() {
    const one = QUESTIONS[asking];
    if (asking && (!one.may(run) || (agreed && agreed !== run.retry.mark))) asking = null;
    if (!asking && ask.contains(document.activeElement)) said.focus();
    ask.hidden = !asking;
    for (const [name, place] of Object.entries(asks)) place.setAttribute("aria-expanded", String(asking === name));
    if (!asking) return;
    ask.setAttribute("aria-label", one.name);
    for (const [place, text] of [[words, one.words(run)], [sure, one.sure(run)], [keep, one.keep]]) say(place, text);
  }

  function show(now) {
    run = now;
    showQuestion();
    say(pause, run.resumes ? "Resume" : "Pause");
    allow(pause, !waiting() && (run.resumes || run.pauses));
    pause.title = run.resumes ? "Resume sending" : run.pauses ? PAUSES : "Everything has been sent";
    retry.title = RETRIES;
    allow(cancel, !waiting() && run.cancels);
    allow(retry, !waiting() && run.retry);
    const over = !(run.pauses || run.resumes || run.cancels);
    for (const [place, gone] of [[pause, over], [cancel, over], [retry, !run.retry], [node, over && !run.retry]]) {
      if (gone && place.contains(document.activeElement)) said.focus();
      place.hidden = gone;
    }
  }

  /** Take what came of an action of this panel, or of another view of it. */
  function settle(answer) {
    if (!answer.acted || asked > answer.acted) return;
    asked = answer.acted;
    clearTimeout(timer);
    tell(said, answer.said);
    say(error, answer.error);
  }

  const node = h("div", { class: "knb-run-tools" }, pause, retry, cancel);
  return { node, ask, said, error, show, settle, close: () => clearTimeout(timer) };
}

// ── the panel ───────────────────────────────────────────────────────────────────────────────────────────────────

/** Build the panel into `el` and keep it up to date; returns what frees it. */
function mount(el, model) {
  const read = (name, otherwise) => JSON.parse(model.get(name) || otherwise);
  const media = kernelMedia(model);
  const head = makeHead();
  const [facts, long] = [makeFacts, makeLong].map((make) => make(read("meanings", "{}")));
  const tools = makeTools(model);
  const tiles = makeTiles(media);
  const note = h("p", { class: "knb-run-note", hidden: true });
  const aloud = h("p", { class: "knb-run-aside", role: "status", "aria-live": "polite" });
  head.node.append(tools.node);
  const root = h("section", { class: "knb knb-run" }, head.node, tools.ask, ...facts.nodes, tools.said, tools.error, long.node, tiles.node, note, aloud);
  const announce = announcer(aloud);
  const showStanding = () => {
    const run = read("standing", "null");
    if (!run) return;
    root.setAttribute("aria-label", `Run ${run.name}`);
    for (const view of [head, facts, long, tools]) view.show(run);
    say(note, run.note);
    announce(run);
  };
  const showPaces = () => tiles.pace(read("paces", "{}"));
  const showTiles = () => (tiles.show(read("tiles", "[]")), showPaces());
  const settle = () => (tools.settle(read("answer", "{}")), showStanding());
  const listeners = { "change:standing": showStanding, "change:tiles": showTiles, "change:paces": showPaces, "change:answer": settle };
  for (const [event, act] of Object.entries(listeners)) model.on(event, act);
  const heard = keepKeys(root);
  el.append(root);
  [showStanding, showTiles, settle].forEach((act) => act());
  return () => {
    for (const [event, act] of Object.entries(listeners)) model.off(event, act);
    [tools, media].forEach((view) => view.close());
    heard();
    root.remove();
  };
}

/** Tell a screen reader the counts, sparingly: when the stage changes, and now and then. */
function announcer(node) {
  let last = { stage: "", at: 0 };
  return (run) => {
    if (run.stage === last.stage && Date.now() - last.at < SAY_EVERY_MS) return;
    last = { stage: run.stage, at: Date.now() };
    say(node, `${run.name} ${run.stage}: ${run.counts}`);
  };
}

export default { render: inPlace(["msg:custom", "change:standing", "change:tiles"], mount) };

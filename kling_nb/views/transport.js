/* What a person plays all clips with: buttons, one scrubber, keys, and two buttons on each clip. */

const two = (seconds) => seconds.toFixed(2);

const ICONS = {
  play: "M7 4.5v15l12.5-7.5z",
  pause: "M6.5 4.5h4v15h-4zM13.5 4.5h4v15h-4z",
  back: "M6 5h2.5v14h-2.5zM19 5v14l-9-7z",
  next: "M15.5 5h2.5v14h-2.5zM5 5v14l9-7z",
  loop: "M7 7h9.5V4l4.5 4.25-4.5 4.25V9.5H9.5v3.5H7zM17 17H7.5v3L3 15.75l4.5-4.25v3h7v-3.5H17z",
  muted: "M4 9.5h3.5L12 5.5v13l-4.5-4H4zM15 9.6l1.4-1.4 2.1 2.1 2.1-2.1L22 9.6l-2.1 2.1L22 13.8l-1.4 1.4-2.1-2.1-2.1 2.1-1.4-1.4 2.1-2.1z",
  sound: "M4 9.5h3.5L12 5.5v13l-4.5-4H4zM14.5 8.2a5 5 0 0 1 0 7.6v-2.6a2.4 2.4 0 0 0 0-2.4zM14.5 4.6a8.3 8.3 0 0 1 0 14.8v-2.2a6.3 6.3 0 0 0 0-10.4z",
  large: "M4 4h6v2H6v4H4zM14 4h6v6h-2V6h-4zM4 14h2v4h4v2H4zM18 14h2v6h-6v-2h4z",
};

function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

function button(name, label, act, extra = {}) {
  return h("button", { type: "button", "aria-label": label, title: label, onclick: act, ...extra }, icon(name));
}

/** A button on one of many clips, which is heard with the clip that it is of. */
function ofClip(clip, name, label, act, extra = {}) {
  return button(name, label, act, { ...extra, "aria-label": [label, clip.called].filter(Boolean).join(": ") });
}

/** Change a button's face, only when it changes: the screen reader and the pointer stay undisturbed. */
function face(node, name, label, pressed, spoken = label) {
  if (pressed !== undefined && node.ariaPressed !== String(pressed)) node.ariaPressed = String(pressed);
  if (node.dataset.face === name) return;
  node.dataset.face = name;
  node.setAttribute("aria-label", spoken);
  node.title = label;
  node.replaceChildren(icon(name));
}

/** The controls of all clips stand below them: `skip`, before them, takes whoever goes by Tab past what each clip has. */
function transport(player, clips, least) {
  const quiet = !clips.some((clip) => clip.tile.sound);
  const play = button("play", "Play (space)", player.toggle, { class: "knb-play" });
  const loop = button("loop", "Loop (l)", player.loop, { "aria-pressed": "true" });
  const mute = button("muted", "Sound (m)", player.mute, { disabled: quiet, hidden: quiet });
  const scrub = h("input", { type: "range", class: "knb-scrub", min: 0, step: "any", value: 0, "aria-label": "Time" });
  const clock = h("span", { class: "knb-clock" }); // an output would be read aloud at every frame
  const speed = h("select", { class: "knb-speed", "aria-label": "Speed", title: "Speed (+ and −)" });
  speed.append(...SPEEDS.map((rate) => h("option", { value: rate }, `${rate}×`)));
  scrub.addEventListener("input", () => player.seek(Number(scrub.value)));
  speed.addEventListener("change", () => player.speed(Number(speed.value)));
  const back = button("back", "One frame back (←)", () => player.step(-1));
  const next = button("next", "One frame forward (→)", () => player.step(1));
  player.watchTime((time, { duration, playing }) => {
    if (scrub.max !== String(duration)) scrub.max = duration;
    scrub.value = time;
    scrub.style.setProperty("--knb-at", `${(100 * time) / duration}%`);
    clock.textContent = `${two(time)} / ${two(duration)} s`;
    clock.title = `frame ${Math.floor(time * player.fps + 1e-6)} at ${player.fps} frames a second`;
    const said = `${playing ? Math.floor(time) : two(time)} of ${two(duration)} seconds`; // a screen reader says each change
    if (scrub.ariaValueText !== said) scrub.ariaValueText = said;
  });
  player.watch((state) => {
    speed.value = String(state.rate);
    face(play, state.playing ? "pause" : "play", state.playing ? "Pause (space)" : "Play (space)");
    face(loop, "loop", "Loop (l)", state.loop);
    face(mute, state.muted ? "muted" : "sound", state.muted ? "Sound (m)" : "Mute (m)");
  });
  const skip = h("button", { type: "button", class: "knb-skip", onclick: () => play.focus() }, "To the controls");
  const buttons = h("div", { class: "knb-buttons" }, back, play, next);
  const options = h("div", { class: "knb-options" }, least, clock, speed, loop, mute);
  const node = h("div", { class: "knb-transport", role: "group", "aria-label": "Playback of all clips" }, buttons, scrub, options);
  return { node, skip };
}

const NATIVE = { " ": "button, summary, select, a", Enter: "button, summary, select, a" };

function onKey(event, player) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("select")) return;
  if (NATIVE[event.key] && event.target.matches(NATIVE[event.key])) return;
  const jump = (by) => player.seek(player.time() + by);
  const acts = {
    " ": player.toggle, Home: () => player.seek(0), End: () => player.seek(player.state.duration),
    ArrowLeft: () => (event.shiftKey ? jump(-1) : player.step(-1)), ArrowRight: () => (event.shiftKey ? jump(1) : player.step(1)),
    ",": () => player.step(-1), ".": () => player.step(1), m: player.mute, l: player.loop,
    "+": () => player.faster(1), "=": () => player.faster(1), "-": () => player.faster(-1),
  };
  if (!acts[event.key]) return;
  acts[event.key]();
  taken(event);
}

/** Keep a key that did something here from the page and from JupyterLab. */
function taken(event) {
  event.preventDefault();
  event.stopPropagation();
}

/** The two buttons on a clip: its sound, and the whole screen. */
function addTools(clip, player) {
  if (clip.tile.sound) {
    const speaker = ofClip(clip, "muted", "Hear this clip", () => player.listen(clip.id), { class: "knb-speaker" });
    player.watch((state) => {
      const heard = !state.muted && state.audible === clip.id;
      face(speaker, heard ? "sound" : "muted", "Hear this clip", heard, speaker.ariaLabel);
    });
    clip.tools.append(speaker);
  }
  if (document.fullscreenEnabled) addWholeScreen(clip);
}

/** A button would take Space for itself: on the whole screen the clip has the focus, where Space plays, and gives it back. */
function addWholeScreen(clip) {
  const { media, video, tools } = clip;
  const turn = () => (document.fullscreenElement ? document.exitFullscreen() : media.requestFullscreen());
  const large = ofClip(clip, "large", "Full screen", turn);
  media.addEventListener("fullscreenchange", () => {
    if (document.fullscreenElement === media) video.focus();
    else if (document.activeElement === video) large.focus();
  });
  video.addEventListener("dblclick", turn);
  tools.append(large);
}

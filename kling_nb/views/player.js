/* The player: one clock, which every clip follows. */

const SPEEDS = [0.25, 0.5, 0.75, 1, 1.5, 2];
const CHECK_MS = 60; // how often a playing clip is compared with the clock

/** Return the master: its clock runs by itself, so that a stalled clip never holds the others. */
function makePlayer(clips) {
  const state = { playing: false, rate: 1, loop: true, muted: true, audible: null, duration: 0 };
  const fps = Math.max(1, ...clips.map((clip) => clip.fps));
  const [watchers, timers] = [[], []]; // of what is set, and of the time, which also moves by itself
  let base = 0;
  let since = 0;
  let frame = 0;
  let checked = 0;
  const length = () => (state.duration = Math.max(1 / fps, ...clips.map((clip) => clip.seconds)));
  const time = () => (state.playing ? base + ((performance.now() - since) / 1000) * state.rate : base);
  const sync = () => clips.forEach((clip) => follow(clip, time(), state, refused));
  const notify = () => watchers.forEach((watcher) => watcher(state));
  const notifyTime = () => timers.forEach((watcher) => watcher(clamp(time(), 0, length()), state));
  const set = (changes, at = time()) => {
    base = clamp(at, 0, length());
    since = performance.now();
    Object.assign(state, changes);
    sync();
    notify();
    notifyTime();
    if (state.playing && !frame) frame = requestAnimationFrame(tick);
  };
  function tick(now) {
    frame = 0;
    if (!state.playing) return;
    if (time() >= length()) set({ playing: state.loop }, state.loop ? 0 : length());
    if (now - checked > CHECK_MS) {
      checked = now;
      sync();
    }
    notifyTime();
    if (state.playing) frame ||= requestAnimationFrame(tick);
  }
  const refused = () => state.playing && player.pause(); // so that the button says what a press on it does
  const onFrame = (at) => Math.floor(at * fps + 1e-6) / fps;
  const hear = () => clips.forEach((clip) => (clip.video.muted = state.muted || clip.id !== state.audible));
  const player = {
    state, time, fps, sync: () => set({}),
    watch: (watcher) => watchers.push(watcher),
    watchTime: (watcher) => timers.push(watcher),
    play: () => set({ playing: true }, !state.loop && time() >= length() - 0.5 / fps ? 0 : time()),
    pause: () => set({ playing: false }, onFrame(time())),
    toggle: () => (state.playing ? player.pause() : player.play()),
    seek: (at) => set({}, at),
    step: (frames) => set({ playing: false }, onFrame(time()) + frames / fps),
    speed: (rate) => set({ rate }),
    faster: (by) => player.speed(SPEEDS[clamp(SPEEDS.indexOf(state.rate) + by, 0, SPEEDS.length - 1)]),
    loop: () => set({ loop: !state.loop }),
    listen: (id) => {
      const same = state.audible === id && !state.muted;
      Object.assign(state, { audible: id, muted: same });
      hear();
      notify();
    },
    mute: () => {
      const first = clips.find((clip) => clip.tile.sound && clip.visible) ?? clips.find((clip) => clip.tile.sound);
      if (first) player.listen(state.audible ?? first.id);
    },
    stop: () => {
      cancelAnimationFrame(frame);
      state.playing = false;
    },
  };
  length();
  return player;
}

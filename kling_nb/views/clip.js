/* One clip's video: loaded when it comes into sight, sought, and brought to the common clock. */

const JUMP_S = 0.15; // a drift above this is mended by a seek, below it by the playback rate
const JUMP_PAUSE_MS = 700; // a slow machine must not spend its time seeking
const KEPT = 32; // clips that stay loaded; browsers limit the number of decoders

/** Fetch a clip into its video, once; what goes wrong is told on the tile. */
async function load(clip, source) {
  if (clip.asked) return;
  clip.asked = true;
  try {
    const url = await source.clip(clip.id);
    if (!url) throw new Error("The clip is not there.");
    if (clip.asked) clip.video.src = url;
  } catch (error) {
    tell(clip, error.message);
  }
}

function unload(clip) {
  clip.asked = clip.ready = false;
  clip.media.classList.remove("knb-ready", "knb-waiting");
  clip.video.removeAttribute("src");
  clip.video.load();
  if (clip.whole) URL.revokeObjectURL(clip.whole);
  clip.whole = null;
}

function tell(clip, words) {
  clip.message.textContent = words;
  clip.media.classList.toggle("knb-told", Boolean(words));
}

async function showPoster(clip, source) {
  if (clip.poster.src) return;
  const url = await source.poster(clip.id).catch(() => null);
  if (url) clip.poster.src = url;
}

/** Wire the events of a video; `onReady` is called when its first frame is there. */
function prepare(clip, onReady) {
  const { video, media } = clip;
  const waiting = (on) => () => media.classList.toggle("knb-waiting", on);
  video.addEventListener("loadedmetadata", () => {
    if (Number.isFinite(video.duration)) clip.seconds = video.duration;
    if (!seekable(video)) fetchWhole(clip);
  });
  video.addEventListener("loadeddata", () => {
    clip.ready = true;
    media.classList.add("knb-ready");
    tell(clip, "");
    onReady(clip);
  });
  video.addEventListener("waiting", waiting(true));
  for (const name of ["playing", "seeked", "pause"]) video.addEventListener(name, waiting(false));
  video.addEventListener("seeked", () => seeked(clip));
  video.addEventListener("error", () => video.getAttribute("src") && tell(clip, "This browser cannot play the clip."));
}

function seekable(video) {
  return video.seekable.length > 0 && video.seekable.end(video.seekable.length - 1) > video.duration - 0.1;
}

/** A server without range requests (`python -m http.server`) cannot be sought in: take the whole file instead. */
async function fetchWhole(clip) {
  if (!clip.video.currentSrc.startsWith("http")) return;
  const blob = await (await fetch(clip.video.currentSrc)).blob();
  if (!clip.asked) return; // it was let go of meanwhile
  clip.ready = false;
  clip.video.src = clip.whole = URL.createObjectURL(blob);
}

/** Seek; while one seek is under way only the latest wish is kept, so that scrubbing stays quick. */
function seek(clip, time) {
  if (clip.video.seeking) {
    clip.wish = time;
    return;
  }
  clip.wish = null; // an older one must not come after this
  clip.sought = performance.now();
  clip.video.currentTime = time;
}

function seeked(clip) {
  clip.lag = clamp((performance.now() - clip.sought) / 1000 || 0.03, 0.01, 0.25);
  const wish = clip.wish;
  clip.wish = null;
  if (wish !== null && wish !== undefined) seek(clip, wish);
}

/** Bring one clip to the clock. A clip that is over holds its last frame; one that cannot follow is left alone. `refused`
 * is called where the browser plays nothing before a person has done something. */
function follow(clip, time, state, refused) {
  if (!clip.ready || !clip.visible) return;
  const { video } = clip;
  const last = Math.max(0, clip.seconds - 0.5 / clip.fps);
  const over = time >= last;
  clip.media.classList.toggle("knb-over", over && state.duration - clip.seconds > 0.1);
  if (!state.playing || over) {
    if (!video.paused) video.pause();
    const still = Math.min(time + 0.3 / clip.fps, last); // inside the frame, never on its edge
    if (Math.abs((clip.wish ?? video.currentTime) - still) > 0.2 / clip.fps) seek(clip, still);
    return;
  }
  if (video.seeking || (video.ended && last - time < 0.3)) return;
  if (video.paused) video.play().catch(({ name }) => name === "NotAllowedError" && refused());
  trim(clip, video.currentTime - time, state.rate);
}

/** Mend a drift: a large one by a seek that allows for its own latency, a small one by the rate. */
function trim(clip, drift, rate) {
  const now = performance.now();
  if (Math.abs(drift) > JUMP_S && now - clip.jumped > JUMP_PAUSE_MS) {
    clip.jumped = now;
    seek(clip, clamp(clip.video.currentTime - drift + clip.lag * rate, 0, clip.seconds));
    return;
  }
  const close = Math.abs(drift) < 0.25 / clip.fps;
  const wanted = rate * (close ? 1 : clamp(1 - 2.5 * drift, 0.85, 1.15));
  if (Math.abs(clip.video.playbackRate - wanted) > 0.004) clip.video.playbackRate = wanted;
}

/** Load what comes into sight, pause what leaves it, and let go of what was out of sight longest. */
function watch(clips, source, onSight) {
  const byMedia = new Map(clips.map((clip) => [clip.media, clip]));
  const seen = (entry) => {
    const clip = byMedia.get(entry.target);
    clip.visible = entry.isIntersecting;
    clip.left = performance.now();
    if (!clip.visible) return clip.video.pause();
    showPoster(clip, source);
    return load(clip, source);
  };
  const letGo = () => {
    const idle = clips.filter((clip) => clip.asked && !clip.visible).sort((a, b) => a.left - b.left);
    const loaded = clips.filter((clip) => clip.asked).length;
    idle.slice(0, Math.max(0, loaded - KEPT)).forEach(unload);
  };
  const observer = new IntersectionObserver((entries) => {
    entries.forEach(seen);
    letGo();
    onSight();
  }, { rootMargin: "150px", scrollMargin: "150px" });
  clips.forEach((clip) => observer.observe(clip.media));
  return () => observer.disconnect();
}

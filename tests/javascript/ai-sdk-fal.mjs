// @ai-sdk/fal against the simulator: node ai-sdk-fal.mjs SCENARIO; SIMULATOR, KEY and PICTURE are in the environment.
import { readFileSync } from "node:fs";
import { createFal } from "@ai-sdk/fal";

const HOST = "https://queue.fal.run";
const { SIMULATOR, KEY, PICTURE } = process.env;
const asked = [];

// The client writes its host into the first URL and sends its key only there, so the answers have to name it too.
async function fetchThere(url, options) {
  if (!url.startsWith(`${HOST}/`)) throw new Error(`unexpected address: ${url}`);
  asked.push(`${options.method} ${url.slice(HOST.length)}`);
  const answer = await fetch(SIMULATOR + url.slice(HOST.length), options);
  const text = (await answer.text()).replaceAll(SIMULATOR, HOST);
  return new Response(text, { status: answer.status, headers: answer.headers });
}

const told = ({ name, statusCode, responseBody }) => ({ name, statusCode, body: JSON.parse(responseBody) });

async function make(path, options, apiKey = KEY) {
  const model = createFal({ apiKey, fetch: fetchThere }).video(`kling-video/v2.5-turbo/pro/${path}`);
  const whole = { prompt: "a red fox", n: 1, providerOptions: { fal: { pollIntervalMs: 1 } }, ...options };
  const made = await model.doGenerate(whole).catch(told);
  return { ...made, asked };
}

const scenarios = {
  text: () => make("text-to-video", { aspectRatio: "9:16" }),
  image: () =>
    make("image-to-video", { image: { type: "file", mediaType: "image/png", data: readFileSync(PICTURE, "base64") } }),
  seconds: () => make("text-to-video", { duration: 5 }),
  broke: () => make("text-to-video", { prompt: "broke" }),
  key: () => make("text-to-video", {}, "a:b"),
};

console.log(JSON.stringify(await scenarios[process.argv[2]]()));

// openai against the simulator: node openai.mjs SCENARIO; SIMULATOR, KEY and PICTURE are in the environment.
import { readFileSync } from "node:fs";
import OpenAI, { toFile } from "openai";

const { SIMULATOR, KEY, PICTURE } = process.env;
const client = new OpenAI({ baseURL: `${SIMULATOR}/v1`, apiKey: KEY, maxRetries: 0 });
const { videos } = client;

const told = ({ constructor, status, message, error }) => ({ name: constructor.name, status, message, error });

async function ended(video) {
  while (!["completed", "failed"].includes(video.status)) video = await videos.retrieve(video.id);
  return video;
}

const scenarios = {
  async text() {
    const submitted = await videos.create({ model: "kling-v1-6", prompt: "a red fox", seconds: "10", size: "720x1280" });
    const done = await ended(submitted);
    const content = await videos.downloadContent(done.id);
    return { submitted, done, type: content.headers.get("content-type"), bytes: (await content.arrayBuffer()).byteLength };
  },
  async image() {
    const input_reference = await toFile(readFileSync(PICTURE), "fox.png", { type: "image/png" });
    const metadata = JSON.stringify({ negative_prompt: "fog", mode: "pro" });
    return videos.create({ model: "kling-v1-6", prompt: "a red fox", input_reference, metadata });
  },
  async nested() {
    return videos.create({ model: "kling-v1-6", prompt: "a red fox", metadata: { mode: "pro" } });
  },
  async failure() {
    const failed = await ended(await videos.create({ model: "kling-v1-6", prompt: "a red fox #sim:risk-control" }));
    return { failed, content: await videos.downloadContent(failed.id).catch(told) };
  },
  async refusals() {
    const stranger = client.withOptions({ apiKey: "sk-other" });
    return {
      key: await stranger.videos.retrieve("task_x").catch(told),
      model: await videos.create({ model: "sora-2", prompt: "a red fox" }).catch(told),
      task: await videos.retrieve("task_x").catch(told),
    };
  },
};

console.log(JSON.stringify(await scenarios[process.argv[2]]()));

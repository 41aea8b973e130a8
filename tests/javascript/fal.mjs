// @fal-ai/client against the simulator: node fal.mjs SCENARIO; SIMULATOR and KEY are in the environment.
import { createFalClient } from "@fal-ai/client";

const APP = "fal-ai/kling-video/v2.5-turbo/pro/text-to-video";
const HOST = "https://queue.fal.run";
const { SIMULATOR, KEY } = process.env;

// The client writes its host into every URL; its own hook for proxies is where another one is named.
const fal = createFalClient({
  credentials: KEY,
  requestMiddleware: async (request) => {
    if (!request.url.startsWith(`${HOST}/`)) throw new Error(`unexpected address: ${request.url}`);
    return { ...request, url: SIMULATOR + request.url.slice(HOST.length) };
  },
});

const told = ({ name, status, requestId, body, fieldErrors }) => ({ name, status, requestId, body, fieldErrors });

const scenarios = {
  async subscribe() {
    const seen = [];
    const onQueueUpdate = (update) => seen.push(update);
    const options = { input: { prompt: "a red fox" }, logs: true, pollInterval: 1, onQueueUpdate };
    return { ...(await fal.subscribe(APP, options)), seen };
  },
  async streams() {
    const seen = [];
    const onQueueUpdate = (update) => seen.push(update);
    const options = { input: { prompt: "a red fox" }, mode: "streaming", logs: true, onQueueUpdate };
    return { ...(await fal.subscribe(APP, options)), seen };
  },
  async handle() {
    const submitted = await fal.queue.submit(APP, { input: { prompt: "a red fox" } });
    const requestId = submitted.request_id;
    const before = await fal.queue.status(APP, { requestId });
    const early = await fal.queue.result(APP, { requestId }).catch(told);
    await fal.queue.cancel(APP, { requestId });
    const after = await fal.queue.status(APP, { requestId });
    const again = await fal.queue.cancel(APP, { requestId }).catch(told);
    return { submitted, before, early, after, again };
  },
  async invalid() {
    return fal.subscribe(APP, { input: { prompt: "a red fox", duration: 5 }, pollInterval: 1 }).catch(told);
  },
  async broke() {
    return fal.queue.submit(APP, { input: { prompt: "broke" } }).catch(told);
  },
};

console.log(JSON.stringify(await scenarios[process.argv[2]]()));

// kling-api against the simulator: node kling.mjs SCENARIO; SIMULATOR, KEY (ACCESS:SECRET) and PICTURE are in the
// environment.
import { KlingAPI } from "kling-api";

const { SIMULATOR, KEY, PICTURE } = process.env;
const [accessKey, secretKey] = KEY.split(":");
const kling = new KlingAPI({ accessKey, secretKey, baseUrl: SIMULATOR });
const polling = { interval: 1, showSpinner: false };

const told = ({ name, message, code, httpStatus, requestId }) => ({ name, message, code, httpStatus, requestId });

const scenarios = {
  async text() {
    const params = { prompt: "a red fox", model_name: "kling-v1-6", mode: "pro", duration: "10", cfg_scale: 0.7 };
    const submitted = await kling.textToVideo({ ...params, external_task_id: "fox-1" });
    const byOwnId = await kling.queryTextToVideoTask("fox-1");
    const result = await kling.waitForVideoResult(submitted.data.task_id, undefined, polling);
    return { submitted, byOwnId, result };
  },
  async image() {
    const submitted = await kling.imageToVideo({ prompt: "a red fox", image: PICTURE, model_name: "kling-v1-6" });
    const query = (id) => kling.queryImageToVideoTask(id);
    return { submitted, result: await kling.waitForVideoResult(submitted.data.task_id, query, polling) };
  },
  async failure() {
    const submitted = await kling.textToVideo({ prompt: "a red fox #sim:risk-control" });
    return kling.waitForVideoResult(submitted.data.task_id, undefined, polling).catch(told);
  },
  async refusals() {
    const camera = { camera_control: { type: "down_back" } };
    const stranger = new KlingAPI({ accessKey, secretKey: "other", baseUrl: SIMULATOR });
    return {
      camera: await kling.textToVideo({ ...camera, prompt: "a red fox", mode: "pro" }).catch(told),
      task: await kling.queryTextToVideoTask("0").catch(told),
      key: await stranger.textToVideo({ prompt: "a red fox" }).catch(told),
    };
  },
};

console.log(JSON.stringify(await scenarios[process.argv[2]]()));

// Puts N no-ops on a queue of BullMQ, and works them off in this process. Arguments: socket, N.
// $BULLMQ is the folder in which `npm install bullmq ioredis` was run.
import { createRequire } from "node:module";

const [socket, n] = [process.argv[2], Number(process.argv[3])];
const { Queue, Worker } = createRequire(process.env.BULLMQ + "/")("bullmq");
const connection = { path: socket, maxRetriesPerRequest: null };
const queue = new Queue("noop", { connection });
const jobs = [];
for (let id = 1; id <= n; id++) jobs.push({ name: "noop", data: { id } });
await queue.addBulk(jobs);

let done = 0;
await new Promise((resolve, reject) => {
  const worker = new Worker("noop", async (job) => job.data, { connection, concurrency: 500 });
  worker.on("failed", (_, error) => reject(error));
  worker.on("error", reject);
  worker.on("completed", async () => {
    done += 1;
    if (done < n) return;
    await worker.close();
    resolve();
  });
});
await queue.close();

// The benchmark's client in Node: http_node.mjs URL N C: N requests, C at once, by the package
// undici where it is installed, else by the fetch that Node has built in.
let get;
try {
  const { Agent, request } = await import("undici");
  const dispatcher = new Agent({ connections: Number(process.argv[4]) });
  get = async (url) => {
    const res = await request(url, { dispatcher });
    return [res.statusCode, await res.body.arrayBuffer()];
  };
} catch {
  get = async (url) => {
    const res = await fetch(url);
    return [res.status, await res.arrayBuffer()];
  };
}

const [url, total, tasks] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
let started = 0;

async function run() {
  while (started < total) {
    started++;
    const [status, body] = await get(url);
    if (status !== 200 || body.byteLength === 0) throw new Error(`status ${status}`);
  }
}

await Promise.all(Array.from({ length: tasks }, run));
process.exit();

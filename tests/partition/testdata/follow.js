// A program that knows only Sentinel: it increments a counter until its input ends, and prints how often that worked.
// Arguments: the sentinels' addresses.
const Redis = require("ioredis");

const sentinels = process.argv.slice(2).map((a) => ({ host: a.split(":")[0], port: Number(a.split(":")[1]) }));
const options = { sentinels, name: "main", sentinelRetryStrategy: () => 50, retryStrategy: () => 50, reconnectOnError: (e) => (/^READONLY/.test(e.message) ? 2 : false) };
const primary = new Redis({ ...options, failoverDetector: true });
const replica = new Redis({ ...options, role: "slave" });
for (const c of [primary, replica]) c.on("error", () => {}); // it connects again

let over = false;
process.stdin.on("end", () => (over = true)).resume();
(async () => {
  let done = 0, failed = 0;
  while (!over) {
    try {
      await primary.incr("counter");
      if (++done % 100 === 0) {
        await replica.get("counter");
        console.log(done);
      }
    } catch (e) {
      failed++;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  console.log("end", done, failed);
  process.exit(0);
})();

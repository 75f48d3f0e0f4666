/**
 * A clock in a thread of its own: says when the next get is due, as requests come
 * from outside, whatever the event loop is busy with.
 *
 * @module
 */
import { createRandom } from "./data.ts";
import { wallNow } from "./workload.ts";

/** The worker's end of the line. */
interface Port {
  postMessage(dueAt: number): void;
}

/** On average; the times between are random, so that nothing can be in step. */
const PERIOD_MS = 1;

const port = globalThis as unknown as Port;
const sleeper = new Int32Array(new SharedArrayBuffer(4));
const random = createRandom(13);
// Ends when the thread is terminated.
for (let due = wallNow();;) {
  due += 2 * PERIOD_MS * random() / 2 ** 32;
  const pause = due - wallNow();
  if (pause > 0) Atomics.wait(sleeper, 0, 0, pause);
  port.postMessage(wallNow());
}

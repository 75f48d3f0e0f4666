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
  onmessage: ((event: { data: Int32Array }) => void) | null;
  close(): void;
}

/** On average; the times between are random, so that nothing can be in step. */
const PERIOD_MS = 1;

const port = globalThis as unknown as Port;

/** Begins with the first message: a word that is 0 for as long as it shall go on. */
port.onmessage = ({ data: stop }) => {
  const random = createRandom(13);
  for (let due = wallNow(); Atomics.load(stop, 0) === 0;) {
    due += 2 * PERIOD_MS * random() / 2 ** 32;
    const pause = due - wallNow();
    if (pause > 0) Atomics.wait(stop, 0, 0, pause);
    port.postMessage(wallNow());
  }
  port.close();
};

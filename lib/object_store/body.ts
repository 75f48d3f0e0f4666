/**
 * Bodies of objects on their way into a store.
 *
 * @module
 */
import { concatBytes } from "../base/bytes.ts";
import { DbError, throwIfAborted } from "../base/errors.ts";

/**
 * The chunks of a stream. Leaving the iteration early, for whatever reason,
 * cancels the stream.
 *
 * @param stream The stream; taken over.
 * @param signal Ends the iteration with the signal's reason, also mid-chunk.
 * @returns The chunks, in order.
 */
export async function* chunksOf(
  stream: ReadableStream<Uint8Array>,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array, void, void> {
  if (stream.locked) {
    throw new DbError(
      "invalid",
      "Cannot read the body: the stream is locked by another reader",
    );
  }
  const reader = stream.getReader();
  // Whoever makes the stream may be slow to notice, or fail while noticing;
  // neither may hold up nor replace the reason for leaving.
  const cancel = (reason?: unknown) => void reader.cancel(reason).catch(noop);
  const onAbort = () => cancel(signal?.reason);
  signal?.addEventListener("abort", onAbort, { once: true });
  let isDone = false;
  try {
    for (;;) {
      throwIfAborted(signal);
      const { done, value } = await reader.read();
      throwIfAborted(signal);
      isDone = done;
      if (done) return;
      if (!(value instanceof Uint8Array)) {
        throw new DbError(
          "invalid",
          "Cannot read the body: the stream must yield Uint8Arrays",
        );
      }
      yield value;
    }
  } finally {
    signal?.removeEventListener("abort", onAbort);
    if (!isDone) cancel();
    reader.releaseLock();
  }
}

/**
 * Copies a whole body into memory.
 *
 * @param body Bytes or a stream; a stream is taken over.
 * @param signal Ends the copying with the signal's reason.
 * @returns Bytes nobody else has.
 */
export async function collectBody(
  body: Uint8Array | ReadableStream<Uint8Array>,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  if (body instanceof Uint8Array) return body.slice();
  const chunks: Uint8Array[] = [];
  // A source may reuse the chunk's buffer once it is asked for the next.
  for await (const chunk of chunksOf(body, signal)) chunks.push(chunk.slice());
  return concatBytes(chunks);
}

/**
 * Lets go of a body that will not be read.
 *
 * @param body Bytes or a stream.
 */
export function dropBody(body: Uint8Array | ReadableStream<Uint8Array>): void {
  if (body instanceof Uint8Array || body.locked) return;
  void body.cancel().catch(noop);
}

function noop(): void {}

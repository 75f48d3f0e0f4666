/**
 * Bytes from whoever makes them to a store that takes a stream.
 *
 * Owns: the rendezvous. Nothing is copied or queued: a piece belongs to the
 * store until it asks for the next one.
 *
 * @module
 */
import { DbError } from "../base/errors.ts";

/** One end is written to, the other is the body of a put. */
export class BytePipe {
  /** The body. */
  readonly stream: ReadableStream<Uint8Array>;
  /** A piece that waits, and whom to tell once the store is done with it. */
  #piece: Uint8Array | undefined;
  #taken: PromiseWithResolvers<void> | undefined;
  /** The store waits for the next piece. */
  #asked: PromiseWithResolvers<void> | undefined;
  #ended = false;
  #failure: { error: unknown } | undefined;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;

  /** Constructs a new {@linkcode BytePipe}. */
  constructor() {
    this.stream = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.#controller = controller;
      },
      pull: () => this.#pull(),
      cancel: (reason) => this.#cancelled(reason),
    }, { highWaterMark: 0 });
  }

  /**
   * Hands a piece over; the one before must have been taken.
   *
   * @param piece The bytes, which must stay as they are meanwhile.
   * @returns Resolves once the store is done with them.
   * @throws {DbError} Kind `"unavailable"` if the store takes no more.
   */
  write(piece: Uint8Array): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure.error);
    this.#piece = piece;
    const taken = this.#taken = Promise.withResolvers();
    // Whoever writes the next piece is told; there may be none.
    taken.promise.catch(() => {});
    this.#serve();
    return taken.promise;
  }

  /** Ends the body, behind the last piece. */
  end(): void {
    this.#ended = true;
    this.#serve();
  }

  /**
   * Breaks the body off, so that the store keeps nothing of it.
   *
   * @param error What the store is told.
   */
  fail(error: unknown): void {
    if (this.#ended || this.#failure !== undefined) return;
    this.#failure = { error };
    this.#controller!.error(error);
    this.#asked?.resolve();
    this.#taken?.reject(error);
  }

  #pull(): Promise<void> {
    // Asking for more says that the last piece is done with.
    if (this.#piece === undefined) {
      this.#taken?.resolve();
      this.#taken = undefined;
    }
    this.#asked = Promise.withResolvers();
    const { promise } = this.#asked;
    this.#serve();
    return promise;
  }

  #serve(): void {
    const asked = this.#asked;
    if (asked === undefined) return;
    if (this.#piece !== undefined) {
      this.#controller!.enqueue(this.#piece);
      this.#piece = undefined;
    } else if (this.#ended) this.#controller!.close();
    else return;
    this.#asked = undefined;
    asked.resolve();
  }

  #cancelled(reason: unknown): void {
    const error = reason ?? new DbError(
      "unavailable",
      "the store took only a part of the object",
    );
    this.#failure ??= { error };
    this.#asked?.resolve();
    this.#taken?.reject(error);
  }
}

/**
 * The collector's mark over numbered objects: numbers at or below it may be
 * gone, and must not be written again.
 *
 * A writer that slept could otherwise create a number that was collected long
 * ago, and believe itself up to date. So whoever creates a number reads the mark
 * afterwards, and whoever deletes numbers raises it before.
 *
 * @module
 */
import { toText } from "../base/bytes.ts";
import { DbError } from "../base/errors.ts";
import type { ObjectStore } from "../object_store/object_store.ts";

/** A mark is a number of at most this many characters. */
const MAX_BYTES = 64;

const ENCODER = new TextEncoder();

/** The mark of one kind of numbered object. */
export class Boundary {
  readonly #store: ObjectStore;
  readonly #name: string;

  /**
   * Constructs a new {@linkcode Boundary}.
   *
   * @param store Where it is.
   * @param name Its object's name.
   */
  constructor(store: ObjectStore, name: string) {
    this.#store = store;
    this.#name = name;
  }

  /**
   * Reads the mark.
   *
   * @param signal Ends the call.
   * @returns The mark; 0 where nothing was ever collected.
   * @throws {DbError} Kind `"data"` if the object is not a number.
   */
  async read(signal?: AbortSignal): Promise<number> {
    return (await this.#load(signal)).mark;
  }

  /**
   * Raises the mark to `id`; to be called before anything up to it is deleted.
   * A higher mark stays.
   *
   * @param id The largest number about to be deleted.
   * @param signal Ends the call.
   */
  async raise(id: number, signal?: AbortSignal): Promise<void> {
    for (;;) {
      const { mark, etag } = await this.#load(signal);
      if (mark >= id) return;
      const result = await this.#store.put(
        this.#name,
        ENCODER.encode(String(id)),
        {
          mode: etag === undefined ? "create" : { ifMatch: etag },
          ...(signal === undefined ? {} : { signal }),
        },
      );
      if (result.ok) return;
    }
  }

  async #load(
    signal: AbortSignal | undefined,
  ): Promise<{ mark: number; etag: string | undefined }> {
    const found = await this.#store.get(
      this.#name,
      signal === undefined ? {} : { signal },
    );
    if (found === undefined) return { mark: 0, etag: undefined };
    const text = found.bytes.length > MAX_BYTES
      ? ""
      : toText(found.bytes).trim();
    const mark = /^[0-9]+$/.test(text) ? Number(text) : NaN;
    if (!Number.isSafeInteger(mark)) {
      throw new DbError(
        "data",
        `"${this.#name}" must hold a decimal number, and does not`,
      );
    }
    return { mark, etag: found.meta.etag };
  }
}

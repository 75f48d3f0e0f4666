/**
 * Rows into the SSTs of a run.
 *
 * Owns: where one SST ends and the next begins, and storing one while the next
 * is under construction; never more than one waits to be stored.
 * Does not own: what an SST holds.
 *
 * An SST ends as soon as its blocks have the wanted size, but never between two
 * versions of one key: whoever looks a key up finds all of them in one SST.
 *
 * @module
 */
import { equalBytes } from "../base/bytes.ts";
import { DbError } from "../base/errors.ts";
import type { Ulid } from "../base/ids.ts";
import { ROW_HEADER_BYTES } from "../codec/abi.ts";
import type { Kernel } from "../codec/kernel.ts";
import type { SstHandle } from "../format/manifest.ts";
import type { RowSink } from "../sst/rewrite.ts";
import { BytePipe } from "../sst/byte_pipe.ts";
import type { ByteSink } from "../sst/sst_body.ts";
import type { SstEncoder } from "../sst/sst_encoder.ts";
import type { SstStore } from "../sst/sst_store.ts";

/** What an {@linkcode OutputWriter} works with. */
export interface OutputWriterOptions {
  /** Where the rows are. */
  readonly kernel: Kernel;
  /** Where SSTs are put. */
  readonly ssts: SstStore;
  /** Makes the encoder of the next SST; what is long goes to the sink. */
  readonly newEncoder: (sink: ByteSink | undefined) => SstEncoder;
  /** Whether SSTs are long enough to be stored while they are made. */
  readonly streams: boolean;
  /** Bytes at which an SST ends. */
  readonly maxSstBytes: number;
  /** SSTs that an earlier attempt has stored. */
  readonly written: readonly SstHandle[];
  /** Ends it with its reason. */
  readonly signal: AbortSignal;
  /** Told whenever another SST is stored. */
  readonly onOutput: (outputs: readonly SstHandle[]) => void;
}

/** The SST under construction. */
interface Output {
  readonly id: Ulid;
  readonly encoder: SstEncoder;
  readonly pipe: BytePipe | undefined;
  /** Where it is stored while it is made. */
  readonly putting: Promise<void> | undefined;
}

/** Writes the SSTs of a run, in order; dispose of it when done. */
export class OutputWriter implements RowSink, AsyncDisposable {
  readonly #options: OutputWriterOptions;
  readonly #kernel: Kernel;
  #outputs: readonly SstHandle[];
  #output: Output | undefined;
  /** The key with which the SST has reached its size; its versions still belong to it. */
  #lastKey: Uint8Array | undefined;
  /** The SST before, on its way. */
  #storing: Promise<void> = Promise.resolve();
  #rows = 0;
  #bytes = 0;

  /**
   * Constructs a new {@linkcode OutputWriter}.
   *
   * @param options What it works with.
   */
  constructor(options: OutputWriterOptions) {
    this.#options = options;
    this.#kernel = options.kernel;
    this.#outputs = options.written;
  }

  /** Rows written, but for those of an earlier attempt. */
  get rows(): number {
    return this.#rows;
  }

  /** Bytes stored, but for those of an earlier attempt. */
  get bytes(): number {
    return this.#bytes;
  }

  /** {@inheritDoc RowSink.add} */
  add(pointer: number, bytes: number): Promise<void> | undefined {
    const { encoder } = this.#output ??= this.#begin();
    if (
      this.#lastKey !== undefined ||
      encoder.bytes + bytes > this.#options.maxSstBytes
    ) return this.#addInParts(pointer, pointer + bytes);
    return encoder.add(pointer, bytes);
  }

  /**
   * Stores what is left.
   *
   * @returns All SSTs of the run, ascending.
   */
  async finish(): Promise<readonly SstHandle[]> {
    if (this.#output !== undefined) await this.#endSst();
    await this.#storing;
    return this.#outputs;
  }

  /** Frees what the kernel holds, once nothing is on its way any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    const output = this.#output;
    this.#output = undefined;
    if (output !== undefined) await this.#drop(output);
    await this.#storing.catch(() => {});
  }

  async #addInParts(start: number, end: number): Promise<void> {
    const { maxSstBytes } = this.#options;
    for (let at = start; at < end;) {
      if (this.#lastKey !== undefined) {
        const next = this.#endOfKey(at, end, this.#lastKey);
        await this.#output!.encoder.add(at, next - at);
        at = next;
        if (at === end) return;
        await this.#endSst();
      }
      const { encoder } = this.#output ??= this.#begin();
      const last = this.#lastWithin(at, end, maxSstBytes - encoder.bytes);
      const next = this.#next(last);
      await encoder.add(at, next - at);
      at = next;
      if (encoder.bytes >= maxSstBytes) this.#lastKey = this.#keyOf(last);
    }
  }

  /** The record with which the wanted size is reached; the last one where it is not. */
  #lastWithin(start: number, end: number, room: number): number {
    let last = start;
    for (let at = start; at < end && at - start < room; at = this.#next(at)) {
      last = at;
    }
    return last;
  }

  /** The first record that has another key. */
  #endOfKey(start: number, end: number, key: Uint8Array): number {
    let at = start;
    while (at < end && equalBytes(this.#keyOf(at), key)) at = this.#next(at);
    return at;
  }

  #next(record: number): number {
    return record + this.#kernel.u32[(record + 36) >> 2]!;
  }

  #keyOf(record: number): Uint8Array {
    const bytes = this.#kernel.u32[(record + 24) >> 2]!;
    return this.#kernel.slice(record + ROW_HEADER_BYTES, bytes);
  }

  #begin(): Output {
    const { ssts, newEncoder, streams, signal } = this.#options;
    const id = ssts.nextId();
    if (!streams) {
      const encoder = newEncoder(undefined);
      return { id, encoder, pipe: undefined, putting: undefined };
    }
    const pipe = new BytePipe();
    const encoder = newEncoder(pipe);
    const putting = ssts.putStream(id, pipe.stream, signal);
    // Whoever writes or waits is told why the store takes no more.
    putting.catch((error) => pipe.fail(error));
    return { id, encoder, pipe, putting };
  }

  async #endSst(): Promise<void> {
    await this.#storing;
    const output = this.#output!;
    this.#output = undefined;
    this.#lastKey = undefined;
    this.#storing = this.#store(output);
    // Whoever ends the next SST is told; there may be none.
    this.#storing.catch(() => {});
  }

  async #store(output: Output): Promise<void> {
    const { ssts, signal, onOutput } = this.#options;
    const { id, encoder, pipe, putting } = output;
    try {
      const encoded = await encoder.finish();
      signal.throwIfAborted();
      pipe?.end();
      await (putting ?? ssts.put(id, encoded, signal));
      const { info, formatVersion, rows, bytes } = encoded;
      this.#rows += rows;
      this.#bytes += bytes;
      this.#outputs = [
        ...this.#outputs,
        { id, viewId: id, info, formatVersion },
      ];
    } catch (error) {
      await this.#drop(output);
      throw error;
    }
    encoder.dispose();
    onOutput(this.#outputs);
  }

  /** Leaves nothing of an SST that will not be finished. */
  async #drop({ encoder, pipe, putting }: Output): Promise<void> {
    encoder.dispose();
    pipe?.fail(new DbError("unavailable", "the compaction was broken off"));
    await putting?.catch(() => {});
  }
}

/**
 * Directories that are gone when the test is over.
 *
 * @module
 */
import { mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A fresh directory; disposing of it removes everything in it. */
export class TempDir implements AsyncDisposable {
  /** Its absolute path, without links. */
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** Makes a directory below the system's own for such things. */
  static async create(): Promise<TempDir> {
    const path = await mkdtemp(join(tmpdir(), "shale-"));
    return new TempDir(await realpath(path));
  }

  /** A path below the directory. */
  at(...parts: readonly string[]): string {
    return join(this.path, ...parts);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}

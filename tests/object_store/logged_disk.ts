/** A disk that says what it was asked, and fails when told. */
import { DbError } from "../../lib/base/errors.ts";
import { MemoryVfs, type VfsOperation } from "../../lib/vfs/memory_vfs.ts";
import { VfsError } from "../../lib/vfs/vfs.ts";
import { assert, assertRejects } from "../support/assert.ts";
import { ManualClock } from "../support/manual_clock.ts";

/** A disk that logs its calls, and fails those that `fails` names. */
export class LoggedDisk {
  readonly log: string[] = [];
  fails: (operation: VfsOperation, path: string) => string | undefined = () =>
    undefined;
  readonly vfs: MemoryVfs;

  constructor(runtime = new ManualClock()) {
    this.vfs = new MemoryVfs({
      runtime,
      onCall: (operation, path) => {
        this.log.push(`${operation} ${path.replace(/[0-9a-f]{16}/, "#")}`);
        const code = this.fails(operation, path);
        if (code !== undefined) throw new VfsError(code, operation, path);
      },
    });
  }
}

/** The `DbError` a call rejects with. */
export async function failureOf(
  call: () => Promise<unknown>,
): Promise<DbError> {
  const error = await assertRejects(call);
  assert(error instanceof DbError, `a DbError, not ${error}`);
  return error as DbError;
}

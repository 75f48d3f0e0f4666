/**
 * Replaces a file if it is still the version the caller saw: certain under any
 * number of processes, however they pause or die.
 *
 * POSIX has no "rename over that file if it is still this one". A lock file
 * with a time limit is not certain: its holder may sleep past the limit and
 * rename afterwards. Here nothing depends on time but who has to start over.
 *
 * A version is an ETag, and an ETag never comes back (`file_version.ts`). The
 * right to replace version X is a ticket, `X.0.ticket`, `X.1.ticket`, …: a file
 * that names its holder's candidate, a second name of the new file. In order:
 *
 * 1. For every ticket of X there is, remove the candidate it names. Its holder
 *    can no longer rename it; or has already.
 * 2. Take the next ticket, exclusively, with a candidate of one's own.
 * 3. Is the file still X? If not, it has changed: over.
 * 4. Rename the candidate over the file. If it is gone, a later ticket was
 *    taken: start over.
 *
 * Only the last ticket's holder has a candidate left, so of all who found X in
 * step 3 one at most gets through step 4. Step 1 waits a little before it takes
 * a live holder's candidate away; that is politeness, not safety. Tickets of X
 * are removed only when the file is no longer X: then nobody passes step 3.
 *
 * @module
 */
import { toText } from "../base/bytes.ts";
import { throwIfAborted } from "../base/errors.ts";
import { type Runtime, sleep } from "../base/runtime.ts";
import { toDiskError } from "../vfs/disk_error.ts";
import { parentOf, posixCodeOf, type Vfs, VfsError } from "../vfs/vfs.ts";
import { etagAt } from "./file_version.ts";
import { discard, TICKET_SUFFIX } from "./temp_files.ts";

/** How long another's candidate is left alone. */
const PATIENCE_MS = 1000;
const POLL_MS = 2;
/** Two paths of at most 4096 bytes each. */
const MAX_TICKET_BYTES = 2 * 4096 + 1;
const ENCODER = new TextEncoder();

/** What {@linkcode replaceFile} needs. */
export interface ReplaceOptions {
  /** The disk. */
  readonly vfs: Vfs;
  /** Timers. */
  readonly runtime: Runtime;
  /**
   * Absolute path of the new file, which keeps this name too. Tickets are kept
   * in its directory, the same for all who replace the file.
   */
  readonly temp: string;
  /** Absolute path of the file to replace. */
  readonly path: string;
  /** The version it must still be. */
  readonly etag: string;
  /** Ends the waiting with the signal's reason. */
  readonly signal: AbortSignal | undefined;
}

/**
 * Replaces a file if its version is still the one given.
 *
 * @param options What by what.
 * @returns Whether it was; `false`: the version is another by now.
 */
export async function replaceFile(options: ReplaceOptions): Promise<boolean> {
  const { vfs, temp, path, etag } = options;
  for (let number = 0;; number++) {
    if (etagAt(vfs, path) !== etag) {
      removeTickets(options, number);
      return false;
    }
    const ticket = ticketPath(options, number);
    const candidate = `${temp}.${number}`;
    if (!takeTicket(options, ticket, candidate)) {
      await killHolder(options, ticket);
      continue;
    }
    // From here on all is synchronous: no pause but one forced from outside.
    try {
      if (etagAt(vfs, path) !== etag) {
        removeTickets(options, number + 1);
        return false;
      }
      if (renameUnlessGone(vfs, candidate, path)) {
        removeTickets(options, number + 1);
        return true;
      }
    } finally {
      discard(vfs, candidate);
    }
  }
}

/**
 * Removes a ticket whose file is no longer the version it was for.
 *
 * @param vfs The disk.
 * @param ticket Absolute path of the ticket.
 */
export function removeOldTicket(vfs: Vfs, ticket: string): void {
  const holder = readTicket(vfs, ticket);
  if (holder === undefined) return;
  const name = ticket.slice(ticket.lastIndexOf("/") + 1);
  const etag = name.slice(0, name.indexOf("."));
  if (etagAt(vfs, holder.path) !== etag) discard(vfs, ticket);
}

function takeTicket(
  options: ReplaceOptions,
  ticket: string,
  candidate: string,
): boolean {
  const { vfs, temp, path } = options;
  // The ticket is linked when it is written: nobody sees half of one.
  const draft = `${candidate}.draft`;
  const file = vfs.open(draft, "create");
  try {
    file.append(ENCODER.encode(`${candidate}\n${path}`));
    if (!vfs.link(temp, candidate)) {
      throw new VfsError("EEXIST", "link", candidate);
    }
    const isTaken = vfs.link(draft, ticket);
    if (!isTaken) discard(vfs, candidate);
    return isTaken;
  } finally {
    file.close();
    discard(vfs, draft);
  }
}

async function killHolder(
  options: ReplaceOptions,
  ticket: string,
): Promise<void> {
  const { vfs, runtime, path, etag, signal } = options;
  const holder = readTicket(vfs, ticket);
  if (holder === undefined) return;
  const start = runtime.monotonicMs();
  while (
    vfs.stat(holder.candidate) !== undefined &&
    runtime.monotonicMs() - start < PATIENCE_MS
  ) {
    if (etagAt(vfs, path) !== etag) return;
    throwIfAborted(signal);
    await sleep(runtime, POLL_MS, signal);
  }
  vfs.remove(holder.candidate);
}

function readTicket(
  vfs: Vfs,
  ticket: string,
): { candidate: string; path: string } | undefined {
  const bytes = new Uint8Array(MAX_TICKET_BYTES);
  let length = 0;
  try {
    const file = vfs.open(ticket, "read");
    try {
      length = file.readAt(bytes, 0);
    } finally {
      file.close();
    }
  } catch (error) {
    // Removed by the one who replaced the file.
    if (posixCodeOf(error) === "ENOENT") return undefined;
    throw error;
  }
  // After a power loss a ticket may be empty; its holder is gone as well.
  const [candidate, path] = toText(bytes.subarray(0, length)).split("\n");
  return candidate === undefined || path === undefined
    ? undefined
    : { candidate, path };
}

function removeTickets(options: ReplaceOptions, count: number): void {
  for (let number = 0; number < count; number++) {
    discard(options.vfs, ticketPath(options, number));
  }
}

function ticketPath(options: ReplaceOptions, number: number): string {
  return `${parentOf(options.temp)}/${options.etag}.${number}${TICKET_SUFFIX}`;
}

function renameUnlessGone(vfs: Vfs, from: string, to: string): boolean {
  try {
    vfs.rename(from, to);
    return true;
  } catch (error) {
    if (posixCodeOf(error) === "ENOENT" && vfs.stat(from) === undefined) {
      return false;
    }
    throw toDiskError(error, `replace ${to}`, "unknown");
  }
}

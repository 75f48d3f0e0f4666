/**
 * Collects SSTs of L0 and of sorted runs that nothing refers to.
 *
 * Only this database's own folder is looked at: SSTs of other databases, which a
 * clone refers to, are theirs to delete.
 *
 * @module
 */
import { type Ulid, ulidFromBits, ulidTimeMs } from "../base/ids.ts";
import { parseSstId, sstPrefix } from "../format/paths.ts";
import { liveSsts, sstCutoff } from "./live_set.ts";
import type { GcTask } from "./options.ts";
import type { Pass } from "./pass.ts";
import type { Candidate } from "./verdict.ts";

const ULID_RANDOM_BITS = 80n;
/** Characters of a ULID that are its time. */
const ULID_TIME_CHARACTERS = 10;

/**
 * Finds SSTs that nothing refers to and nobody can be about to name.
 *
 * @param pass The pass.
 * @param task How old they must be.
 * @returns The SSTs, oldest first.
 */
export async function collectSsts(
  pass: Pass,
  task: GcTask,
): Promise<Candidate[]> {
  const { store, root, picture, signal, wantsAll } = pass;
  const live = liveSsts(await pass.live());
  const { latest, compactions, nowMs } = picture;
  const cutoff = sstCutoff(latest, compactions, nowMs, task.minAgeMs);
  const limit = firstUlidAt(cutoff.ms);
  const isByAge = cutoff.ms === Math.floor(nowMs - task.minAgeMs);
  const candidates: Candidate[] = [];
  const options = signal === undefined ? {} : { signal };
  for await (const { name, size } of store.list(sstPrefix(root), options)) {
    const id = parseSstId(root, name);
    if (id === undefined) continue;
    const isOld = id < limit;
    const reason = live.get(id) ?? (isOld ? undefined : cutoff.reason);
    if (reason === undefined) {
      const reason = "nothing refers to it";
      candidates.push({ name, bytes: size, reason });
      continue;
    }
    if (isByAge && !isOld) {
      pass.ripens(ulidTimeMs(id) + task.minAgeMs + 1);
    }
    // Names are in the order of time: all that follow are young, too.
    if (!isOld && !wantsAll) break;
    const verdict = { resource: "compacted", fate: "kept", reason } as const;
    pass.note({ ...verdict, name, bytes: size });
  }
  return candidates;
}

/** What every ULID of an earlier time is less than, and no other. */
function firstUlidAt(ms: number): Ulid {
  const bits = BigInt(Math.max(0, ms)) << ULID_RANDOM_BITS;
  return ulidFromBits(bits).slice(0, ULID_TIME_CHARACTERS);
}

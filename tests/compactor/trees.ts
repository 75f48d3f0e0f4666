/**
 * Trees as text, for cases of the scheduler.
 *
 * ```text
 * tree                          or: tree seg/
 *   l0    d:1 c:1 b:1 a:1       view:bytes, newest first
 *   runs  4:2+2 3:2             id:bytes of each SST, newest first
 * jobs
 *   running l0 b a -> 5         or: running seg/ runs 3 2 -> 2
 * ```
 *
 * @module
 */
import { toBytes, toText } from "../../lib/base/bytes.ts";
import type { Ulid } from "../../lib/base/ids.ts";
import type {
  Compaction,
  CompactionSpec,
  CompactionStatus,
} from "../../lib/format/compactions.ts";
import {
  initialManifest,
  type Manifest,
  type Segment,
  type SstHandle,
  type Tree,
} from "../../lib/format/manifest.ts";
import type { CompactorView } from "../../lib/compactor/scheduler.ts";

/** The smallest there is: a checksum. */
const INDEX_BYTES = 4;

/** An SST of so many bytes, which exists nowhere. */
export function handleOf(viewId: Ulid, bytes: number): SstHandle {
  return {
    id: viewId,
    viewId,
    formatVersion: 2,
    info: {
      firstEntry: toBytes("a"),
      lastEntry: toBytes("z"),
      indexOffset: bytes - INDEX_BYTES,
      indexBytes: INDEX_BYTES,
      filterOffset: bytes - INDEX_BYTES,
      filterBytes: 0,
      statsOffset: 0,
      statsBytes: 0,
      compression: "none",
      sstType: "compacted",
      filterFormat: "legacy",
    },
  };
}

/** Reads a drawn state. */
export function parseView(lines: readonly string[]): CompactorView {
  const trees: { segment: string; tree: Tree }[] = [];
  const compactions: Compaction[] = [];
  let inJobs = false;
  for (const line of lines) {
    const [word = "", ...rest] = line.trim().split(/\s+/);
    const last = trees.at(-1);
    if (!line.startsWith(" ")) {
      inJobs = word === "jobs";
      if (word === "tree") {
        trees.push({ segment: rest[0] ?? "", tree: { l0: [], runs: [] } });
      } else if (!inJobs) throw new Error(`what is "${line}"?`);
    } else if (inJobs) {
      compactions.push({
        id: `job${compactions.length}`,
        status: word as CompactionStatus,
        spec: parseSpec(rest),
        outputs: [],
      });
    } else if (word === "l0") {
      last!.tree = {
        ...last!.tree,
        l0: rest.map((sst) => {
          const [id, bytes] = sst.split(":");
          return handleOf(id!, Number(bytes));
        }),
      };
    } else if (word === "runs") {
      last!.tree = { ...last!.tree, runs: rest.map(parseRun) };
    } else throw new Error(`what is "${line}"?`);
  }
  return { manifest: manifestOf(trees), compactions };
}

/** Reads `[segment] (l0 …)? (runs …)? -> destination`; `drain` for a destination. */
export function parseSpec(words: readonly string[]): CompactionSpec {
  const segment = ["l0", "runs"].includes(words[0]!) ? "" : words[0]!;
  const arrow = words.indexOf("->");
  const part = (name: string) => {
    const from = words.indexOf(name);
    if (from < 0) return [];
    const end = words.findIndex((word, i) =>
      i > from && ["runs", "->"].includes(word)
    );
    return words.slice(from + 1, end);
  };
  const inputs = {
    segment: toBytes(segment),
    l0ViewIds: part("l0"),
    runIds: part("runs").map(Number),
  };
  const destination = words[arrow + 1]!;
  return destination === "drain"
    ? { kind: "drain", ...inputs }
    : { kind: "tiered", ...inputs, destination: Number(destination) };
}

/** The inverse of {@linkcode parseSpec}. */
export function showSpec(spec: CompactionSpec): string {
  return [
    ...(spec.segment.length > 0 ? [toText(spec.segment)] : []),
    ...(spec.l0ViewIds.length > 0 ? ["l0", ...spec.l0ViewIds] : []),
    ...(spec.runIds.length > 0 ? ["runs", ...spec.runIds] : []),
    "->",
    spec.kind === "drain" ? "drain" : spec.destination,
  ].join(" ");
}

function parseRun(text: string) {
  const [id, sizes = ""] = text.split(":");
  const ssts = sizes.split("+").filter((size) => size !== "").map((size, i) =>
    handleOf(`r${id}s${i}`, Number(size))
  );
  return { id: Number(id), ssts };
}

function manifestOf(
  trees: readonly { segment: string; tree: Tree }[],
): Manifest {
  const initial = initialManifest();
  const root = trees.find(({ segment }) => segment === "");
  const segments = trees.filter(({ segment }) => segment !== "").map((
    { segment, tree },
  ): Segment => ({ ...tree, prefix: toBytes(segment) }));
  return { ...initial, tree: root?.tree ?? initial.tree, segments };
}

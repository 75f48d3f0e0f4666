/**
 * What the flusher counts, under SlateDB's names.
 *
 * @module
 */
import type { Counter, Recorder } from "../base/metrics.ts";
import type { LsmView } from "../lsm/lsm_view.ts";
import type { Manifest } from "../format/manifest.ts";
import { handlesOf } from "../manifest/tree_edit.ts";
import type { L0Full } from "./l0_room.ts";

/** The flusher's metrics. */
export interface FlusherMetrics {
  /** Waits for a flush. */
  readonly requests: Counter;
  /** Memtables that were frozen and found. */
  readonly freezes: Counter;
  /** Memtables uploaded. */
  readonly uploads: Counter;
  /** Bytes uploaded. */
  readonly bytes: Counter;
  /** Memtables committed to the manifest. */
  readonly commits: Counter;
  /** Looks at the manifest. */
  readonly refreshes: Counter;
  /** Times that L0 became full, by the limit that was reached. */
  readonly stalls: Readonly<Record<L0Full, Counter>>;
  /** Shows the shape of a manifest. */
  show(manifest: Manifest): void;
  /** Shows the memory of the memtables. */
  showMemory(view: LsmView): void;
}

/**
 * Registers the metrics.
 *
 * @param recorder Where.
 * @returns The metrics.
 */
export function registerFlusherMetrics(recorder: Recorder): FlusherMetrics {
  const stall = (type: L0Full) =>
    recorder.counter(
      "slatedb.db.l0_stall_count",
      "Times that L0 became full",
      { type },
    );
  return {
    requests: recorder.counter(
      "slatedb.memtable_flush.flush_request_count",
      "Requests to flush the memtables",
    ),
    freezes: recorder.counter(
      "slatedb.memtable_flush.memtable_freeze_count",
      "Memtables frozen",
    ),
    uploads: recorder.counter(
      "slatedb.memtable_flush.l0_upload_count",
      "Memtables uploaded",
    ),
    bytes: recorder.counter(
      "slatedb.db.l0_flush_bytes",
      "Bytes of uploaded memtables",
    ),
    commits: registerCommits(recorder),
    refreshes: recorder.counter(
      "slatedb.memtable_flush.manifest_refresh_count",
      "Looks at the manifest",
    ),
    stalls: {
      num_ssts: stall("num_ssts"),
      num_ssts_per_key: stall("num_ssts_per_key"),
    },
    show: registerShape(recorder),
    showMemory: registerMemory(recorder),
  };
}

/** SlateDB counts them under two names. */
function registerCommits(recorder: Recorder): Counter {
  const names = [
    "slatedb.db.immutable_memtable_flushes",
    "slatedb.memtable_flush.l0_flush_count",
  ];
  const counters = names.map((name) =>
    recorder.counter(name, "Memtables committed to the manifest")
  );
  return { add: (amount) => counters.forEach((each) => each.add(amount)) };
}

function registerMemory(recorder: Recorder): (view: LsmView) => void {
  const memory = recorder.gauge(
    "slatedb.db.total_mem_size_bytes",
    "Memory of the memtables",
  );
  return ({ active, frozen }) => {
    let bytes = active.arenaBytes;
    for (const { memtable } of frozen) bytes += memtable.arenaBytes;
    memory.set(bytes);
  };
}

function registerShape(recorder: Recorder): (manifest: Manifest) => void {
  const gauge = (name: string, description: string) =>
    recorder.gauge(`slatedb.db.${name}`, description);
  const l0 = gauge("l0_sst_count", "SSTs in L0");
  const largestL0 = gauge(
    "segment_max_l0_sst_count",
    "SSTs in the L0 of the tree that has most",
  );
  const runs = gauge("sorted_run_count", "Sorted runs");
  const views = gauge("sst_view_count", "References to SSTs");
  const ssts = gauge("sst_count", "SSTs");
  const externalDbs = gauge("external_db_count", "Databases shared with");
  return (manifest) => {
    const trees = [manifest.tree, ...manifest.segments];
    const handles = [...handlesOf(manifest)];
    l0.set(trees.reduce((sum, tree) => sum + tree.l0.length, 0));
    largestL0.set(Math.max(...trees.map((tree) => tree.l0.length)));
    runs.set(trees.reduce((sum, tree) => sum + tree.runs.length, 0));
    views.set(handles.length);
    ssts.set(new Set(handles.map(({ id }) => id)).size);
    externalDbs.set(manifest.externalDbs.length);
  };
}

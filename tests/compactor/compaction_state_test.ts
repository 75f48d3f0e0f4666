import type { DbError } from "../../lib/base/errors.ts";
import type { Compaction, Compactions } from "../../lib/format/compactions.ts";
import { initialCompactions } from "../../lib/format/compactions.ts";
import { initialManifest } from "../../lib/format/manifest.ts";
import {
  beat,
  claim,
  handOver,
  ownedBy,
  release,
} from "../../lib/compactor/claims.ts";
import {
  addCompaction,
  findCompaction,
  reclaimStale,
  recover,
  setStatus,
  trim,
  withStatus,
} from "../../lib/compactor/compaction_state.ts";
import { RunIds } from "../../lib/compactor/run_ids.ts";
import {
  assert,
  assertEquals,
  assertStrictEquals,
  assertThrows,
} from "../support/assert.ts";
import { test } from "../support/test.ts";
import { handleOf, parseSpec, parseView } from "./trees.ts";

const WORKER = { id: "w", lastHeartbeatMs: 1000 };
const CONTEXT = {
  subcompactions: [{ range: {}, outputs: [handleOf("out", 1)] }],
  retentionMinSeq: 7n,
};

function job(
  id: string,
  status: Compaction["status"],
  more: Partial<Compaction> = {},
): Compaction {
  const spec = parseSpec(
    `runs ${id.charCodeAt(0)} -> ${id.charCodeAt(0)}`.split(" "),
  );
  return { id, status, spec, outputs: [], ...more };
}

function stateWith(
  version: 1 | 2,
  ...compactions: Compaction[]
): Compactions {
  return { ...initialCompactions(version), compactions };
}

const statuses = ({ compactions }: Compactions) =>
  compactions.map(({ id, status }) => `${id} ${status}`);

test("withStatus() lets a status follow only where it may", () => {
  const order = [
    "submitted",
    "scheduled",
    "running",
    "compacted",
    "completed",
    "failed",
  ] as const;
  const allowed: string[] = [];
  for (const from of order) {
    for (const to of order) {
      try {
        withStatus(job("a", from), to);
        if (from !== to) allowed.push(`${from} ${to}`);
      } catch (error) {
        assertEquals((error as DbError).kind, "internal");
      }
    }
  }
  assertEquals(allowed, [
    "submitted scheduled",
    "submitted running",
    "submitted completed",
    "submitted failed",
    "scheduled submitted",
    "scheduled running",
    "scheduled completed",
    "scheduled failed",
    "running submitted",
    "running scheduled",
    "running compacted",
    "running completed",
    "running failed",
    "compacted submitted",
    "compacted completed",
    "compacted failed",
  ]);
});

test("withStatus() keeps what a status carries and drops the rest", () => {
  const running = job("a", "running", { worker: WORKER, context: CONTEXT });
  const scheduled = withStatus(running, "scheduled");
  assertEquals([scheduled.worker, scheduled.context], [undefined, CONTEXT]);
  const outputs = [handleOf("out", 1)];
  const compacted = withStatus(running, "compacted", { outputs });
  assertEquals(compacted.worker, WORKER);
  assertEquals([compacted.context, compacted.outputs], [undefined, outputs]);
  const completed = withStatus(compacted, "completed");
  assertEquals([completed.worker, completed.outputs], [undefined, outputs]);
  const failed = withStatus(running, "failed");
  assertEquals(Object.keys(failed), ["id", "spec", "status", "outputs"]);
});

test("setStatus() leaves alone what is gone or finished", () => {
  const state = stateWith(1, job("a", "completed"), job("b", "running"));
  assertStrictEquals(setStatus(state, "a", "failed"), state);
  assertStrictEquals(setStatus(state, "z", "failed"), state);
  assertEquals(statuses(setStatus(state, "b", "failed")), [
    "a completed",
    "b failed",
  ]);
  assertStrictEquals(addCompaction(state, job("b", "submitted")), state);
  assertEquals(findCompaction(state, "z"), undefined);
});

test("trim() keeps active compactions and the newest finished one", () => {
  const state = stateWith(
    1,
    job("a", "failed"),
    job("b", "submitted"),
    job("d", "completed"),
    job("c", "completed"),
    job("e", "running"),
  );
  const trimmed = trim(state);
  assertEquals(statuses(trimmed), ["b submitted", "d completed", "e running"]);
  assertStrictEquals(trim(trimmed), trimmed);
});

test("recover() starts over what a lone compactor left running", () => {
  const { manifest } = parseView(["tree", "  runs 4:1"]);
  const state = stateWith(
    1,
    job("a", "running"),
    job("b", "submitted", { spec: l0Only() }),
    job("c", "completed"),
    job("d", "failed"),
  );
  const recovered = recover(state, 1, manifest);
  assertEquals(statuses(recovered), [
    "a submitted",
    "b submitted",
    "d failed",
  ]);
  const spec = recovered.compactions[1]!.spec;
  assertEquals(spec.kind === "tiered" && spec.destination, 98);
  assertStrictEquals(recover(recovered, 1, manifest), recovered);
});

test("recover() brings what 0.15 left into the form of older files", () => {
  const found = stateWith(
    2,
    job("a", "running", { worker: WORKER, context: CONTEXT }),
    job("b", "compacted", { worker: WORKER, outputs: [handleOf("o", 1)] }),
    job("c", "scheduled", { context: CONTEXT }),
    job("d", "running", { spec: parseSpec("seg/ runs 9 -> 9".split(" ")) }),
    job("e", "submitted", {
      spec: parseSpec("seg/ runs 9 -> drain".split(" ")),
    }),
    job("f", "completed", { outputs: [handleOf("o", 1)] }),
  );
  const recovered = recover(found, 1, initialManifest());
  assertEquals(recovered.version, 1);
  assertEquals(statuses(recovered), [
    "a submitted",
    "b submitted",
    "c submitted",
    "f completed",
  ]);
  for (const { worker, context, status, outputs } of recovered.compactions) {
    assertEquals([worker, context], [undefined, undefined]);
    if (status === "submitted") assertEquals(outputs, []);
  }
});

test("recover() leaves workers what they run", () => {
  const found = stateWith(
    2,
    job("a", "running", { worker: WORKER, context: CONTEXT }),
    job("b", "scheduled", { context: CONTEXT }),
    job("c", "compacted", { worker: WORKER, outputs: [handleOf("o", 1)] }),
    job("d", "running"),
  );
  const recovered = recover(found, 2, initialManifest());
  assertEquals(statuses(recovered), [
    "a running",
    "b submitted",
    "c compacted",
    "d submitted",
  ]);
  assertStrictEquals(recovered.compactions[0], found.compactions[0]);
});

test("reclaimStale() takes claims back after the time, and not before", () => {
  const state = stateWith(
    2,
    job("a", "running", { worker: WORKER, context: CONTEXT }),
    job("b", "running", { worker: { id: "own", lastHeartbeatMs: 0 } }),
    job("c", "compacted", { worker: WORKER }),
  );
  const isOwn = (id: string) => id === "own";
  assertStrictEquals(reclaimStale(state, 31_000, 30_000, isOwn), state);
  const reclaimed = reclaimStale(state, 31_001, 30_000, isOwn);
  assertEquals(statuses(reclaimed), [
    "a scheduled",
    "b running",
    "c compacted",
  ]);
  assertEquals(reclaimed.compactions[0]!.context, CONTEXT);
});

test("claim() takes what is scheduled, as far as there is room", () => {
  const state = stateWith(
    2,
    job("a", "submitted"),
    job("b", "scheduled", { context: CONTEXT }),
    job("c", "scheduled"),
    job("d", "running", { worker: { id: "other", lastHeartbeatMs: 1 } }),
    job("e", "scheduled"),
  );
  const claimed = claim(state, WORKER, 1, (id) => id === "b");
  assertEquals(ownedBy(claimed, "w").map(({ id }) => id), ["c"]);
  const all = claim(state, WORKER, 9, () => false);
  assertEquals(ownedBy(all, "w").map(({ id }) => id), ["b", "c", "e"]);
  assertEquals(findCompaction(all, "b")!.context, CONTEXT);
  assertStrictEquals(claim(state, WORKER, 0, () => false), state);
});

test("beat(), release() and handOver() change what the worker owns alone", () => {
  const state = stateWith(
    2,
    job("a", "running", { worker: WORKER }),
    job("b", "running", { worker: { id: "other", lastHeartbeatMs: 5 } }),
    job("c", "running", { worker: WORKER }),
  );
  const later = { id: "w", lastHeartbeatMs: 2000 };
  const beaten = beat(state, later, (id) => id === "a" ? CONTEXT : undefined);
  assertEquals(
    beaten.compactions.map(({ worker }) => worker!.lastHeartbeatMs),
    [
      2000,
      5,
      2000,
    ],
  );
  assertEquals(beaten.compactions[0]!.context, CONTEXT);
  assertEquals(statuses(release(beaten, "w", () => undefined)), [
    "a scheduled",
    "b running",
    "c scheduled",
  ]);
  const only = release(beaten, "w", () => undefined, new Set(["c"]));
  assertEquals(statuses(only), ["a running", "b running", "c scheduled"]);
  const outputs = [handleOf("o", 1)];
  const handed = handOver(state, "a", later, outputs);
  assertEquals(statuses(handed)[0], "a compacted");
  assertEquals(findCompaction(handed, "a")!.outputs, outputs);
  assertStrictEquals(handOver(state, "b", later, outputs), state);
  assertStrictEquals(handOver(handed, "a", later, outputs), handed);
});

test("RunIds.resolve() gives an id once, above everything", () => {
  const { manifest } = parseView(["tree", "  runs 4:1"]);
  const ids = new RunIds();
  const state = stateWith(
    1,
    job("a", "submitted", { spec: l0Only() }),
    job("b", "running"),
    job("c", "submitted", { spec: l0Only() }),
    job("d", "failed", { spec: l0Only() }),
  );
  const destinations = (state: Compactions) =>
    state.compactions.map(({ spec }) =>
      spec.kind === "tiered" ? spec.destination : undefined
    );
  const resolved = ids.resolve(state, manifest);
  assertEquals(destinations(resolved), [99, 98, 100, undefined]);
  assertEquals(destinations(ids.resolve(state, manifest)), [
    99,
    98,
    100,
    undefined,
  ]);
  assertStrictEquals(ids.resolve(resolved, manifest), resolved);
  ids.forget("a");
  assertEquals(destinations(ids.resolve(state, manifest))[0], 101);
});

/** A compaction of L0 as files of version 1 have it. */
function l0Only(): Compaction["spec"] {
  const spec = parseSpec("l0 b a -> 0".split(" "));
  assert(spec.kind === "tiered");
  return { ...spec, destination: undefined } as Compaction["spec"];
}

test("withStatus() is strict about what it is given", () => {
  assertThrows(() => withStatus(job("a", "completed"), "running"));
});

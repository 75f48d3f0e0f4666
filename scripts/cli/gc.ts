/**
 * `gc`
 *
 * @module
 */
import process from "node:process";
import { parseDuration } from "../../lib/base/duration.ts";
import { messageOf, toDbError } from "../../lib/base/errors.ts";
import { sleep, systemRuntime } from "../../lib/base/runtime.ts";
import {
  Admin,
  DbError,
  type GarbageCollectorSettings,
  type GcReport,
  type GcVerdict,
} from "../../mod.ts";
import { formatBytes, formatCount } from "../display.ts";
import type { Arguments, Command } from "./command.ts";
import { withPlace } from "./database.ts";
import { LineWriter, type Terminal } from "./terminal.ts";

const KINDS = ["manifest", "wal", "wal_fence", "compacted", "compactions"];

/** Deletes files that nothing needs. */
export const gc: Command = {
  name: "gc",
  summary: "Deletes the files that nothing needs, once, and says why.",
  words: "",
  arity: [0, 0],
  flags: {
    "dry-run": { help: "delete nothing; show every file, and why it stays" },
    all: { help: "show the files that stay, too" },
    "min-age": { value: "TIME", help: "files younger than this stay (300s)" },
    every: { value: "TIME", help: "go on, with this pause, until interrupted" },
    only: { value: "LIST", help: `by comma: ${KINDS.join(", ")}` },
    fences: { help: "delete WAL fences, too: no writer may be asleep" },
    "no-marks": { help: "for stores without conditional puts" },
  },
  details: `
Safe beside writers, readers, compactors and other collectors, as long as
--min-age exceeds what their clocks differ by, and how long one of them may be
asleep. Expired checkpoints are removed first. A file that cannot be deleted is
left to the next time.`,
  run,
};

async function run(given: Arguments, terminal: Terminal): Promise<void> {
  const settings = settingsOf(given);
  await withPlace(given, async ({ store, path }) => {
    const admin = Admin.open(path, { store });
    const every = given.text("every");
    const pass = () => collect(admin, settings, given, terminal);
    if (every === undefined) return await pass();
    await repeat(pass, parseDuration(every, "--every"), terminal);
  });
}

/** One pass; fails where something was left undone. */
async function collect(
  admin: Admin,
  settings: GarbageCollectorSettings,
  given: Arguments,
  terminal: Terminal,
): Promise<void> {
  const dryRun = given.has("dry-run");
  const report = await admin.runGc({ settings, dryRun });
  await show(given, terminal, report);
  const [first] = report.failures;
  if (first === undefined) return;
  const { kind, message } = toDbError(first.error);
  throw new DbError(
    kind === "internal" ? "unavailable" : kind,
    `${report.failures.length} failures, the first with ${first.resource}: ${message}`,
  );
}

/** Goes on until the process is told to end; what fails is told, and tried again. */
async function repeat(
  pass: () => Promise<void>,
  pauseMs: number,
  terminal: Terminal,
): Promise<void> {
  const ended = new AbortController();
  const end = () => ended.abort();
  process.once("SIGINT", end).once("SIGTERM", end);
  while (!ended.signal.aborted) {
    await pass().catch((error) => terminal.note(messageOf(error)));
    await sleep(systemRuntime, pauseMs, ended.signal).catch(() => {});
  }
  process.off("SIGINT", end).off("SIGTERM", end);
}

function settingsOf(given: Arguments): GarbageCollectorSettings {
  const minAge = given.text("min-age");
  const only = given.text("only")?.split(",") ?? KINDS;
  const unknown = only.find((kind) => !KINDS.includes(kind));
  if (unknown !== undefined) {
    throw new DbError(
      "invalid",
      `--only takes ${KINDS.join(", ")}, not ${unknown}`,
    );
  }
  const task = minAge === undefined ? {} : { min_age: minAge };
  const tasks = KINDS.map((kind) => [
    `${kind}_options`,
    !only.includes(kind)
      ? null
      : kind === "wal_fence"
      ? { ...task, dry_run: !given.has("fences") }
      : task,
  ]);
  return {
    ...Object.fromEntries(tasks),
    boundary_files_enabled: !given.has("no-marks"),
  };
}

async function show(
  given: Arguments,
  terminal: Terminal,
  report: GcReport,
): Promise<void> {
  const { dryRun, verdicts, deleted, bytes } = report;
  const lines = new LineWriter(terminal);
  const isShown = ({ fate }: GcVerdict) =>
    fate !== "kept" || dryRun || given.has("all");
  for (const verdict of verdicts.filter(isShown)) {
    const line = given.has("json")
      ? JSON.stringify(verdict)
      : `${verdict.fate.padEnd(12)} ${verdict.name}  ${verdict.reason}`;
    await lines.line(line);
  }
  await lines.flush();
  const files = Object.values(deleted).reduce((sum, count) => sum + count, 0);
  const kept = verdicts.filter(({ fate }) => fate === "kept").length;
  terminal.note(
    `${dryRun ? "would delete" : "deleted"} ${formatCount(files)}, ${
      formatBytes(bytes)
    }; ${formatCount(kept)} kept`,
  );
}

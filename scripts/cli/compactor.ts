/**
 * `compactor`
 *
 * @module
 */
import process from "node:process";
import {
  type CompactorProcessOptions,
  startCompactionWorker,
  startCompactor,
} from "../../lib/admin/compactor_process.ts";
import type { Logger } from "../../lib/base/log.ts";
import { checkSegments } from "../../lib/db/segments.ts";
import { DbError, type Manifest } from "../../mod.ts";
import { type Arguments, type Command, COMPONENT_FLAGS } from "./command.ts";
import {
  compactorOptionsOf,
  type Place,
  segmentExtractorOf,
  withPlace,
} from "./database.ts";
import { readManifest } from "./objects.ts";
import type { Terminal } from "./terminal.ts";

const EXCLUSIVE = [
  ["worker", "no-worker", "once", "full"],
  ["no-worker", "threads"],
  ["once", "full"],
];

/** Compacts a database in this process. */
export const compactor: Command = {
  name: "compactor",
  summary: "Compacts a database, until it is interrupted.",
  words: "",
  arity: [0, 0],
  flags: {
    ...COMPONENT_FLAGS,
    once: { help: "end when there is nothing more worth compacting" },
    full: { help: "make one run of L0 and all runs, then end" },
    worker: { help: "only run what a compactor elsewhere has scheduled" },
    "no-worker": { help: "only schedule and commit; workers do the rest" },
    threads: { value: "N", help: "compact in so many threads (this one)" },
    module: {
      value: "URL",
      help: "module that gives threads operator, transformer and filter",
    },
    settings: { value: "JSON", help: "settings, with SlateDB's names" },
  },
  details: `
One compactor serves a database: it fences an older one, also that of a writer,
which then goes on without; open the writer with compactor "off". With
--no-worker any number of --worker processes share the work, on any machines that
reach the store; files then are of --target 0.15. Operator, transformer and
filters must be the writer's; segments are compacted one by one whether or not
--segment says what they are. What is done is told on standard error; with --json
--once and --full print the shape of the tree at their end.`,
  run,
};

async function run(given: Arguments, terminal: Terminal): Promise<void> {
  checkFlags(given);
  await withPlace(given, async (place) => {
    const { store, path } = place;
    const extractor = segmentExtractorOf(given);
    if (extractor !== undefined) {
      checkSegments(await readManifest(place, undefined), extractor);
    }
    const threads = given.count("threads");
    if (threads === 0) {
      throw new DbError("invalid", "--threads must be at least 1, not 0");
    }
    const module = given.text("module");
    const options: CompactorProcessOptions = {
      ...compactorOptionsOf(given, store),
      logger: loggerOf(terminal),
      ...(threads === undefined
        ? {}
        : { compactor: "worker", compactorThreads: threads }),
      ...(module === undefined ? {} : { compactorModule: module }),
    };
    if (given.has("worker")) return await work(path, options, terminal);
    await compact(place, options, given, terminal);
  });
}

/** What excludes each other. */
function checkFlags(given: Arguments): void {
  const isGiven = (name: string) =>
    given.has(name) || given.text(name) !== undefined;
  for (const [one, ...others] of EXCLUSIVE) {
    const other = others.find(isGiven);
    if (!isGiven(one!) || other === undefined) continue;
    throw new DbError("invalid", `--${one} and --${other} exclude each other`);
  }
}

async function compact(
  place: Place,
  options: CompactorProcessOptions,
  given: Arguments,
  terminal: Terminal,
): Promise<void> {
  const compactor_options = options.settings?.compactor_options ?? {};
  await using running = await startCompactor(
    place.path,
    !given.has("no-worker") ? options : {
      ...options,
      settings: {
        ...options.settings,
        compactor_options: { ...compactor_options, worker: null },
      },
    },
  );
  if (!given.has("once") && !given.has("full")) {
    return await untilInterrupted(running.ended, terminal);
  }
  const full = given.has("full");
  await Promise.race([running.compactNow({ full }), running.ended]);
  if (!given.has("json")) return;
  const shape = shapeOf(await readManifest(place, undefined));
  await terminal.write(`${JSON.stringify(shape)}\n`);
}

/** How many tables there are, in all trees together. */
function shapeOf({ id, tree, segments }: Manifest) {
  const trees = [tree, ...segments];
  const runs = trees.flatMap((tree) => tree.runs);
  return {
    manifest_id: id,
    l0: trees.reduce((sum, tree) => sum + tree.l0.length, 0),
    runs: runs.length,
    run_ssts: runs.reduce((sum, run) => sum + run.ssts.length, 0),
  };
}

async function work(
  path: string,
  options: CompactorProcessOptions,
  terminal: Terminal,
): Promise<void> {
  await using running = await startCompactionWorker(path, options);
  terminal.note(`worker ${running.id} waits for compactions`);
  await untilInterrupted(running.ended, terminal);
}

/** Waits until the process is told to end, or there is nothing to wait for. */
async function untilInterrupted(
  ended: Promise<void>,
  terminal: Terminal,
): Promise<void> {
  const interrupted = Promise.withResolvers<void>();
  const end = () => {
    terminal.note("ending");
    interrupted.resolve();
  };
  process.once("SIGINT", end).once("SIGTERM", end);
  try {
    await Promise.race([ended, interrupted.promise]);
  } catch (error) {
    if (!(error instanceof DbError) || error.reason !== "fenced") throw error;
    terminal.note(`another compactor took over: ${error.message}`);
  } finally {
    process.off("SIGINT", end).off("SIGTERM", end);
  }
}

function loggerOf(terminal: Terminal): Logger {
  const note = (message: string) => terminal.note(message);
  return { debug: () => {}, info: note, warn: note, error: note };
}

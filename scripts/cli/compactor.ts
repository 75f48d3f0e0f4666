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
import { DbError } from "../../mod.ts";
import { type Arguments, type Command, COMPONENT_FLAGS } from "./command.ts";
import { compactorOptionsOf, withPlace } from "./database.ts";
import type { Terminal } from "./terminal.ts";

const { segment: _, ...COMPONENTS } = COMPONENT_FLAGS;

/** Compacts a database in this process. */
export const compactor: Command = {
  name: "compactor",
  summary: "Compacts a database, until it is interrupted.",
  words: "",
  arity: [0, 0],
  flags: {
    ...COMPONENTS,
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
filters must be the writer's.`,
  run,
};

async function run(given: Arguments, terminal: Terminal): Promise<void> {
  await withPlace(given, async ({ store, path }) => {
    const threads = given.count("threads");
    const module = given.text("module");
    const options: CompactorProcessOptions = {
      ...compactorOptionsOf(given, store),
      logger: loggerOf(terminal),
      ...(threads === undefined ? {} : { compactor: "worker", threads }),
      ...(module === undefined ? {} : { compactorModule: module }),
    };
    if (given.has("worker")) return await work(path, options, terminal);
    await compact(path, options, given, terminal);
  });
}

async function compact(
  path: string,
  options: CompactorProcessOptions,
  given: Arguments,
  terminal: Terminal,
): Promise<void> {
  const worker = given.has("no-worker") ? { worker: null } : {};
  const settings = options.settings?.compactor_options ?? {};
  await using running = await startCompactor(path, {
    ...options,
    settings: {
      ...options.settings,
      compactor_options: { ...settings, ...worker },
    },
  });
  if (!given.has("once") && !given.has("full")) {
    return await untilInterrupted(running.ended, terminal);
  }
  const full = given.has("full");
  await Promise.race([running.compactNow({ full }), running.ended]);
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

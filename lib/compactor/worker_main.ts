/**
 * A thread that runs parts of compactions: the entry point of the worker.
 *
 * It opens the store by its URL, with a kernel of its own, and knows nothing of
 * the database but what each part says. Errors go back as plain data.
 *
 * @module
 */
import { DbError, toPlainError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import { systemRuntime } from "../base/runtime.ts";
import { Kernel } from "../codec/kernel.ts";
import { RetryingStore } from "../object_store/retrying_store.ts";
import { openStore } from "../object_store/store_url.ts";
import { fromPlainPolicies } from "../sst/plain_filter_policy.ts";
import { type PartTools, runPart } from "./part.ts";
import type {
  CompactionModule,
  FromWorker,
  ToWorker,
  WorkerSetup,
} from "./worker_messages.ts";

/** The worker's end of the line. */
interface Port {
  postMessage(message: FromWorker): void;
  onmessage: ((event: { data: ToWorker }) => void) | null;
}

const port = globalThis as unknown as Port;
const ALIVE_MS = 5000;

const running = new Map<number, AbortController>();
let tools: Promise<PartTools> | undefined;

port.onmessage = ({ data }) => {
  if (data.kind === "setup") setUp(data.setup);
  else if (data.kind === "run") run(data.part, data.request);
  else running.get(data.part)?.abort(new DbError("closed", "broken off"));
};

function setUp(setup: WorkerSetup): void {
  tools = openTools(setup);
  tools.then(
    () => port.postMessage({ kind: "ready" }),
    (error) => port.postMessage({ kind: "unfit", error: toPlainError(error) }),
  );
}

async function openTools(setup: WorkerSetup): Promise<PartTools> {
  const { storeUrl, root, encoding, filterPolicies, limits, module } = setup;
  const runtime = systemRuntime;
  const user: CompactionModule = module === undefined
    ? {}
    : await import(module);
  return {
    kernel: await Kernel.create(),
    runtime,
    logger: LOGGER,
    store: new RetryingStore(await openStore(storeUrl, { runtime }), {
      runtime,
      logger: LOGGER,
    }),
    root,
    encoding,
    limits,
    filterPolicies: filterPolicies &&
      fromPlainPolicies(filterPolicies, user.filterPolicies ?? []),
    transformer: user.blockTransformer,
    mergeOperator: user.mergeOperator,
    compactionFilter: user.compactionFilter,
  };
}

async function run(
  part: number,
  request: Parameters<typeof runPart>[0],
): Promise<void> {
  const abort = new AbortController();
  running.set(part, abort);
  let cancel = () => {};
  const sayAlive = () => {
    port.postMessage({ kind: "alive" });
    cancel = systemRuntime.after(ALIVE_MS, sayAlive);
  };
  sayAlive();
  try {
    const result = await runPart(request, await tools!, {
      signal: abort.signal,
      onProgress: (progress) =>
        port.postMessage({ kind: "progress", part, progress }),
    });
    port.postMessage({ kind: "done", part, result });
  } catch (error) {
    port.postMessage({ kind: "failed", part, error: toPlainError(error) });
  } finally {
    cancel();
    running.delete(part);
  }
}

const LOGGER: Logger = {
  debug: (message) =>
    port.postMessage({ kind: "log", level: "debug", message }),
  info: (message) => port.postMessage({ kind: "log", level: "info", message }),
  warn: (message) => port.postMessage({ kind: "log", level: "warn", message }),
  error: (message) =>
    port.postMessage({ kind: "log", level: "error", message }),
};

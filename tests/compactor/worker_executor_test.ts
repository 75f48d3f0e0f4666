import { FileStore } from "../../mod.ts";
import type { DbError } from "../../lib/base/errors.ts";
import { silentLogger } from "../../lib/base/log.ts";
import { systemRuntime } from "../../lib/base/runtime.ts";
import { InlineExecutor } from "../../lib/compactor/inline_executor.ts";
import { WorkerExecutor } from "../../lib/compactor/worker_executor.ts";
import { openStore } from "../../lib/object_store/store_url.ts";
import { storeUrl } from "../../lib/object_store/object_store.ts";
import { ManualRuntime } from "../../lib/testing/manual_runtime.ts";
import { showAll } from "../iter/rows.ts";
import { createWorld, plainRows, type World } from "../sst/world.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { TempDir } from "../support/temp_dir.ts";
import { test } from "../support/test.ts";
import {
  compactorOf,
  contentOf,
  fill,
  manifestOf,
  shapeOf,
} from "./compactors.ts";
import { hooks, readOutputs, requestOf, toolsOf } from "./parts.ts";

const OPERATORS = new URL("operators.ts", import.meta.url);

async function withWorld(
  body: (world: World, executor: TestExecutor) => Promise<void>,
  options: { how?: string; module?: string; runtime?: ManualRuntime } = {},
): Promise<void> {
  await using directory = await TempDir.create();
  const store = new FileStore(directory.path);
  const world = createWorld({ store });
  const executor = executorOf(world, options);
  try {
    await body(world, executor);
  } finally {
    await executor.close();
    await store.close();
  }
}

type TestExecutor = WorkerExecutor & { messages: string[] };

function executorOf(
  world: World,
  { how, module, runtime }: {
    how?: string;
    module?: string;
    runtime?: ManualRuntime;
  },
): TestExecutor {
  const messages: string[] = [];
  const tools = toolsOf(world);
  const { root, encoding, limits } = tools;
  const executor = new WorkerExecutor({
    setup: {
      storeUrl: storeUrl(world.store)!,
      root,
      encoding,
      limits,
      module: how ?? module,
    },
    threads: 2,
    runtime: runtime ?? systemRuntime,
    logger: { ...silentLogger, warn: (message) => messages.push(message) },
    fallback: () => new InlineExecutor(tools),
    ...(how === undefined
      ? {}
      : { url: new URL("broken_worker.ts", import.meta.url) }),
  });
  return Object.assign(executor, { messages });
}

test("WorkerExecutor runs parts in threads, several at once", () =>
  withWorld(async (world, executor) => {
    const all = plainRows(600);
    const request = await requestOf(world, [
      all.filter((_, i) => i % 2 === 0),
      all.filter((_, i) => i % 2 === 1),
    ]);
    const middle = all[300]!.key;
    const seen: number[] = [];
    const onProgress = ({ outputs }: { outputs: readonly unknown[] }) =>
      void seen.push(outputs.length);
    const parts = await Promise.all([
      executor.runPart({
        ...request,
        range: { upper: { key: middle, inclusive: false } },
      }, hooks({ onProgress })),
      executor.runPart({
        ...request,
        range: { lower: { key: middle, inclusive: true } },
      }, hooks()),
    ]);
    assertEquals(executor.parallelism, 2);
    assertEquals(executor.messages, []);
    const outputs = parts.flatMap((part) => part.outputs);
    assert(outputs.length > 4);
    assert(seen.length >= 2, `${seen}`);
    const rows = (await readOutputs(world, outputs)).flat();
    assertEquals(showAll(rows), showAll(all));
  }));

test("WorkerExecutor brings errors over, with their kind", () =>
  withWorld(async (world, executor) => {
    const request = await requestOf(world, [plainRows(10)]);
    await world.store.delete(`db/compacted/${request.l0[0]!.id}.sst`);
    const error = await assertRejects(() =>
      executor.runPart(request, hooks())
    ) as DbError;
    assertEquals(error.kind, "data");
    assert(error.message.includes(request.l0[0]!.id));
  }));

test("WorkerExecutor breaks a part off", () =>
  withWorld(async (world, executor) => {
    const request = await requestOf(world, [plainRows(3000)]);
    const stop = new AbortController();
    const error = await assertRejects(() =>
      executor.runPart(
        request,
        hooks({
          signal: stop.signal,
          onProgress: () => stop.abort(new Error("enough")),
        }),
      )
    ) as Error;
    assertEquals(error.message, "enough");
    const { outputs } = await executor.runPart(request, hooks());
    assert(outputs.length > 10);
  }));

for (const how of ["throws at once", "is unfit"]) {
  test(`WorkerExecutor falls back where no thread can work (${how})`, () =>
    withWorld(async (world, executor) => {
      const request = await requestOf(world, [plainRows(50)]);
      const { outputs } = await executor.runPart(request, hooks());
      const rows = (await readOutputs(world, outputs)).flat();
      assertEquals(rows.length, 50);
      assertEquals(executor.messages.length, 1);
      assert(executor.messages[0]!.startsWith("compactions run in the event"));
      assertEquals(executor.parallelism, 1);
    }, { how }));
}

test("WorkerExecutor falls back where the user's module is missing", () =>
  withWorld(async (world, executor) => {
    const request = await requestOf(world, [plainRows(50)]);
    await executor.runPart(request, hooks());
    assertEquals(executor.messages.length, 1);
  }, { module: new URL("no_such_module.ts", import.meta.url).href }));

test("WorkerExecutor tells when a thread dies at work", () =>
  withWorld(async (world, executor) => {
    const request = await requestOf(world, [plainRows(50)]);
    const error = await assertRejects(() =>
      executor.runPart(request, hooks())
    ) as DbError;
    assertEquals([error.kind, error.retryable], ["unavailable", true]);
    assert(error.message.includes("died"), error.message);
  }, { how: "throws at work" }));

test("WorkerExecutor gives a thread up that is silent for a minute", () => {
  const runtime = new ManualRuntime();
  return withWorld(async (world, executor) => {
    const request = await requestOf(world, [plainRows(50)]);
    const part = executor.runPart(request, hooks());
    part.catch(() => {});
    // The thread is ready in its own time.
    while (runtime.timers === 0) await systemRuntime.yield();
    const error = await assertRejects(() => silence(runtime, part)) as DbError;
    assertEquals(error.kind, "unavailable");
    assert(error.message.includes("silent"), error.message);
  }, { how: "is silent", runtime });
});

test("WorkerExecutor falls back where a thread has not started after a minute", () => {
  const runtime = new ManualRuntime();
  return withWorld(async (world, executor) => {
    const request = await requestOf(world, [plainRows(50)]);
    const { outputs } = await silence(
      runtime,
      executor.runPart(request, hooks()),
    );
    assertEquals((await readOutputs(world, outputs)).flat().length, 50);
    assert(executor.messages[0]!.includes("silent"), executor.messages[0]);
  }, { how: "never starts", runtime });
});

test("WorkerExecutor breaks a part off whose thread has not started", () =>
  withWorld(async (world, executor) => {
    const request = await requestOf(world, [plainRows(50)]);
    const stop = new AbortController();
    const { signal } = stop;
    const part = executor.runPart(request, hooks({ signal }));
    stop.abort(new Error("enough"));
    const error = await assertRejects(() => part) as Error;
    assertEquals(error.message, "enough");
    await executor.close();
    const late = await assertRejects(() => executor.runPart(request, hooks()));
    assertEquals((late as DbError).kind, "closed");
  }, { how: "never starts" }));

/** Lets minutes pass until the part ends; the thread starts in real time. */
async function silence<Result>(
  runtime: ManualRuntime,
  part: Promise<Result>,
): Promise<Result> {
  let ended = false;
  const end = () => void (ended = true);
  part.then(end, end);
  while (!ended) {
    await runtime.advance(10_000);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return await part;
}

test("Compactor compacts in threads, with the user's code from a module", async () => {
  await using directory = await TempDir.create();
  const store = new FileStore(directory.path);
  await fill(store, 6);
  const before = await contentOf(store);
  const options = { execution: "worker", module: OPERATORS } as const;
  await using made = compactorOf(store, options);
  await made.compactor.compactNow();
  assertEquals(shapeOf(await manifestOf(store)), "l0 0, runs 0:1");
  assertEquals(await contentOf(store), before);
  await made.compactor.stop();
  await store.close();
});

test("Compactor says why it does not use threads", async () => {
  const reasons: string[] = [];
  const logger = {
    ...silentLogger,
    warn: (message: string) => void reasons.push(message),
  };
  const memory = await openStore("memory:");
  compactorOf(memory, { execution: "worker", logger, module: OPERATORS });
  await using directory = await TempDir.create();
  const store = new FileStore(directory.path);
  compactorOf(store, { execution: "worker", logger });
  await store.close();
  assertEquals(reasons.length, 2);
  assert(reasons[0]!.includes("no URL"), reasons[0]!);
  assert(reasons[1]!.includes("merge operator"), reasons[1]!);
});

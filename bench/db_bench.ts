/**
 * Shale beside its peers, in one run: `deno task bench` and `deno task bench:bun`.
 *
 * Each engine runs each repetition in a process of its own and in fresh folders,
 * the engines taking turns, so that no engine has the quiet minute of a noisy
 * machine to itself. What is soon done is repeated before what takes long is begun.
 * Shown are medians over the repetitions, and how many times slower than Shale
 * each peer is.
 *
 * @module
 */
import { rmSync, writeFileSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { ENGINE_NAMES, type EngineName } from "./engine.ts";
import { runProcess } from "./process.ts";
import { type Figure, renderTable, renderTree, summarize } from "./table.ts";
import {
  CALL_WORKLOADS,
  type Measurement,
  TREE_WORKLOADS,
  type Workload,
  WORKLOADS,
} from "./workload.ts";

/** What took longer than this is not repeated. */
const REPEAT_LIMIT_MS = 6000;
/** What may take an engine so long; what stands together cannot be told apart. */
const LONG: readonly (readonly Workload[])[] = [
  ["bulk-load-row", "reopen"],
  ...TREE_WORKLOADS.map((workload) => [workload]),
];

/** One repetition of what is soon done, or of what takes long. */
interface Pass {
  readonly part: "short" | "long";
  readonly run: number;
}

const HELP = `Measures Shale beside its peers; prints medians.

  deno task bench [options]        under Deno
  deno task bench:bun [options]    under Bun

  --only LIST      workloads, by comma: ${CALL_WORKLOADS.slice(0, 5).join(" ")}
                   ${CALL_WORKLOADS.slice(5).join(" ")}
                   ${TREE_WORKLOADS.join(" ")}
  --engines LIST   engines, by comma: ${ENGINE_NAMES.join(" ")}
  --rows N         rows of the read workloads (100000); the write workloads do
                   2 N, compactions 8 N, the bulk load 10 N, the ingest 20 N
  --runs N         repetitions, each in its own process (3); what takes an
                   engine longer than ${
  REPEAT_LIMIT_MS / 1000
} s is not repeated
  --cap MS         longest time of one timed part (1000); a slow engine does
                   fewer calls, and of the bulk load what it can in 20 times as
                   long; compactions and the ingest are always whole
  --limit S        no repetition is begun that would end after so many seconds
                   (280)
  --dir PATH       where the databases are made (the system's temporary folder)
  --json FILE      writes the figures as JSON too
`;

const options = parse();
const names = options.engines;
const results = new Map<EngineName, Measurement[]>(
  names.map((name) => [name, []]),
);
const durability = new Map<EngineName, string>();

const start = performance.now();
const lastMs = new Map<Pass["part"], number>();
for (const { part, run } of passes(options.runs)) {
  const before = performance.now();
  const expectedMs = (lastMs.get(part) ?? 0) - savedMs(part, run);
  if (run > 1 && before - start + expectedMs > options.limitMs) {
    note(`no run ${run} of what is ${part}: it would end after --limit`);
    continue;
  }
  for (const name of names) await measure(name, part, run);
  lastMs.set(part, performance.now() - before);
}

const figures: Figure[] = summarize(results, durability);
const runtime = "Deno" in globalThis
  ? `Deno ${process.versions["deno"]}`
  : `Bun ${process.versions["bun"]}`;
const machine = `${
  cpus()[0]?.model.trim() ?? "unknown"
}, ${cpus().length} cores`;
console.log(`${runtime}, ${machine}, ${process.platform} ${process.arch}`);
console.log(
  `${options.rows} rows of 16 + 100 bytes, median µs of up to ${options.runs} runs`,
);
for (const table of [renderTable(figures, names), renderTree(figures, names)]) {
  if (table !== "") console.log(`\n${table}`);
}
if (options.json !== undefined) {
  const dated = figures.map((figure) => ({ ...figure, runtime, machine }));
  writeFileSync(options.json, JSON.stringify(dated, undefined, 1) + "\n");
}

/** The repetitions, in their order. */
function passes(runs: number): Pass[] {
  const all = (part: Pass["part"]) =>
    Array.from({ length: runs }, (_, n) => ({ part, run: n + 1 }));
  const [first, second, ...others] = all("short");
  const [long, ...longOthers] = all("long");
  return [first, second, long, ...others, ...longOthers]
    .filter((pass) => pass !== undefined);
}

async function measure(
  name: EngineName,
  part: Pass["part"],
  run: number,
): Promise<void> {
  const workloads = remaining(name, part);
  if (workloads.length === 0) return;
  note(`run ${run} of ${options.runs}: ${name}, ${workloads.length} workloads`);
  const directory = await mkdtemp(join(options.directory, "shale-bench-"));
  try {
    const report = await runProcess({
      engine: name,
      directory,
      workloads,
      scale: { rows: options.rows, capMs: options.capMs },
    });
    durability.set(name, report.durability);
    results.get(name)!.push(...report.measurements);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** What the second run is shorter by, as it leaves out what is slow. */
function savedMs(part: Pass["part"], run: number): number {
  if (part === "short" || run !== 2) return 0;
  return [...results.values()]
    .flatMap((measurements) => tooLong(measurements))
    .reduce((sum, { wallMs }) => sum + wallMs, 0);
}

/** The wanted workloads, less those that are too slow to be repeated. */
function remaining(name: EngineName, part: Pass["part"]): Workload[] {
  const slow = tooLong(results.get(name)!).map(({ workload }) => workload);
  const left = LONG.filter(([first]) => slow.includes(first!)).flat();
  const isLong = (workload: Workload) =>
    LONG.some((group) => group.includes(workload));
  return options.only.filter((workload) =>
    isLong(workload) === (part === "long") && !left.includes(workload)
  );
}

/** The first figure of each group that takes too long. */
function tooLong(measurements: readonly Measurement[]): Measurement[] {
  return LONG.flatMap(([first]) =>
    measurements.filter(({ workload }) => workload === first).slice(0, 1)
  ).filter(({ wallMs }) => wallMs > REPEAT_LIMIT_MS);
}

function parse() {
  const { values } = parseArgs({
    options: {
      only: { type: "string" },
      engines: { type: "string" },
      rows: { type: "string", default: "100000" },
      runs: { type: "string", default: "3" },
      cap: { type: "string", default: "1000" },
      limit: { type: "string", default: "280" },
      dir: { type: "string", default: tmpdir() },
      json: { type: "string" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    process.exit(0);
  }
  return {
    only: chosen("--only", values.only, WORKLOADS),
    engines: chosen("--engines", values.engines, ENGINE_NAMES),
    rows: count("--rows", values.rows, 1000),
    runs: count("--runs", values.runs, 1),
    capMs: count("--cap", values.cap, 1),
    limitMs: 1000 * count("--limit", values.limit, 1),
    directory: values.dir,
    json: values.json,
  };
}

function chosen<Name extends string>(
  flag: string,
  text: string | undefined,
  known: readonly Name[],
): readonly Name[] {
  if (text === undefined) return known;
  const wanted = text.split(",").map((name) => name.trim());
  for (const name of wanted) {
    if (known.includes(name as Name)) continue;
    refuse(`${flag} knows no "${name}": it takes ${known.join(", ")}`);
  }
  return known.filter((name) => wanted.includes(name));
}

function count(flag: string, text: string, least: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= least) return value;
  refuse(`${flag} must be an integer >= ${least}: current value is ${text}`);
}

function refuse(message: string): never {
  console.error(message);
  process.exit(2);
}

function note(message: string): void {
  console.error(message);
}

/**
 * Runs every test on Deno, then on Bun, and adds up what they report.
 *
 * `deno task test [--only deno|bun] [path …]`; without a path, the examples of
 * the documentation are run as well. Needs Deno and npm's `npx`, and
 * no installed dependency: the first step installs what the lock file names.
 * The last line is always `N passed, N failed`; the exit status is 1 when
 * anything failed, or when a runner ended without saying how many tests it ran.
 *
 * @module
 */
import { parseArgs } from "node:util";

/** What one runner reports. */
interface Summary {
  readonly passed: number;
  readonly failed: number;
}

interface Runner {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly summarize: (output: string) => Summary | undefined;
}

const BUN_VERSION = "1.4.5";
const NPX = Deno.build.os === "windows" ? "npx.cmd" : "npx";
/** A runner that hangs is ended, and has failed. */
const LIMIT_MS = 20 * 60_000;
// deno-lint-ignore no-control-regex
const COLOUR_REGEXP = /\x1b\[[0-9;]*m/g;

const HELP = `Runs the tests on Deno and on Bun.

  deno task test [--only deno|bun] [path …]

Without a path: all tests, and the examples of the documentation. The last line
is "N passed, N failed".
`;

const { values, positionals } = parse(Deno.args);
if (values.help) {
  console.log(HELP);
  Deno.exit(0);
}
const paths = positionals.length > 0 ? positionals : ["tests"];
// Where examples stand: they are run too, under Deno, which knows how.
const examples = positionals.length > 0 ? [] : ["--doc", "README.md", "lib"];

const RUNNERS: readonly Runner[] = [
  {
    name: `Deno ${Deno.version.deno}`,
    command: Deno.execPath(),
    args: [
      "test",
      "--allow-all",
      "--parallel",
      "--sanitize-ops",
      "--sanitize-resources",
      ...examples,
      ...paths,
    ],
    summarize(output) {
      const counts = /(\d+) passed.*? \| (\d+) failed/.exec(output);
      if (counts === null) return undefined;
      return { passed: Number(counts[1]), failed: Number(counts[2]) };
    },
  },
  {
    name: `Bun ${BUN_VERSION}`,
    command: NPX,
    // Bun's own limit of 5 s a test would make a slow machine fail.
    args: ["--yes", `bun@${BUN_VERSION}`, "test", "--timeout=300000", ...paths],
    summarize(output) {
      const passed = /^\s*(\d+) pass$/m.exec(output);
      const failed = /^\s*(\d+) fail$/m.exec(output);
      if (passed === null || failed === null) return undefined;
      const errors = /^\s*(\d+) errors?$/m.exec(output);
      return {
        passed: Number(passed[1]),
        failed: Number(failed[1]) + Number(errors?.[1] ?? 0),
      };
    },
  },
];

const { only } = values;
if (only !== undefined && only !== "deno" && only !== "bun") {
  console.error(`Cannot run the tests on "${only}": it is "deno" or "bun"`);
  Deno.exit(2);
}

const install = await run(Deno.execPath(), ["install", "--quiet"]);
if (install.code !== 0) Deno.exit(1);

const lines: string[] = [];
const total = { passed: 0, failed: 0 };
for (const runner of RUNNERS) {
  if (only !== undefined && !runner.name.toLowerCase().startsWith(only)) {
    continue;
  }
  console.log(`\nTests on ${runner.name}\n`);
  const { code, output } = await run(runner.command, runner.args);
  const { passed, failed } = judge(code, runner.summarize(output));
  total.passed += passed;
  total.failed += failed;
  lines.push(`${runner.name.padEnd(12)} ${passed} passed, ${failed} failed`);
}
console.log(`\n${lines.join("\n")}`);
console.log(`${total.passed} passed, ${total.failed} failed`);
if (total.failed > 0) Deno.exit(1);

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        only: { type: "string" },
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (error) {
    const message = (error as Error).message.split(". ")[0];
    console.error(`${message}; see: deno task test --help`);
    Deno.exit(2);
  }
}

/** A runner that failed without counting a failure, or ran nothing, has failed. */
function judge(code: number, summary: Summary | undefined): Summary {
  if (summary === undefined) return { passed: 0, failed: 1 };
  const { passed, failed } = summary;
  const broken = code !== 0 || passed + failed === 0;
  return { passed, failed: failed === 0 && broken ? 1 : failed };
}

/** Runs a program, shows what it prints as it prints it, and keeps a copy. */
async function run(
  command: string,
  args: readonly string[],
): Promise<{ code: number; output: string }> {
  const colour: Record<string, string> =
    Deno.stdout.isTerminal() && Deno.env.get("NO_COLOR") === undefined
      ? { FORCE_COLOR: "1" }
      : {};
  const child = new Deno.Command(command, {
    args: [...args],
    env: colour,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const watchdog = setTimeout(() => {
    console.error(`\nended after ${LIMIT_MS / 60_000} minutes: ${command}`);
    child.kill("SIGTERM"); // which npx passes on
  }, LIMIT_MS);
  const copies = await Promise.all([
    tee(child.stdout, Deno.stdout),
    tee(child.stderr, Deno.stderr),
  ]);
  const { code } = await child.status;
  clearTimeout(watchdog);
  return { code, output: copies.join("\n").replaceAll(COLOUR_REGEXP, "") };
}

async function tee(
  source: ReadableStream<Uint8Array<ArrayBuffer>>,
  target: { writeSync(bytes: Uint8Array): number },
): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of source) {
    for (let at = 0; at < chunk.length;) {
      at += target.writeSync(chunk.subarray(at));
    }
    text += decoder.decode(chunk, { stream: true });
  }
  return text;
}

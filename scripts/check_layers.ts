/**
 * Fails when a module of `lib/` imports from a tier that is not below its own.
 *
 * `deno task lint:layers`
 *
 * The rule: a module imports from its own folder and from strictly lower tiers;
 * the engines of tier 5 never import one another, which the same rule says. A
 * package is imported where its job is and nowhere else, and `node:` only where
 * the disk and the codecs are, so that everything else runs in a browser.
 *
 * @module
 */
import { collectModules } from "./source_tree.ts";

const TIERS: readonly (readonly string[])[] = [
  ["base"],
  ["metrics", "vfs", "object_store", "codec", "iter"],
  ["format", "cas", "cache", "memtable"],
  ["sst", "manifest", "wal"],
  ["lsm"],
  ["write", "flush", "read", "compactor", "gc"],
  ["db"],
  ["admin", "shard", "level", "keys", "backup", "testing"],
];

/** Stores that keep files need the disk, which stands in their own tier. */
const BESIDE: Readonly<Record<string, readonly string[]>> = {
  object_store: ["vfs"],
};

/** Each package, and the folders that may import it. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  "@bradenmacdonald/s3-lite-client": ["object_store"],
  "@zip.js/zip.js": ["backup"],
  "abstract-level": ["level"],
  "flatbuffers": ["format"],
  "fzstd": ["codec"],
  "hash-wasm": ["shard", "backup"],
};

const NODE_FOLDERS: readonly string[] = ["vfs", "codec"];

const IMPORT_REGEXPS: readonly RegExp[] = [
  /^import\s(?:[^"'();]*?\sfrom\s)?\s*"([^"]+)"/gm,
  /^export\s(?:type\s+)?(?:\{[^}]*\}|\*(?:\s+as\s+\w+)?)\s+from\s+"([^"]+)"/gm,
  /\bimport\(\s*"([^"]+)"/g,
];

const tierOf = new Map(
  TIERS.flatMap((folders, tier) => folders.map((folder) => [folder, tier])),
);

const problems: string[] = [];
for await (const path of collectModules("lib")) {
  const source = await Deno.readTextFile(path);
  for (const regexp of IMPORT_REGEXPS) {
    for (const [, specifier] of source.matchAll(regexp)) {
      const problem = check(path, specifier!);
      if (problem !== undefined) problems.push(`${path}: ${problem}`);
    }
  }
}
for (const problem of problems) console.error(problem);
if (problems.length > 0) Deno.exit(1);

function check(path: string, specifier: string): string | undefined {
  const folder = path.split("/")[1]!;
  const tier = tierOf.get(folder);
  if (tier === undefined) return `the folder ${folder}/ has no tier`;

  if (specifier.startsWith("node:")) {
    if (NODE_FOLDERS.includes(folder)) return;
    return `may not import "${specifier}": only ${
      NODE_FOLDERS.join(" and ")
    } may`;
  }
  if (!specifier.startsWith(".")) {
    if (PACKAGES[specifier]?.includes(folder)) return;
    return `may not depend on "${specifier}"`;
  }

  const parts = new URL(specifier, `file:///${path}`).pathname.split("/");
  if (parts[1] !== "lib") return `may not import ${specifier} outside lib/`;
  const target = parts[2]!;
  if (target === folder || BESIDE[folder]?.includes(target)) return;
  const targetTier = tierOf.get(target);
  if (targetTier === undefined) return `the folder ${target}/ has no tier`;
  if (targetTier < tier) return;
  return `${folder}/ (tier ${tier}) may not import ${target}/ (tier ${targetTier})`;
}

/**
 * `tree`
 *
 * @module
 */
import { escapeText } from "./rows.ts";
import { toHex } from "../../lib/base/bytes.ts";
import type { Manifest, SstHandle, Tree } from "../../lib/format/manifest.ts";
import { formatBytes } from "../display.ts";
import type { Arguments, Command } from "./command.ts";
import { withPlace } from "./database.ts";
import { listSizes, readManifest } from "./objects.ts";
import type { Terminal } from "./terminal.ts";

/** Shows the tree. */
export const tree: Command = {
  name: "tree",
  summary: "Shows the tree: L0, sorted runs, their SSTs, sizes and keys.",
  words: "",
  arity: [0, 0],
  flags: {},
  details: `
Newest first. Rows that are only in the WAL are not in the tree yet.`,
  run,
};

/** One SST as the tree shows it. */
interface Leaf {
  readonly segment: string | null;
  /** `null` in L0. */
  readonly run: number | null;
  readonly id: string;
  readonly bytes: number;
  readonly first: string;
  readonly last: string;
}

async function run(given: Arguments, terminal: Terminal): Promise<void> {
  const show = given.has("hex") ? toHex : escapeText;
  await withPlace(given, async (place) => {
    const manifest = await readManifest(place, undefined);
    const sizes = await listSizes(place);
    const leaves = leavesOf(manifest, sizes, show);
    const text = given.has("json")
      ? leaves.map((leaf) => JSON.stringify(leaf)).join("\n")
      : render(manifest, leaves);
    if (text !== "") await terminal.write(`${text}\n`);
  });
}

function leavesOf(
  manifest: Manifest,
  sizes: ReadonlyMap<string, number>,
  show: (key: Uint8Array) => string,
): Leaf[] {
  const leaves: Leaf[] = [];
  const add = (tree: Tree, segment: string | null) => {
    const leaf = ({ id, info }: SstHandle, run: number | null): Leaf => ({
      segment,
      run,
      id,
      bytes: sizes.get(id) ?? info.indexOffset + info.indexBytes,
      first: info.firstEntry === undefined ? "" : show(info.firstEntry),
      last: info.lastEntry === undefined ? "" : show(info.lastEntry),
    });
    leaves.push(...tree.l0.map((handle) => leaf(handle, null)));
    for (const { id, ssts } of tree.runs) {
      leaves.push(...ssts.map((handle) => leaf(handle, id)));
    }
  };
  add(manifest.tree, null);
  for (const segment of manifest.segments) add(segment, show(segment.prefix));
  return leaves;
}

function render(manifest: Manifest, leaves: readonly Leaf[]): string {
  const total = leaves.reduce((sum, { bytes }) => sum + bytes, 0);
  const lines = [
    `manifest ${manifest.id}, ${countSsts(leaves)}, ${
      formatBytes(total)
    }, replay after WAL ${manifest.replayAfterWalId}`,
  ];
  const groups = Map.groupBy(
    leaves,
    ({ segment, run }) =>
      (segment === null ? "" : `segment ${segment} `) +
      (run === null ? "L0" : `run ${run}`),
  );
  for (const [name, members] of groups) {
    const bytes = members.reduce((sum, leaf) => sum + leaf.bytes, 0);
    lines.push("", `${name}: ${countSsts(members)}, ${formatBytes(bytes)}`);
    for (const { id, bytes, first, last } of members) {
      lines.push(
        `  ${id} ${formatBytes(bytes).padStart(9)}  ${first} … ${last}`,
      );
    }
  }
  return lines.join("\n");
}

function countSsts({ length }: readonly Leaf[]): string {
  return `${length} ${length === 1 ? "SST" : "SSTs"}`;
}

/** SST handles for tests that look at the tree alone. */
import type { SstHandle } from "../../lib/format/manifest.ts";
import { toBytes } from "../../lib/base/bytes.ts";
import { ulidFromBits } from "../../lib/base/ids.ts";

/** A handle whose id stands for `n`, over the keys from `first` to `last`. */
export function handle(n: number, first = "a", last = "z"): SstHandle {
  const id = ulidFromBits(BigInt(n) << 80n);
  return {
    id,
    viewId: id,
    formatVersion: 2,
    info: {
      firstEntry: toBytes(first),
      lastEntry: toBytes(last),
      indexOffset: 100,
      indexBytes: 50,
      filterOffset: 100,
      filterBytes: 0,
      statsOffset: 0,
      statsBytes: 0,
      compression: "none",
      sstType: "compacted",
      filterFormat: "legacy",
    },
  };
}

/**
 * The newest manifest of a database in a directory, as the engine decodes it.
 *
 * @module
 */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { decodeManifest, type Manifest } from "../../lib/format/manifest.ts";

/** Reads the manifest with the highest number. */
export async function latestManifest(
  dir: string,
  path: string,
): Promise<Manifest> {
  const folder = join(dir, path, "manifest");
  for (;;) {
    const name = (await readdir(folder)).sort().at(-1)!;
    try {
      const bytes = new Uint8Array(await readFile(join(folder, name)));
      return decodeManifest(Number.parseInt(name, 10), bytes);
    } catch (error) {
      // Collected between the two reads: there is a newer one by now.
      if ((error as { code?: string }).code !== "ENOENT") throw error;
    }
  }
}

/**
 * The modules of a folder, as the checks see them.
 *
 * @module
 */

/**
 * Every TypeScript module below `directory`, in name order; AssemblyScript and
 * test data are not modules of this project.
 *
 * @param directory A folder, relative to the working directory.
 * @returns Paths with `/` between their parts.
 */
export async function* collectModules(
  directory: string,
): AsyncGenerator<string> {
  const entries = await Array.fromAsync(Deno.readDir(directory));
  entries.sort((a, b) => a.name < b.name ? -1 : 1);
  for (const { name, isDirectory } of entries) {
    const path = `${directory}/${name}`;
    if (!isDirectory) {
      if (name.endsWith(".ts")) yield path;
    } else if (name !== "assembly" && name !== "fixtures") {
      yield* collectModules(path);
    }
  }
}

/**
 * `checkpoints [DO [ID]]`
 *
 * @module
 */
import { parseDuration } from "../../lib/base/duration.ts";
import { Admin, type Checkpoint, DbError } from "../../mod.ts";
import type { Arguments, Command } from "./command.ts";
import { withPlace } from "./database.ts";
import type { Terminal } from "./terminal.ts";

/** Lists, makes, refreshes and deletes checkpoints. */
export const checkpoints: Command = {
  name: "checkpoints",
  summary: "Lists the checkpoints; or makes, refreshes or deletes one.",
  words: "[DO [ID]]",
  arity: [0, 2],
  flags: {
    lifetime: {
      value: "TIME",
      help: "until it ends: 90s, 15m, 24h, 7d; never unless given",
    },
    name: { value: "NAME", help: "its name; of a list: those with that name" },
    source: { value: "ID", help: "create: keep what this one keeps" },
  },
  details: `
DO is create, refresh ID or delete ID; without it, the checkpoints are listed.

A checkpoint keeps a manifest and every file it names from every collector. It
is made beside the writer, if there is one: rows that are only in its memory are
not in it. An empty --name lists those without a name.`,
  run,
};

async function run(given: Arguments, terminal: Terminal): Promise<void> {
  await withPlace(given, async ({ store, path }) => {
    const admin = Admin.open(path, { store });
    const [what = "list", id] = given.words;
    const shown = await change(admin, given, what, id);
    const text = given.has("json")
      ? shown.map((checkpoint) => JSON.stringify(toJson(checkpoint)))
      : shown.map(toLine);
    await terminal.write(text.map((line) => `${line}\n`).join(""));
  });
}

/** Does what was asked for; the checkpoints to show. */
async function change(
  admin: Admin,
  given: Arguments,
  what: string,
  id: string | undefined,
): Promise<Checkpoint[]> {
  const name = given.text("name");
  if (what === "list" && id === undefined) {
    return await admin.listCheckpoints(name);
  }
  if (what === "create" && id === undefined) {
    const source = given.text("source");
    const made = await admin.createCheckpoint({
      ...lifetimeOf(given),
      ...(name === undefined ? {} : { name }),
      ...(source === undefined ? {} : { source }),
    });
    return await find(admin, made.id);
  }
  if (what === "refresh" && id !== undefined) {
    await admin.refreshCheckpoint(id, lifetimeOf(given));
    return await find(admin, id);
  }
  if (what === "delete" && id !== undefined) {
    await admin.deleteCheckpoint(id);
    return [];
  }
  throw new DbError(
    "invalid",
    "checkpoints takes nothing, or create, refresh ID, delete ID",
  );
}

async function find(admin: Admin, id: string): Promise<Checkpoint[]> {
  const all = await admin.listCheckpoints();
  return all.filter((checkpoint) => checkpoint.id === id.toLowerCase());
}

function lifetimeOf(given: Arguments): { lifetimeMs?: number } {
  const text = given.text("lifetime");
  return text === undefined
    ? {}
    : { lifetimeMs: parseDuration(text, "--lifetime") };
}

function toJson(checkpoint: Checkpoint) {
  const { id, manifestId, createTimeS, expireTimeS, name } = checkpoint;
  return {
    id,
    manifest_id: manifestId,
    create_time_s: createTimeS,
    expire_time_s: expireTimeS ?? null,
    name: name ?? null,
  };
}

function toLine(checkpoint: Checkpoint): string {
  const { id, manifestId, createTimeS, expireTimeS, name } = checkpoint;
  const end = expireTimeS === undefined
    ? "never ends"
    : `ends ${timeOf(expireTimeS)}`;
  const made = `manifest ${manifestId}, made ${timeOf(createTimeS)}, ${end}`;
  return `${id}  ${made}${name === undefined ? "" : `  ${name}`}`;
}

function timeOf(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace(".000Z", "Z");
}

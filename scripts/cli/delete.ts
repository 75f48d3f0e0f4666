/**
 * `delete KEY`
 *
 * @module
 */
import { type Arguments, type Command, COMPONENT_FLAGS } from "./command.ts";
import { withWriter } from "./database.ts";
import { jsonInteger } from "./rows.ts";
import type { Terminal } from "./terminal.ts";

/** Deletes one key, durably. */
export const del: Command = {
  name: "delete",
  summary: "Deletes one key and waits until that is durable.",
  words: "KEY",
  arity: [1, 1],
  flags: {
    seq: { value: "N", help: "the sequence number to use" },
    settings: { value: "JSON", help: "settings, with SlateDB's names" },
    ...COMPONENT_FLAGS,
  },
  details: `
A key that is not there is no error. Opening as writer shuts out the writer at
work, if there is one.`,
  run,
};

async function run(given: Arguments, terminal: Terminal): Promise<void> {
  const key = given.wordBytes(0, "KEY");
  const seq = given.integer("seq");
  await withWriter(given, async (db) => {
    const write = await db.delete(
      key,
      seq === undefined ? {} : { seqnum: seq },
    );
    if (!given.has("json")) return;
    await terminal.write(`{"seq":${jsonInteger(write.seq)}}\n`);
  });
}

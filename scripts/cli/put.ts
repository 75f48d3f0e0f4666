/**
 * `put KEY VALUE`
 *
 * @module
 */
import { type Arguments, type Command, COMPONENT_FLAGS } from "./command.ts";
import { withWriter } from "./database.ts";
import { jsonInteger } from "./rows.ts";
import { readAll, type Terminal } from "./terminal.ts";

/** Writes one value, durably. */
export const put: Command = {
  name: "put",
  summary: "Writes one value and waits until it is durable.",
  words: "KEY VALUE",
  arity: [2, 2],
  flags: {
    ttl: { value: "MS", help: "expire after so many milliseconds" },
    "expire-at": { value: "MS", help: "expire at this time since the epoch" },
    seq: { value: "N", help: "the sequence number to use" },
    settings: { value: "JSON", help: "settings, with SlateDB's names" },
    ...COMPONENT_FLAGS,
  },
  details: `
A VALUE of - is read from standard input, as it is. Opening as writer shuts out
the writer at work, if there is one.`,
  run,
};

async function run(given: Arguments, terminal: Terminal): Promise<void> {
  const key = given.wordBytes(0, "KEY");
  const value = given.words[1] === "-"
    ? await readAll(terminal.input)
    : given.wordBytes(1, "VALUE");
  const ttlMs = given.count("ttl");
  const expiresAtMs = given.integer("expire-at");
  const seqnum = given.integer("seq");
  await withWriter(given, async (db) => {
    const write = await db.put(key, value, {
      ...(ttlMs === undefined ? {} : { ttlMs }),
      ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
      ...(seqnum === undefined ? {} : { seqnum }),
    });
    if (!given.has("json")) return;
    await terminal.write(
      `{"seq":${jsonInteger(write.seq)},"create_ts":${
        jsonInteger(write.createTs)
      }}\n`,
    );
  });
}

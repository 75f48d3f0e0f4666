/** A numbered object of the simplest kind: an epoch and a list of words. */
import { toBytes, toText } from "../../lib/base/bytes.ts";
import { DbError } from "../../lib/base/errors.ts";
import { Boundary } from "../../lib/cas/boundary.ts";
import {
  FencedObject,
  type OpenFencedOptions,
} from "../../lib/cas/fenced_object.ts";
import { NumberedObject } from "../../lib/cas/numbered_object.ts";
import type { ObjectStore } from "../../lib/object_store/object_store.ts";
import { ManualRuntime } from "../../lib/testing/manual_runtime.ts";

/** The value. */
export interface Words {
  readonly epoch: number;
  readonly words: readonly string[];
}

export const EMPTY: Words = { epoch: 0, words: [] };
export const BOUNDARY = "gc/words.boundary";

export function nameOf(id: number): string {
  return `words/${String(id).padStart(20, "0")}.words`;
}

/** The object in a store. */
export function wordsIn(store: ObjectStore): NumberedObject<Words> {
  return new NumberedObject({
    store,
    boundary: new Boundary(store, BOUNDARY),
    format: {
      what: "word list",
      prefix: "words/",
      name: nameOf,
      parse: (name) => {
        const digits = /^words\/(\d{20})\.words$/.exec(name)?.[1];
        return digits === undefined ? undefined : Number(digits);
      },
      encode: (value) => toBytes(JSON.stringify(value)),
      decode: (id, bytes) => {
        try {
          return JSON.parse(toText(bytes)) as Words;
        } catch (cause) {
          throw new DbError("data", `${nameOf(id)} is damaged`, { cause });
        }
      },
    },
  });
}

/** Opens the object in a store under an epoch. */
export function openWords(
  store: ObjectStore,
  options: Partial<OpenFencedOptions<Words>> = {},
): Promise<FencedObject<Words>> {
  return FencedObject.open({
    object: wordsIn(store),
    epoch: {
      role: "writer",
      get: ({ epoch }) => epoch,
      set: (value, epoch) => ({ ...value, epoch }),
    },
    runtime: new ManualRuntime(),
    create: EMPTY,
    timeoutMs: 300_000,
    ...options,
  });
}

/** An edit that appends a word, unless it is there already. */
export function append(word: string): (value: Words) => Words {
  return (value) =>
    value.words.includes(word) ? value : {
      ...value,
      words: [...value.words, word],
    };
}

/** What is stored under a number, read past every check. */
export async function storedWords(
  store: ObjectStore,
  id: number,
): Promise<Words | undefined> {
  const found = await store.get(nameOf(id));
  return found && JSON.parse(toText(found.bytes)) as Words;
}

/** Stores a number past every check. */
export async function storeWords(
  store: ObjectStore,
  id: number,
  value: Words = EMPTY,
): Promise<void> {
  await store.put(nameOf(id), toBytes(JSON.stringify(value)));
}

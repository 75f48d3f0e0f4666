import { DbError } from "../../lib/base/errors.ts";
import {
  boundaryName,
  boundaryPrefix,
  compactionsName,
  compactionsPrefix,
  manifestName,
  manifestPrefix,
  parseCompactionsId,
  parseManifestId,
  parseSstId,
  parseWalId,
  sstName,
  sstPrefix,
  walName,
  walPrefix,
} from "../../lib/format/paths.ts";
import { assert, assertEquals, assertThrows } from "../support/assert.ts";
import { test } from "../support/test.ts";

const ULID = "01M7Y8V1CWVX7ZD4NJ9X3V0DFB";

test("every name function spells SlateDB's names", () => {
  const number = "00000000000000000042";
  assertEquals(manifestName("a/b", 42), `a/b/manifest/${number}.manifest`);
  assertEquals(compactionsName("a", 42), `a/compactions/${number}.compactions`);
  assertEquals(walName("a", 42), `a/wal/${number}.sst`);
  assertEquals(sstName("a", ULID), `a/compacted/${ULID}.sst`);
  assertEquals(boundaryName("a", "manifest"), "a/gc/manifest.boundary");
  assertEquals(boundaryName("a", "compactions"), "a/gc/compactions.boundary");
});

test("every name function takes the empty root", () => {
  assertEquals(walName("", 1), "wal/00000000000000000001.sst");
  assertEquals(
    [manifestPrefix, compactionsPrefix, walPrefix, sstPrefix, boundaryPrefix]
      .map((prefix) => prefix("")),
    ["manifest/", "compactions/", "wal/", "compacted/", "gc/"],
  );
});

test("every parser is the inverse of its name function", () => {
  for (const root of ["", "db", "a/b"]) {
    for (const id of [0, 1, 42, Number.MAX_SAFE_INTEGER]) {
      assertEquals(parseManifestId(root, manifestName(root, id)), id);
      assertEquals(parseCompactionsId(root, compactionsName(root, id)), id);
      assertEquals(parseWalId(root, walName(root, id)), id);
    }
    assertEquals(parseSstId(root, sstName(root, ULID)), ULID);
  }
});

test("every parser ignores foreign names", () => {
  const foreign = [
    "wal/1.sst",
    "wal/0000000000000000001.sst",
    "wal/000000000000000000001.sst",
    "wal/0000000000000000000x.sst",
    "wal/00000000000000000001.sst.tmp",
    "wal/00000000000000000001",
    "wal/x/00000000000000000001.sst",
    "wal/99999999999999999999.sst",
    "wal/.sst",
    "wal",
    "",
    "other/wal/00000000000000000001.sst",
    "manifest/00000000000000000001.sst",
    `compacted/${ULID.toLowerCase()}.sst`,
    `compacted/8${ULID.slice(1)}.sst`,
    "compacted/.sst",
  ];
  for (const name of foreign) {
    assertEquals(parseWalId("", name), undefined, name);
    assertEquals(parseManifestId("", name), undefined, name);
    assertEquals(parseCompactionsId("", name), undefined, name);
    assertEquals(parseSstId("", name), undefined, name);
  }
  assertEquals(parseWalId("a", walName("b", 1)), undefined);
});

test("walName() refuses what is no object number", () => {
  for (const id of [-1, 0.5, Number.NaN, 2 ** 53]) {
    const error = assertThrows(() => walName("", id));
    assert(error instanceof DbError && error.kind === "internal");
  }
});

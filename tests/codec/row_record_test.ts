import fc from "fast-check";
import {
  readRow,
  rowFlags,
  rowKind,
  rowRecordBytes,
  writeRow,
} from "../../lib/codec/row_record.ts";
import { assertEquals } from "../support/assert.ts";
import { test } from "../support/test.ts";
import { arbitraryRow, row } from "./blocks.ts";
import { KERNELS } from "./kernels.ts";

test("rowFlags() are those of the file format", () => {
  const createTs = 1n;
  const expireTs = 2n;
  assertEquals(rowFlags(row("put", "k", 1)), 0);
  assertEquals(rowFlags(row("put", "k", 1, "", { createTs })), 0x04);
  assertEquals(rowFlags(row("put", "k", 1, "", { createTs, expireTs })), 0x06);
  assertEquals(rowFlags(row("delete", "k", 1, "", { createTs })), 0x05);
  assertEquals(rowFlags(row("merge", "k", 1, "", { createTs })), 0x0c);
  assertEquals([0, 4, 5, 12].map(rowKind), ["put", "put", "delete", "merge"]);
});

test("property: readRow() reads what writeRow() wrote", () => {
  const kernels = KERNELS.map(([, create]) => create());
  fc.assert(fc.property(arbitraryRow, (row) => {
    for (const kernel of kernels) {
      const bytes = rowRecordBytes(row);
      assertEquals(bytes % 8, 0);
      const pointer = kernel.alloc(bytes + 8);
      kernel.u8.fill(0xa5, pointer, pointer + bytes + 8);
      assertEquals(writeRow(kernel, pointer, row), bytes);
      assertEquals(kernel.u8[pointer + bytes], 0xa5);
      const read = readRow(kernel, pointer);
      kernel.free(pointer);
      assertEquals(read, { ...row });
    }
  }));
});

import type { DbError } from "../../lib/base/errors.ts";
import {
  type CustomFilterPolicy,
  filterName,
  type FilterPolicy,
} from "../../lib/sst/filter_policy.ts";
import {
  fromPlainPolicies,
  toPlainPolicies,
} from "../../lib/sst/plain_filter_policy.ts";
import {
  delimiterPrefix,
  fixedPrefix,
} from "../../lib/sst/prefix_extractor.ts";
import { assertEquals, assertThrows } from "../support/assert.ts";
import { test } from "../support/test.ts";
import { createWorld, encode, plainRows } from "./world.ts";

const OWN: CustomFilterPolicy = {
  name: "mine",
  newBuilder: () => ({ add: () => {}, finish: () => Uint8Array.of(7) }),
  decode: () => ({ mayContain: () => true }),
};

test("fromPlainPolicies() makes the same filters as before they were plain", async () => {
  const world = createWorld();
  const policies: FilterPolicy[] = [
    { bitsPerKey: 7 },
    { prefixExtractor: fixedPrefix(9) },
    { prefixExtractor: delimiterPrefix("-"), wholeKeys: false },
    OWN,
  ];
  const plain = structuredClone(toPlainPolicies(policies));
  const again = fromPlainPolicies(plain, [{}, OWN]);

  assertEquals(again.map(filterName), policies.map(filterName));
  const [before, after] = await Promise.all(
    [policies, again].map((filterPolicies) =>
      encode(world, plainRows(500), {
        filterPolicies,
        filterFormat: "composite",
      })
    ),
  );
  assertEquals(before!.body, after!.body);
});

test("fromPlainPolicies() wants the code of policies that are a user's own", () => {
  const prefixExtractor = { name: "fixed2", prefixLength: () => 1 };
  for (const policy of [OWN, { prefixExtractor }]) {
    const plain = toPlainPolicies([policy]);
    assertEquals(plain[0]!.bloom, undefined);
    const error = assertThrows(() =>
      fromPlainPolicies(plain, [{}, { prefixExtractor: fixedPrefix(3) }])
    ) as DbError;
    assertEquals(error.kind, "invalid");
    assertEquals(fromPlainPolicies(plain, [policy]), [policy]);
  }
});

import { startUniffiJudge } from "../interop/judge.ts";
import { test } from "../support/test.ts";
import { KINDS, theyReadCompacted, theyReadMoved } from "./interop_cases.ts";

for (const kind of KINDS) {
  test(`SlateDB 0.12.1 reads and goes on after Shale compacted ${kind.name}`, () => {
    return theyReadCompacted(startUniffiJudge, kind);
  });
}

test("SlateDB 0.12.1 reads a run that Shale made of SSTs as they were", () => {
  return theyReadMoved(startUniffiJudge);
});

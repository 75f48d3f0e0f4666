import { MemoryRecorder } from "../../lib/metrics/memory_recorder.ts";
import { toPrometheusText } from "../../lib/metrics/prometheus.ts";
import { assertEquals } from "../support/assert.ts";
import { test } from "../support/test.ts";

test("toPrometheusText() shows each name once, with all its labels", () => {
  const recorder = new MemoryRecorder();
  const name = "slatedb.db.request_count";
  recorder.counter(name, "Requests", { op: "get" }).add(3);
  recorder.counter(name, "Requests", { op: "scan" });
  recorder.gauge("slatedb.db.total_mem_size_bytes", "Memory").set(1e21);
  recorder.upDownCounter("slatedb.compactor.running_compactions", "Running")
    .add(-1);
  assertEquals(
    toPrometheusText(recorder.snapshot()),
    `# HELP slatedb_compactor_running_compactions Running
# TYPE slatedb_compactor_running_compactions gauge
slatedb_compactor_running_compactions -1
# HELP slatedb_db_request_count Requests
# TYPE slatedb_db_request_count counter
slatedb_db_request_count{op="get"} 3
slatedb_db_request_count{op="scan"} 0
# HELP slatedb_db_total_mem_size_bytes Memory
# TYPE slatedb_db_total_mem_size_bytes gauge
slatedb_db_total_mem_size_bytes 1e+21
`,
  );
});

test("toPrometheusText() shows a histogram's buckets as running totals", () => {
  const recorder = new MemoryRecorder();
  const histogram = recorder.histogram("t", "Time", [0.5, 1], { op: "get" });
  for (const value of [0.5, 0.75, 0.8, 99]) histogram.record(value);
  assertEquals(
    toPrometheusText(recorder.snapshot()),
    `# HELP t Time
# TYPE t histogram
t_bucket{op="get",le="0.5"} 1
t_bucket{op="get",le="1"} 3
t_bucket{op="get",le="+Inf"} 4
t_sum{op="get"} 101.05
t_count{op="get"} 4
`,
  );
});

test("toPrometheusText() escapes what would break a line", () => {
  const recorder = new MemoryRecorder();
  recorder.gauge("9-lives", "a\\b\nc", { "la-bel:x": 'q"\\\n' }).set(-Infinity);
  assertEquals(
    toPrometheusText(recorder.snapshot()),
    `# HELP _9_lives a\\\\b\\nc
# TYPE _9_lives gauge
_9_lives{la_bel_x="q\\"\\\\\\n"} -Inf
`,
  );
  assertEquals(toPrometheusText([]), "");
});

/**
 * The process that `process.ts` starts: runs one order, prints one report.
 *
 * @module
 */
import process from "node:process";
import { loadEngine } from "./engine.ts";
import { type Order, type Report, REPORT_MARK } from "./process.ts";
import type { Measurement } from "./workload.ts";
import { runWorkloads } from "./workloads.ts";

const order: Order = JSON.parse(process.argv[2]!);
const engine = await loadEngine(order.engine);
const measurements: Measurement[] = [];
await runWorkloads(
  engine,
  order.directory,
  order.scale,
  new Set(order.workloads),
  (measurement) => measurements.push(measurement),
);
const report: Report = { durability: engine.durability, measurements };
console.log(REPORT_MARK + JSON.stringify(report));
// Native libraries may keep threads that would hold the process open.
process.exit(0);

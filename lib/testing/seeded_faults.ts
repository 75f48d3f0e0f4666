/**
 * Faults by chance, the same ones for the same seed.
 *
 * @module
 */
import type { Fault, FaultPlan } from "./fault_store.ts";

/** How likely each fault is, from 0 to 1; together at most 1. */
export interface FaultRates {
  /** The request never arrives. */
  failBefore?: number;
  /** It takes effect and fails. */
  failAfter?: number;
  /** It takes effect twice. */
  duplicate?: number;
  /** It arrives late. */
  delay?: number;
  /** Half of the bytes of a get are missing. */
  shortBody?: number;
  /** A listing breaks off. */
  tornList?: number;
}

/** Longest delay, in milliseconds. */
const MAX_DELAY_MS = 2000;
/** A listing breaks off after fewer names than this. */
const MAX_TORN_ENTRIES = 4;

/**
 * A plan by which calls go wrong by chance.
 *
 * @param random The next random number in [0, 1).
 * @param rates How likely each fault is.
 * @returns The plan.
 */
export function seededFaults(
  random: () => number,
  rates: FaultRates,
): FaultPlan {
  return ({ operation }) => {
    let rest = random();
    const size = random();
    const hits = (rate: number | undefined) => {
      const isHit = rest >= 0 && rest < (rate ?? 0);
      rest -= rate ?? 0;
      return isHit;
    };
    let fault: Fault | undefined;
    if (hits(rates.failBefore)) fault = { kind: "fail-before" };
    if (hits(rates.failAfter)) fault = { kind: "fail-after" };
    if (hits(rates.duplicate)) fault = { kind: "duplicate" };
    if (hits(rates.delay)) {
      fault = { kind: "delay", ms: Math.ceil(size * MAX_DELAY_MS) };
    }
    if (hits(rates.shortBody) && operation === "get") {
      fault = { kind: "short-body" };
    }
    if (hits(rates.tornList) && operation === "list") {
      const entries = Math.floor(size * MAX_TORN_ENTRIES);
      fault = { kind: "torn-list", entries };
    }
    return fault;
  };
}

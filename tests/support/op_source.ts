/**
 * Random operations, all following from one seed.
 *
 * Few keys on purpose: overwrites, deletes of what is there, and several
 * versions in several files are the interesting cases.
 *
 * @module
 */
import { hex, type Op, type RowOp } from "./op.ts";
import type { Random } from "./random.ts";

/** Which operations come, and how they look. */
export interface OpProfile {
  /** Distinct keys of the ordinary kind. */
  readonly keys: number;
  /** Whether there are merges. */
  readonly merges?: boolean;
  /** Longest time to live, in milliseconds; none unless given. */
  readonly maxTtl?: number;
  /** Longest ordinary value, in bytes. */
  readonly valueBytes: number;
  /** Whether a huge key or value comes now and then. */
  readonly huge?: boolean;
}

/** Makes operations. */
export class OpSource {
  readonly #random: Random;
  readonly #profile: OpProfile;

  constructor(random: Random, profile: OpProfile) {
    this.#random = random;
    this.#profile = profile;
  }

  /** A key in hex; some are prefixes of others, some begin with 00 or ff. */
  key(): string {
    const random = this.#random;
    if (this.#profile.huge === true && random.chance(0.004)) {
      return hex("z".repeat(65_535 - random.below(3)));
    }
    const n = random.below(this.#profile.keys);
    switch (n % 11) {
      case 0:
        return `00${hex(String(n))}`;
      case 1:
        return `ffff${hex(String(n))}`;
      case 2:
        return hex(`user:${n}`) + "00".repeat(n % 5);
      case 3:
        return hex(String(n % 7)).padEnd(2 + 2 * (n % 4), "ff");
      default:
        return hex(`user:${String(n).padStart(5, "0")}`);
    }
  }

  /** A write of one row. */
  row(): RowOp {
    const random = this.#random;
    const { merges = false } = this.#profile;
    const op = random.weighted({
      put: 60,
      delete: 15,
      merge: merges ? 25 : 0,
    });
    const k = this.key();
    if (op === "delete") return { op, k };
    return { op, k, v: this.#value(), ...this.#expiry() };
  }

  /** A batch; its rows do not expire, so that merges in it fold in any case. */
  batch(rows: number): Op {
    return {
      op: "batch",
      rows: Array.from({ length: rows }, () => {
        const { op, k, v } = this.row();
        return v === undefined ? { op, k } : { op, k, v };
      }),
    };
  }

  /** A write of one row, or now and then a batch. */
  write(): Op {
    const random = this.#random;
    if (random.chance(0.15)) return this.batch(random.between(1, 12));
    return this.row();
  }

  #value(): string {
    const random = this.#random;
    if (this.#profile.huge === true && random.chance(0.01)) {
      return random.pick(["61", "00"]).repeat(20_000);
    }
    let text = "";
    const bytes = random.below(this.#profile.valueBytes + 1);
    while (text.length < 2 * bytes) {
      text += random.below(2 ** 32).toString(16).padStart(8, "0");
    }
    return text.slice(0, 2 * bytes);
  }

  #expiry(): { ttl?: number } {
    const { maxTtl } = this.#profile;
    if (maxTtl === undefined || this.#random.chance(0.6)) return {};
    return { ttl: this.#random.between(1, maxTtl) };
  }
}

/**
 * A small language for rows: `key@seq=value`, `key@seq!` for a tombstone,
 * `key@seq+operand` for a merge operand; `~n` behind it is the expiry.
 */
import { toText } from "../../lib/base/bytes.ts";
import type { Row, RowKind } from "../../lib/base/row.ts";

const ROW_REGEXP = /^([^@]*)@(\d+)([=!+])([^~]*)(?:~(\d+))?$/;
const KINDS: Record<string, RowKind> = {
  "=": "put",
  "!": "delete",
  "+": "merge",
};
const SIGNS: Record<RowKind, string> = { put: "=", delete: "!", merge: "+" };

/** Reads one row. */
export function row(text: string): Row {
  const [, key, seq, sign, value, expire] = ROW_REGEXP.exec(text)!;
  return {
    key: new TextEncoder().encode(key),
    value: new TextEncoder().encode(value),
    seq: BigInt(seq!),
    kind: KINDS[sign!]!,
    createTs: BigInt(seq!) * 10n,
    ...(expire === undefined ? {} : { expireTs: BigInt(expire) }),
  };
}

/** Reads rows separated by blanks. */
export function rows(text: string): Row[] {
  return text === "" ? [] : text.split(" ").map(row);
}

/** The inverse of {@linkcode row}, without the time of creation. */
export function show(row: Row): string {
  const expire = row.expireTs === undefined ? "" : `~${row.expireTs}`;
  return `${toText(row.key)}@${row.seq}${SIGNS[row.kind]}${
    toText(row.value)
  }${expire}`;
}

/** The inverse of {@linkcode rows}. */
export function showAll(rows: readonly Row[]): string {
  return rows.map(show).join(" ");
}

/**
 * What a user writes to give `merge()` a meaning.
 *
 * @module
 */

/**
 * Combines merge operands with each other and with the value beneath them.
 *
 * It must be associative and pure: the engine folds any run of neighbouring
 * operands, at any time, more than once. Its identity is not stored; whoever
 * opens the database must give one that understands the operands in it. The
 * arguments are valid during the call only and must not be changed. A throw is
 * reported as kind `"invalid"`.
 */
export interface MergeOperator {
  /**
   * Combines one operand with what is older.
   *
   * @param key The key.
   * @param existing The value or the folded older operands; `undefined`: nothing is beneath.
   * @param operand The newer operand.
   * @returns The combination.
   */
  merge(
    key: Uint8Array,
    existing: Uint8Array | undefined,
    operand: Uint8Array,
  ): Uint8Array;
  /**
   * Combines several operands at once; {@linkcode merge} one after another
   * unless given.
   *
   * @param key The key.
   * @param existing As in {@linkcode merge}.
   * @param operands One to a hundred operands, oldest first.
   * @returns The combination.
   */
  mergeBatch?(
    key: Uint8Array,
    existing: Uint8Array | undefined,
    operands: readonly Uint8Array[],
  ): Uint8Array;
}

/**
 * User code as a worker imports it.
 *
 * @module
 */
export { concatOperator as mergeOperator } from "../support/db_ops.ts";

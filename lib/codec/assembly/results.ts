/** Negative results; see `AbiError` in ../abi.ts. */
export const OUTPUT_FULL: i32 = -1;
export const MALFORMED: i32 = -2;
export const OUT_OF_MEMORY: i32 = -3;

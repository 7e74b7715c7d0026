// How much a step of a task does.

export const KEYS_A_GET_MANY = 100
export const AWAITED_A_STEP = 16
export const RECORDS_A_RANGE = 100
export const RECORDS_A_PREFIX = 1000
/** Small batches, so that one that has to wait is not hidden among many records. */
export const RECORDS_AN_OVERWRITE = 100
/** The writer beside the reads keeps this pace, if it can: reads are compared, not writes. */
export const RECORDS_A_SECOND_BESIDE_READS = 20_000
/** The store whose values the durable puts replace. */
export const DURABLE_RECORDS = 100_000

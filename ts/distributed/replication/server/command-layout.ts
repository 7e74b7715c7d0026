// What commands of the log begin with, and how large they may be: see command.ts for the rest of them.
//
//   command    u8 0 set    | u32 length, key | value, to the end
//              u8 1 delete | key, to the end
//              u8 2 member | u53 id | u32 length, join id | u8 1 if it has left for good
//              u8 3 batch  | u32 count; each: u8 0, blob key, blob value, or u8 1, blob key

export const KINDS = { set: 0, delete: 1, member: 2, batch: 3 } as const

/** The same on all members, whatever the pages of their stores. */
export const MAX_KEY_BYTES = 1024
export const MAX_VALUE_BYTES = 1024 * 1024
/** Writes of one batch, and what they have together. */
export const MAX_BATCH_WRITES = 10_000
export const MAX_BATCH_BYTES = 4 * 1024 * 1024
/** What a command may have in all. */
export const MAX_COMMAND_BYTES = MAX_BATCH_BYTES + 12 * MAX_BATCH_WRITES

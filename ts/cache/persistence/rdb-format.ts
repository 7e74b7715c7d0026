// The names of what is in an RDB file, version 10 (rdb.h and rdb.c of Redis 7.0; docs/formats/rdb-aof.md):
//
//   "REDIS0010" | items | 0xff | u64 CRC-64 of everything before it, or 0
//
// An item is an opcode with its operands, or the type of a value, its key and the value.

export const RDB_VERSION = 10
export const RDB_MAGIC = 'REDIS'

export const OPCODE = {
  function: 0xf5,
  functionOfPreview: 0xf6,
  moduleAux: 0xf7,
  idle: 0xf8,
  frequency: 0xf9,
  aux: 0xfa,
  resize: 0xfb,
  expiryMs: 0xfc,
  expirySeconds: 0xfd,
  select: 0xfe,
  end: 0xff,
} as const

/** Types of values. Those that are no longer written are from older versions. */
export const TYPE = {
  string: 0,
  list: 1,
  set: 2,
  zsetOfTexts: 3,
  hash: 4,
  zset: 5,
  module: 6,
  module2: 7,
  zipmap: 9,
  listZiplist: 10,
  intset: 11,
  zsetZiplist: 12,
  hashZiplist: 13,
  quicklist: 14,
  stream: 15,
  hashListpack: 16,
  zsetListpack: 17,
  quicklist2: 18,
  stream2: 19,
} as const

/** Special encodings of strings, behind two bits that are set. */
export const STRING = { int8: 0, int16: 1, int32: 2, lzf: 3 } as const

/** Nodes of a quicklist: one element as it is, or a listpack. */
export const NODE = { plain: 1, packed: 2 } as const

/** Flags of entries of a stream in its listpacks. */
export const ENTRY = { deleted: 1, sameFields: 2 } as const

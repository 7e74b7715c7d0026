/** Up to which sizes Redis keeps its compact encodings: the settings of redis.conf by these names, with its defaults. */
export interface EncodingLimits {
  hashMaxListpackEntries: number
  /** Bytes of the longest field or value. */
  hashMaxListpackValue: number
  setMaxIntsetEntries: number
  zsetMaxListpackEntries: number
  /** Bytes of the longest member. */
  zsetMaxListpackValue: number
  /** Entries that lie together in a stream, and go together where a trimming is approximate; 0 for no bound. */
  streamNodeMaxEntries: number
}

export const DEFAULT_ENCODING_LIMITS: EncodingLimits = {
  hashMaxListpackEntries: 128,
  hashMaxListpackValue: 64,
  setMaxIntsetEntries: 512,
  zsetMaxListpackEntries: 128,
  zsetMaxListpackValue: 64,
  streamNodeMaxEntries: 100,
}

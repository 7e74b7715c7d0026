// What can be said of the native core; how it was found is the business of loader.ts.

/** What a binary says of itself. */
export interface AddonDescription {
  interfaceVersion: number
  /** The Node-API version it was built for. */
  nodeApiVersion: number
  compiler: string
  /** How it computes CRC-32C on this processor: `sse4.2`, `armv8` or `portable`. */
  crc32c: string
}

/** One place where the native core was looked for. */
export interface NativeAttempt {
  source: 'override' | 'built' | 'prebuilt'
  path: string
  /** `loaded`, or why not. */
  outcome: string
}

/** Which engine runs, and why. */
export interface NativeReport {
  engine: 'native' | 'typescript'
  /** Every place looked at, in order; the last one was loaded if `engine` is `native`. */
  attempts: NativeAttempt[]
  /** What the loaded binary says of itself. */
  binary?: AddonDescription
  /** Why there is no native core, in words. */
  reason?: string
}

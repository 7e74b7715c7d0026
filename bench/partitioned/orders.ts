// What the processes of nodes are told, and what they answer.
import type { RingChange } from '../../ts/distributed/ring/store/index.ts'
import type { PartitionedNodeOptions } from '../../ts/distributed/ring/store/public.ts'

/** Of each request. */
export interface Counts {
  readonly n: number
  readonly r: number
  readonly w: number
}

/** The clients of one process, and the keys that are theirs. */
export interface Share {
  readonly row: string
  readonly clients: readonly number[]
  readonly keysAClient: number
}

/** Without `seconds` it goes on until `stop`. */
interface Load {
  readonly share: Share
  readonly counts: Counts
  readonly seconds: number | undefined
}

export type Order =
  | { readonly kind: 'open'; readonly path: string; readonly options: Omit<PartitionedNodeOptions, 'onTrouble'> }
  /** Writes every key once. */
  | { readonly kind: 'fill'; readonly share: Share; readonly valueBytes: number }
  | ({ readonly kind: 'puts'; readonly valueBytes: number } & Load)
  | ({ readonly kind: 'gets' } & Load)
  | { readonly kind: 'stop' | 'status' | 'close' }
  | {
      readonly kind: 'change'
      readonly change: RingChange
      readonly where: { readonly host: string; readonly port: number }
    }

export interface Reply {
  readonly number: number
  readonly result?: unknown
  readonly error?: string
}

// What Level calls formats: keys and values reach a database as strings (`utf8`) or as bytes (`buffer`, `view`), and every
// call says which. The stores below have one handle for each pair of encodings, so each pair has a handle here.
import { keyCodec } from '../encoding.ts'
import { DEFAULT_TREE } from '../ordered/operation.ts'
import type { ByteRange } from '../ordered/range.ts'
import type { TreeOptions } from '../ordered/types.ts'
import type { KeyRange } from '../ordered-store.ts'

/** How a call gives its keys, or its values. `view` differs from `buffer` only in what may be given; Buffers come back. */
export type Format = 'utf8' | 'buffer' | 'view'
/** A key or a value in one of the formats. */
export type Formatted = string | Uint8Array

const utf8 = keyCodec('utf8') as { encode(text: string): Uint8Array }

/** The bytes of a key or a value. @throws INVALID_INPUT for strings that have no UTF-8 form */
export function bytesOf(formatted: Formatted): Uint8Array {
  return typeof formatted === 'string' ? utf8.encode(formatted) : formatted
}

/** The handles on one state of a store, made when they are first asked for. */
export class Handles<Handle> {
  private readonly made: (Handle | undefined)[] = [undefined, undefined, undefined, undefined]
  private readonly make: (tree: string, options: TreeOptions) => Handle

  /** @param make - Gives the handle of a tree in some encodings. */
  constructor(make: (tree: string, options: TreeOptions) => Handle) {
    this.make = make
  }

  /** The handle whose keys and values have these formats; where a call has no values, theirs does not matter. */
  in(keys: Format | undefined, values: Format | undefined): Handle {
    const index = (keys === 'utf8' ? 2 : 0) + (values === 'utf8' ? 1 : 0)
    return this.made[index] ?? this.first(index)
  }

  private first(index: number): Handle {
    const handle = this.make(DEFAULT_TREE, {
      keyEncoding: index >= 2 ? 'utf8' : 'buffer',
      valueEncoding: index % 2 === 1 ? 'utf8' : 'buffer',
    })
    this.made[index] = handle
    return handle
  }
}

/** The bounds that Level's options name: where there are two of one side, the inclusive one counts. */
export function boundsOf({ gt, gte, lt, lte }: KeyRange<Formatted>): KeyRange<Formatted> {
  const bounds: KeyRange<Formatted> = {}
  if (gte !== undefined) bounds.gte = gte
  else if (gt !== undefined) bounds.gt = gt
  if (lte !== undefined) bounds.lte = lte
  else if (lt !== undefined) bounds.lt = lt
  return bounds
}

/** The same on bytes. */
export function byteRangeOf({ gt, gte, lt, lte }: KeyRange<Formatted>): ByteRange {
  const lower = gte ?? gt
  const upper = lte ?? lt
  return {
    lower: lower === undefined ? undefined : bytesOf(lower),
    lowerInclusive: gte !== undefined,
    upper: upper === undefined ? undefined : bytesOf(upper),
    upperInclusive: lte !== undefined,
  }
}

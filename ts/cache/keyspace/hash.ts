import type { EncodingLimits } from './encoding.ts'
import { IndexedMap } from './indexed-map.ts'
import { objectBytes } from './memory.ts'

const OWN_BYTES = objectBytes(3)

/** Fields and their values. Redis keeps few short ones in a listpack and never goes back once there were more. */
export class Hash {
  readonly type = 'hash'
  encoding: 'listpack' | 'hashtable' = 'listpack'
  fields = new IndexedMap<string>()

  /** What it costs in memory, about. O(1). */
  get bytes(): number {
    return OWN_BYTES + this.fields.bytes
  }

  /** @returns True if the field is new. */
  set(field: string, value: string, limits: EncodingLimits): boolean {
    const isNew = this.fields.set(field, value)
    if (this.encoding === 'listpack') {
      const longest = Math.max(field.length, value.length)
      if (longest > limits.hashMaxListpackValue || this.fields.size > limits.hashMaxListpackEntries) {
        this.encoding = 'hashtable'
      }
    }
    return isNew
  }

  clone(): Hash {
    const copy = new Hash()
    copy.encoding = this.encoding
    copy.fields = this.fields.clone()
    return copy
  }
}

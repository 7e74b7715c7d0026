// A bulk load: entries go to the core in packs, `keyLength u32 | valueLength u32 | key | value` behind each other.
import type { NativeTreeHandle } from '../../../native/store.ts'
import { larger } from '../../ordered/packed-operations.ts'
import type { BTreeCore } from './core.ts'

const HEADER_BYTES = 8
const PACK_ENTRIES = 512
const PACK_BYTES = 64 * 1024

export class BulkLoad {
  private readonly core: BTreeCore
  private id: number | undefined
  private pack: Buffer
  private length = 0
  private count = 0

  constructor(core: BTreeCore, tree: NativeTreeHandle) {
    this.core = core
    this.id = core.checked(core.raw.beginLoad(tree))
    this.pack = core.lend()
  }

  /** Copies an entry. @returns True if a pack went to the core with it: others may want their turn. */
  add(key: Uint8Array, value: Uint8Array): boolean {
    this.core.assertWritable()
    const keyAt = this.length + HEADER_BYTES
    const end = keyAt + key.length + value.length
    if (end > this.pack.length) this.pack = larger(this.pack, this.length, end)
    this.pack.writeUInt32LE(key.length, this.length)
    this.pack.writeUInt32LE(value.length, this.length + 4)
    this.pack.set(key, keyAt)
    this.pack.set(value, keyAt + key.length)
    this.length = end
    this.count++
    if (this.count < PACK_ENTRIES && this.length < PACK_BYTES) return false
    this.handOver()
    return true
  }

  /** Makes all of it the content of the tree, durably. @returns The number of entries. */
  async finish(): Promise<number> {
    this.core.assertWritable()
    this.handOver()
    const { id } = this
    this.id = undefined
    try {
      return await this.core.run(this.core.raw.finishLoad(id as number))
    } finally {
      this.core.acknowledgements.update() // where it failed, the log may have come to rest
    }
  }

  /** Leaves the store as it was, if the load was not finished. */
  close(): void {
    if (this.id !== undefined && this.core.isOpen) this.core.raw.dropLoad(this.id)
    this.id = undefined
    this.core.giveBack(this.pack)
  }

  private handOver(): void {
    this.core.checked(this.core.raw.addToLoad(this.id as number, this.pack, this.count))
    this.length = 0
    this.count = 0
  }
}

// Records of a node in the simulator: what is written shows at once, and is durable when the node's disk says so.
import {
  type Backend,
  BUCKETS,
  type Bucket,
  MemoryBackend,
  type Write,
} from '../../../ts/distributed/locks/mvcc/backend.ts'

const NO_BYTES = new Uint8Array(0)

/** A backend of one life of a node. */
export class SimulatedBackend extends MemoryBackend {
  readonly #write: (apply: () => void) => void
  readonly #durable: Backend

  /** @param write - Writes something durable, in order. */
  constructor(durable: Backend, write: (apply: () => void) => void) {
    super()
    this.#durable = durable
    this.#write = write
    for (const bucket of BUCKETS) void super.write(recordsOf(durable, bucket))
  }

  override write(writes: readonly Write[]): Promise<void> {
    const shown = super.write(writes)
    this.#write(() => void this.#durable.write(writes))
    return shown
  }
}

function recordsOf(backend: Backend, bucket: Bucket): Write[] {
  return [...backend.scan(bucket, NO_BYTES)].map(([key, value]) => ({ bucket, key, value }))
}

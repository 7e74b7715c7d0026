// A state machine as those of replication are: what was applied, and above it an overlay of what is merely shown.
import { BedplateError } from '../../../ts/base/errors.ts'
import type { LogIndex, StateMachine } from '../../../ts/distributed/raft/index.ts'
import { mix } from '../../../ts/testing/simulation/index.ts'

const COMMAND_BYTES = 5
const NO_RESULT = new Uint8Array(0)

export interface Write {
  readonly key: number
  /** No two writes have the same. */
  readonly value: number
}

export function encodeWrite({ key, value }: Write): Uint8Array {
  const bytes = new Uint8Array(COMMAND_BYTES)
  const view = new DataView(bytes.buffer)
  view.setUint8(0, key)
  view.setUint32(1, value, true)
  return bytes
}

export function decodeWrite(command: Uint8Array): Write {
  const view = new DataView(command.buffer, command.byteOffset, command.byteLength)
  return { key: view.getUint8(0), value: view.getUint32(1, true) }
}

/** Keys of one byte with the number that was written last. */
export class OverlayMachine implements StateMachine {
  /** Of all commands applied so far, in order. */
  digest = 0
  private applied = new Map<number, number>()
  private overlay: (Write & { readonly index: LogIndex })[] = []

  /** 0 if nothing was written. */
  read(key: number): number {
    return this.overlay.findLast((write) => write.key === key)?.value ?? this.applied.get(key) ?? 0
  }

  apply(command: Uint8Array, index: LogIndex): Uint8Array {
    const { key, value } = decodeWrite(command)
    this.applied.set(key, value)
    this.digest = mix(mix(this.digest, key), value)
    while ((this.overlay[0]?.index ?? Number.POSITIVE_INFINITY) <= index) this.overlay.shift()
    return NO_RESULT
  }

  show(command: Uint8Array, index: LogIndex): Uint8Array {
    this.overlay.push({ ...decodeWrite(command), index })
    return NO_RESULT
  }

  hide(from: LogIndex): void {
    this.overlay = this.overlay.filter(({ index }) => index < from)
  }

  snapshot(): Uint8Array {
    const writes = [...this.applied].map(([key, value]) => encodeWrite({ key, value }))
    const head = new Uint8Array(4)
    new DataView(head.buffer).setInt32(0, this.digest, true)
    return Buffer.concat([head, ...writes])
  }

  restore(snapshot: Uint8Array): void {
    if (snapshot.length % COMMAND_BYTES !== 4) throw new BedplateError('CORRUPTION', 'this is no snapshot')
    this.digest = new DataView(snapshot.buffer, snapshot.byteOffset).getInt32(0, true)
    this.applied = new Map()
    this.overlay = []
    for (let at = 4; at < snapshot.length; at += COMMAND_BYTES) {
      const { key, value } = decodeWrite(snapshot.subarray(at, at + COMMAND_BYTES))
      this.applied.set(key, value)
    }
  }
}

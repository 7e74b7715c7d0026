// A state machine whose state remembers everything that was done to it: a command that is executed twice, left out or moved
// gives another state.
import { BedplateError } from '../../../ts/base/errors.ts'
import type { StateMachine } from '../../../ts/distributed/raft/index.ts'
import { mix } from '../../../ts/testing/simulation/index.ts'

const HEADER_BYTES = 8

/** Values are numbers of 32 bits that each command mixes something into. */
export class ChainMachine implements StateMachine {
  /** Of all commands so far, in order. */
  digest = 0
  private values = new Map<number, number>()
  private readonly isReversed: boolean

  /** @param options.isReversed - Its snapshots have the same content and not the same bytes, as those of two programs may. */
  constructor({ isReversed = false } = {}) {
    this.isReversed = isReversed
  }

  read(key: number): number {
    return this.values.get(key) ?? 0
  }

  apply(command: Uint8Array): Uint8Array {
    const view = new DataView(command.buffer, command.byteOffset, command.byteLength)
    const key = view.getUint8(0)
    const added = view.getUint32(1, true)
    const value = chain(this.read(key), added)
    this.values.set(key, value)
    this.digest = mix(mix(this.digest, key), value)
    const result = new Uint8Array(4)
    new DataView(result.buffer).setUint32(0, value, true)
    return result
  }

  snapshot(): Uint8Array {
    const bytes = new Uint8Array(HEADER_BYTES + 8 * this.values.size)
    const view = new DataView(bytes.buffer)
    view.setInt32(0, this.digest, true)
    view.setInt32(4, this.valuesDigest(), true)
    let at = HEADER_BYTES
    const values = [...this.values].sort(([a], [b]) => (this.isReversed ? b - a : a - b))
    for (const [key, value] of values) {
      view.setUint32(at, key, true)
      view.setUint32(at + 4, value, true)
      at += 8
    }
    return bytes
  }

  restore(snapshot: Uint8Array): void {
    const view = new DataView(snapshot.buffer, snapshot.byteOffset, snapshot.byteLength)
    this.digest = view.getInt32(0, true)
    this.values = new Map()
    for (let at = HEADER_BYTES; at < snapshot.length; at += 8) {
      this.values.set(view.getUint32(at, true), view.getUint32(at + 4, true))
    }
    if (this.valuesDigest() !== view.getInt32(4, true)) {
      throw new BedplateError('CORRUPTION', 'the values of a snapshot are not those that were put in')
    }
  }

  private valuesDigest(): number {
    let digest = 0
    for (const [key, value] of this.values) digest = (digest + mix(key, value)) | 0
    return digest
  }
}

/** What a value becomes. */
export function chain(value: number, added: number): number {
  return mix(value, added) >>> 0
}

export function chainCommand(key: number, added: number): Uint8Array {
  const bytes = new Uint8Array(5)
  const view = new DataView(bytes.buffer)
  view.setUint8(0, key)
  view.setUint32(1, added, true)
  return bytes
}

export function chainResult(result: Uint8Array): number {
  return new DataView(result.buffer, result.byteOffset).getUint32(0, true)
}

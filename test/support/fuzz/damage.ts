// Frames of ../../../ts/distributed/link with something changed in them.
import { beginFrame, endFrame } from '../../../ts/distributed/link/index.ts'
import type { Random } from '../../../ts/io/random.ts'
import { below } from '../btree-crash/workload.ts'
import { mutate } from './mutate.ts'

const HEADER_BYTES = 8
const SEALED_CHANCE = 0.9

/** One frame, its body changed; under a checksum that fits more often than not. */
export function damagedFrame(frame: Uint8Array, random: Random): Uint8Array {
  if (random.next() >= SEALED_CHANCE) return mutate(frame, random)
  const body = frame.subarray(HEADER_BYTES)
  const bytes = random.next() < 0.05 ? random.bytes(below(random, body.length + 1)) : mutate(body, random)
  return endFrame(beginFrame().raw(bytes), bytes.length, '')
}

/** The bytes in pieces of any size. */
export function* pieces(bytes: Uint8Array, random: Random): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; ) {
    const end = at + 1 + below(random, random.next() < 0.5 ? 8 : bytes.length)
    yield bytes.subarray(at, end)
    at = end
  }
}

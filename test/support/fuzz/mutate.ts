import type { Random } from '../../../ts/io/random.ts'
import { below, pick } from '../btree-crash/workload.ts'

/** Numbers at which lengths, counts and offsets go wrong. */
const NUMBERS = [0, 1, 2, 7, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff]

/** One to four changes of `bytes` in fresh memory; the length may change too. */
export function mutate(bytes: Uint8Array, random: Random): Uint8Array {
  let mutated: Uint8Array = Uint8Array.from(bytes)
  for (let i = 1 + below(random, 4); i > 0; i--) mutated = pick(random, CHANGES)(mutated, random)
  return mutated
}

/** The same of the same length. */
export function mutateInPlace(bytes: Uint8Array, random: Random): Uint8Array {
  const mutated = new Uint8Array(bytes.length)
  mutated.set(mutate(bytes, random).subarray(0, bytes.length))
  return mutated
}

type Change = (bytes: Uint8Array, random: Random) => Uint8Array

const CHANGES: readonly Change[] = [flipBit, flipBit, setByte, setNumber, setNumber, copyWithin, fill, cut, extend]

/** A place in `bytes`; as often as not near the beginning, where headers are. */
function placeIn(bytes: Uint8Array, random: Random): number {
  return below(random, random.next() < 0.5 ? Math.min(bytes.length, 128) : bytes.length)
}

function flipBit(bytes: Uint8Array, random: Random): Uint8Array {
  const at = placeIn(bytes, random)
  if (bytes.length > 0) bytes[at] = (bytes[at] as number) ^ (1 << below(random, 8))
  return bytes
}

function setByte(bytes: Uint8Array, random: Random): Uint8Array {
  if (bytes.length > 0) bytes[placeIn(bytes, random)] = below(random, 256)
  return bytes
}

/** A little-endian number of one to six bytes. */
function setNumber(bytes: Uint8Array, random: Random): Uint8Array {
  let number = pick(random, NUMBERS)
  const at = placeIn(bytes, random)
  const end = Math.min(bytes.length, at + pick(random, [1, 2, 4, 6]))
  for (let i = at; i < end; i++) {
    bytes[i] = number % 256
    number = Math.floor(number / 256)
  }
  return bytes
}

function copyWithin(bytes: Uint8Array, random: Random): Uint8Array {
  const from = placeIn(bytes, random)
  return bytes.copyWithin(placeIn(bytes, random), from, from + 1 + below(random, 32))
}

function fill(bytes: Uint8Array, random: Random): Uint8Array {
  const at = placeIn(bytes, random)
  return bytes.fill(pick(random, [0, 0xff, below(random, 256)]), at, at + 1 + below(random, 64))
}

function cut(bytes: Uint8Array, random: Random): Uint8Array {
  return bytes.slice(0, below(random, bytes.length + 1))
}

function extend(bytes: Uint8Array, random: Random): Uint8Array {
  return Uint8Array.from([...bytes, ...random.bytes(below(random, 32))])
}

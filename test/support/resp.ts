import type { Random } from '../../ts/io/random.ts'

/** Cuts `bytes` into pieces of one to a dozen bytes, some of them empty. */
export function* pieces(bytes: Uint8Array, random: Random): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; ) {
    const size = Math.floor(random.next() * 12)
    yield bytes.slice(at, at + size)
    at += size
  }
}

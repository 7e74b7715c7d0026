// Randomness as engines see it: the machine's, or a seeded one whose runs can be repeated.

/** A source of randomness. */
export interface Random {
  /** A float in [0, 1). */
  next(): number
  /** `count` random bytes. */
  bytes(count: number): Uint8Array
}

/** Node's node:crypto, loaded when it is used: an import of it takes longer than opening a store. */
export function loadCrypto(): typeof import('node:crypto') {
  return process.getBuiltinModule('node:crypto')
}

/** The machine's cryptographic randomness. */
export const realRandom: Random = {
  next: () => new DataView(realRandom.bytes(4).buffer).getUint32(0) / 2 ** 32,
  bytes: (count) => loadCrypto().randomFillSync(new Uint8Array(count)),
}

/**
 * A repeatable source (sfc32, by Chris Doty-Humphrey, "PractRand"). Not for secrets.
 * @param seed - Any whole number; equal seeds give equal sequences.
 */
export function seededRandom(seed: number): Random {
  let a = seed | 0
  let b = Math.floor(seed / 2 ** 32) | 0
  let c = 0x9e3779b9 | 0
  let counter = 1
  const nextUint32 = (): number => {
    const result = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (c << 21) | (c >>> 11)
    c = (c + result) | 0
    return result >>> 0
  }
  for (let i = 0; i < 12; i++) nextUint32()
  return {
    next: () => nextUint32() / 2 ** 32,
    bytes: (count) => Uint8Array.from({ length: count }, () => nextUint32() & 0xff),
  }
}

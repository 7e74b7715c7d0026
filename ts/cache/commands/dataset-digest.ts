// The digests of DEBUG DIGEST and DEBUG DIGEST-VALUE, which are those of Redis (debug.c): two servers that hold the same keys with
// the same values give the same 40 digits. What has no order is added by xor, what has one by hashing what came before.
import { loadCrypto } from '../../io/random.ts'
import type { Database, Entry } from '../keyspace/database.ts'
import { msOf, sequenceOf } from '../keyspace/stream-id.ts'
import { isString, type TypeName, textOf, typeOf, type Value } from '../keyspace/values.ts'

const DIGEST_BYTES = 20
/** The numbers that Redis has for types. */
const TYPE_NUMBERS: Readonly<Record<TypeName, number>> = { string: 0, list: 1, set: 2, zset: 3, hash: 4, stream: 6 }
const SCORE_DIGITS = 17

/** Of all keys of all databases, 40 hexadecimal digits; zeros for none. O(all that is kept). */
export function datasetDigest(databases: readonly Database[]): string {
  const all = new Digest()
  for (const database of databases) {
    if (database.size === 0) continue
    all.mix(bigEndian(database.index))
    for (let position = 0; position < database.size; position++) {
      const entry = database.entryAt(position)
      const digest = new Digest()
      digest.mix(entry.key)
      addEntry(digest, entry)
      all.xor(digest.bytes)
    }
  }
  return all.bytes.toString('hex')
}

/** Of one value and whether it expires, without its key; zeros for none. O(size). */
export function valueDigest(entry: Entry | undefined): string {
  const digest = new Digest()
  if (entry !== undefined) addEntry(digest, entry)
  return digest.bytes.toString('hex')
}

class Digest {
  readonly bytes = Buffer.alloc(DIGEST_BYTES)

  /** Adds one of several without order. */
  xor(part: string | Uint8Array): void {
    const hash = sha1(part)
    for (let i = 0; i < DIGEST_BYTES; i++) this.bytes[i] = (this.bytes[i] as number) ^ (hash[i] as number)
  }

  /** Adds the next one of several in order. */
  mix(part: string | Uint8Array): void {
    this.xor(part)
    this.bytes.set(sha1(this.bytes))
  }
}

function addEntry(digest: Digest, { value, expiry }: Entry): void {
  digest.mix(bigEndian(TYPE_NUMBERS[typeOf(value)]))
  addValue(digest, value)
  if (expiry !== undefined) digest.xor('!!expire!!')
}

function addValue(digest: Digest, value: Value): void {
  if (isString(value)) {
    digest.mix(textOf(value))
    return
  }
  switch (value.type) {
    case 'list':
      for (const element of value.slice()) digest.mix(element)
      return
    case 'set':
      for (const member of value.members()) digest.xor(member)
      return
    case 'hash': {
      const { fields } = value
      for (let position = 0; position < fields.size; position++) {
        digest.xor(pairDigest(fields.keyAt(position), fields.valueAt(position)))
      }
      return
    }
    case 'zset':
      value.visit(0, value.size, false, (member, score) => digest.xor(pairDigest(member, formatScore(score))))
      return
    case 'stream':
      for (let index = 0; index < value.length; index++) {
        const { id, fields } = value.at(index)
        digest.mix(`${msOf(id)}.${sequenceOf(id)}`)
        for (const field of fields) digest.mix(field)
      }
  }
}

function pairDigest(first: string, second: string): Uint8Array {
  const digest = new Digest()
  digest.mix(first)
  digest.mix(second)
  return digest.bytes
}

/** As C prints it with `%.17g`. */
function formatScore(score: number): string {
  if (!Number.isFinite(score)) return score > 0 ? 'inf' : '-inf'
  const [digits = '', exponentText = '0'] = score.toExponential(SCORE_DIGITS - 1).split('e')
  const exponent = Number(exponentText)
  if (exponent < -4 || exponent >= SCORE_DIGITS) {
    const sign = exponent < 0 ? '-' : '+'
    return `${withoutZeros(digits)}e${sign}${String(Math.abs(exponent)).padStart(2, '0')}`
  }
  const text = withoutZeros(score.toFixed(Math.max(0, SCORE_DIGITS - 1 - exponent)))
  return Object.is(score, -0) ? `-${text}` : text
}

function withoutZeros(digits: string): string {
  return digits.includes('.') ? digits.replace(/\.?0+$/, '') : digits
}

function bigEndian(value: number): Uint8Array {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

function sha1(part: string | Uint8Array): Buffer {
  const hash = loadCrypto().createHash('sha1')
  return (typeof part === 'string' ? hash.update(part, 'latin1') : hash.update(part)).digest()
}

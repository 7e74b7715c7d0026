// All records of a backend in one piece: what a replica that was away too long gets, and what `snapshot save` writes.
//
//   magic "BPLOCKS1" | (bucket u8 | key length u32 LE | value length u32 LE | key | value)* | 0xff | CRC-32C u32 LE of all before
//
// The bucket `local` is not in it: what is there, a replica notes for itself.
import { BedplateError } from '../../../base/errors.ts'
import { crc32c } from '../../../storage/crc32c/index.ts'
import { type Backend, SHARED_BUCKETS, type Write } from './backend.ts'

const MAGIC = Buffer.from('BPLOCKS1')
const END = 0xff
const HEADER_BYTES = 9
const TRAILER_BYTES = 5

/** The records of a backend. */
export function writeSnapshot(backend: Backend): Uint8Array {
  const pieces: Uint8Array[] = [MAGIC]
  for (const [number, bucket] of SHARED_BUCKETS.entries()) {
    for (const [key, value] of backend.scan(bucket, new Uint8Array(0))) {
      const header = Buffer.allocUnsafe(HEADER_BYTES)
      header[0] = number
      header.writeUInt32LE(key.length, 1)
      header.writeUInt32LE(value.length, 5)
      pieces.push(header, key, value)
    }
  }
  pieces.push(Uint8Array.of(END), new Uint8Array(4))
  const bytes = Buffer.concat(pieces)
  bytes.writeUInt32LE(crc32c(bytes.subarray(0, -4)), bytes.length - 4)
  return bytes
}

/** The records of a snapshot. @throws CORRUPTION if the bytes are none */
export function readSnapshot(bytes: Uint8Array): Write[] {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (view.length < MAGIC.length + TRAILER_BYTES || !view.subarray(0, MAGIC.length).equals(MAGIC)) {
    throw corrupt('it does not begin as one')
  }
  const end = view.length - TRAILER_BYTES
  if (view.readUInt32LE(view.length - 4) !== crc32c(view.subarray(0, -4))) throw corrupt('its checksum is wrong')
  const writes: Write[] = []
  let at = MAGIC.length
  while (at < end) {
    if (end - at < HEADER_BYTES) throw corrupt('it ends within a record')
    const bucket = SHARED_BUCKETS[view[at] as number]
    const keyLength = view.readUInt32LE(at + 1)
    const valueLength = view.readUInt32LE(at + 5)
    at += HEADER_BYTES
    if (bucket === undefined) throw corrupt('a record is of no bucket')
    if (keyLength + valueLength > end - at) throw corrupt('a record leads beyond the end')
    writes.push({
      bucket,
      key: view.subarray(at, at + keyLength),
      value: view.subarray(at + keyLength, at + keyLength + valueLength),
    })
    at += keyLength + valueLength
  }
  if (view[end] !== END) throw corrupt('it has no end')
  return writes
}

function corrupt(what: string): BedplateError {
  return new BedplateError('CORRUPTION', `no snapshot of the lock service: ${what}`)
}

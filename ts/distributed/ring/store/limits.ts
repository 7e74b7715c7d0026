// What a key, a value and an address may be, wherever they come from.
import { BedplateError } from '../../../base/errors.ts'
import { MAX_NAME_LENGTH } from '../types.ts'

/** Of UTF-8. */
export const MAX_KEY_BYTES = 1024
export const MAX_VALUE_BYTES = 1024 * 1024
/** Of a key: the largest N. */
export const MAX_REPLICAS = 64
/** Of the name under which a node takes writes: its own and an epoch. */
export const MAX_WRITER_LENGTH: number = MAX_NAME_LENGTH + 20
/** No such name has more bytes of UTF-8. */
export const MAX_NAME_BYTES = 3 * MAX_WRITER_LENGTH
/** Numbers that nodes count on: epochs, eras, ballots, lives. Sums of them lose nothing. */
export const MAX_COUNTED: number = 2 ** 50
/** What nodes tell each other of one key at most: keys with more of siblings are not copied until somebody has replaced them. */
export const MAX_FRAME_BYTES = 66 * 1024 * 1024

/** @throws INVALID_INPUT for a key that cannot be stored. */
export function checkKey(key: string): void {
  if (typeof key !== 'string' || key === '') {
    throw new BedplateError('INVALID_INPUT', 'a key is text of at least one character')
  }
  const bytes = Buffer.byteLength(key)
  if (bytes > MAX_KEY_BYTES) {
    throw new BedplateError('INVALID_INPUT', `a key has at most ${MAX_KEY_BYTES} bytes, and this one ${bytes}`, {
      hint: 'store a hash of it, and the long text in the value',
    })
  }
  // Half a character outside the first plane has no UTF-8: it would come back as another key.
  if (Buffer.from(key).toString() !== key) throw new BedplateError('INVALID_INPUT', 'a key must be whole characters')
}

/** @throws INVALID_INPUT for a value that is too long. */
export function checkValue(value: Uint8Array): void {
  if (value.length <= MAX_VALUE_BYTES) return
  throw new BedplateError(
    'INVALID_INPUT',
    `a value has at most ${MAX_VALUE_BYTES} bytes, and this one ${value.length}`,
    { hint: 'cut it into several, under keys of their own' },
  )
}

/** The address of a node, without a slash behind it. @throws INVALID_INPUT */
export function checkUrl(url: string): string {
  if (/^https?:\/\/[^\s/?#]+\/?$/.test(url)) return url.replace(/\/$/, '')
  throw new BedplateError('INVALID_INPUT', `${JSON.stringify(String(url).slice(0, 80))} is no address of a node`, {
    hint: 'write it like http://127.0.0.1:7100',
  })
}

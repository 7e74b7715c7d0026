// Bytes beside their meaning.
import { shorten, toLine } from '../kit/text.ts'

/** Bytes of a part that are shown. */
const SHOWN_BYTES = 16
const TEXT_WIDTH = 48
/** Of keys and values: more would be cut off anyway. */
const MAX_TEXT_BYTES = 4 * TEXT_WIDTH

/** The line above rows. @param what - What the rows mean. */
export function heading(what: string): string {
  return ` offset  ${'bytes'.padEnd(3 * SHOWN_BYTES + 1)} ${what}`
}

/** Offset, the first bytes, and what they mean. */
export function row({ offset, length }: { offset: number; length: number }, bytes: Uint8Array, text: string): string {
  const shown = bytes.subarray(offset, offset + Math.min(length, SHOWN_BYTES))
  const more = length > SHOWN_BYTES ? '…' : ' '
  return `${String(offset).padStart(7)}  ${(spaced(shown) + more).padEnd(3 * SHOWN_BYTES + 1)} ${text}`.trimEnd()
}

/** The beginning of bytes that could not be decoded. */
export function* dump(bytes: Uint8Array): Generator<string> {
  for (let offset = 0; offset < Math.min(bytes.length, 16 * SHOWN_BYTES); offset += SHOWN_BYTES) {
    const text = Buffer.from(bytes.subarray(offset, offset + SHOWN_BYTES)).toString('latin1')
    yield row({ offset, length: SHOWN_BYTES }, bytes, text.replaceAll(/[^ -~]/g, '.'))
  }
}

/** A key or a value on few characters. */
export function brief(bytes: Uint8Array): string {
  return bytes.length === 0 ? '""' : shorten(toLine(bytes.subarray(0, MAX_TEXT_BYTES)), TEXT_WIDTH)
}

function spaced(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(' ')
}

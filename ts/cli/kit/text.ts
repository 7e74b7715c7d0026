// Bytes and figures as people read them.
import { isUtf8 } from 'node:buffer'

/** What must not reach a terminal as it is: control characters, C1 ones included, and line separators. */
const CONTROL = /[\p{Cc}\u2028\u2029]/gu
const NAMED: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

/**
 * Shows bytes on one line: text as it is, control characters and what is not UTF-8 as escapes (`\n`, `\x9c`).
 * For people alone: a backslash of the text itself stays single.
 */
export function toLine(bytes: Uint8Array): string {
  return pieces(bytes).replaceAll(CONTROL, (character) => NAMED[character] ?? escapeBytes(Buffer.from(character)))
}

/** The same with line ends and tabs left as they are. */
export function toText(bytes: Uint8Array): string {
  return pieces(bytes).replaceAll(CONTROL, (c) => (/[\n\r\t]/.test(c) ? c : escapeBytes(Buffer.from(c))))
}

/** True if `toText` shows the bytes without any escape. */
export function isText(bytes: Uint8Array): boolean {
  return isUtf8(bytes) && toText(bytes) === asBuffer(bytes).toString('utf8')
}

/** Cuts text to `length` characters, with an ellipsis if something is missing. */
export function shorten(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`
}

/** `1,234,567`; numbers that are not whole keep up to two digits behind the point. */
export function formatNumber(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: 2 })
}

/** `12.3 MiB`, with the unit that fits. */
export function formatBytes(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB']
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10))
  const value = bytes / 1024 ** power
  return `${value.toLocaleString('en-US', { maximumFractionDigits: value < 10 && power > 0 ? 1 : 0 })} ${units[power]}`
}

/** `1 key`, `2 keys`. */
export function plural(count: number, noun: string, many = `${noun}s`): string {
  return `${formatNumber(count)} ${count === 1 ? noun : many}`
}

/** A view of the same bytes with Buffer's methods. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** The text of bytes, with an escape for each byte that belongs to no character. */
function pieces(bytes: Uint8Array): string {
  if (isUtf8(bytes)) return asBuffer(bytes).toString('utf8')
  let text = ''
  for (let at = 0; at < bytes.length; ) {
    const sequence = bytes.subarray(at, at + sequenceLength(bytes[at] as number))
    const whole = isUtf8(sequence)
    text += whole ? asBuffer(sequence).toString('utf8') : escapeBytes(sequence.subarray(0, 1))
    at += whole ? sequence.length : 1
  }
  return text
}

/** The length of the UTF-8 sequence that a byte begins; 1 if it begins none. */
function sequenceLength(lead: number): number {
  if (lead < 0xc0) return 1
  if (lead < 0xe0) return 2
  return lead < 0xf0 ? 3 : 4
}

function escapeBytes(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')
}

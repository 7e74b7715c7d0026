// How keys and values are printed.
import { isUtf8 } from 'node:buffer'
import { asBuffer, toLine } from '../kit/text.ts'
import type { GeneralOptions } from './context.ts'

/** An entry, or the half of it that was asked for. */
export interface Shown {
  readonly key?: Uint8Array
  readonly value?: Uint8Array
}

/** One line for an entry: `key: value`, or the one of both that there is. A JSON object with --json. */
export function entryLine(options: GeneralOptions, entry: Shown): Uint8Array | string {
  if (options.json === true) return `${JSON.stringify(toJson(options, entry))}\n`
  const halves = [entry.key, entry.value].filter((half) => half !== undefined)
  if (options.raw === true) return rawLine(halves)
  const show = options.hex === true ? toHex : toLine
  return `${halves.map(show).join(': ')}\n`
}

/** An entry as a JSON object: text as `key`, other bytes as `key64` (base64); all as `keyHex` with --hex. */
export function toJson(options: GeneralOptions, entry: Shown): Record<string, string> {
  const fields: Record<string, string> = {}
  for (const name of ['key', 'value'] as const) {
    const bytes = entry[name]
    if (bytes === undefined) continue
    if (options.hex === true) fields[`${name}Hex`] = toHex(bytes)
    else if (isUtf8(bytes)) fields[name] = asBuffer(bytes).toString('utf8')
    else fields[`${name}64`] = asBuffer(bytes).toString('base64')
  }
  return fields
}

export function toHex(bytes: Uint8Array): string {
  return asBuffer(bytes).toString('hex')
}

function rawLine(halves: readonly Uint8Array[]): Uint8Array {
  const separator = Buffer.from(': ')
  const parts = halves.flatMap((half, index) => (index === 0 ? [half] : [separator, half]))
  return Buffer.concat([...parts, Buffer.from('\n')])
}

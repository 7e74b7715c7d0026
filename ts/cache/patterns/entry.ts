// What is stored under a key: a line that says how long it is good, then the value.
//
//   bedplate1 <v|n> <fresh until> <load ms>\n<value as the codec writes it>
//
// `v` is a value, `n` says that there is no record. `fresh until` is in milliseconds since 1970 by the clock of whoever loaded
// it; the time to live that Redis keeps bounds it whatever that clock says. Anything else that lies under a key is no entry.
import { MAX_ENTRY_LENGTH } from './types.ts'

/** A record, or that there is none, with its times. */
export interface Entry {
  /** What the codec wrote; undefined: there is no record. */
  readonly text: string | undefined
  /** Milliseconds since 1970. */
  readonly freshUntilMs: number
  /** What it took to load it, for XFetch. */
  readonly loadMs: number
}

const HEADER = /^bedplate1 ([vn]) (\d{1,16}) (\d{1,12})\n/

export function encodeEntry({ text, freshUntilMs, loadMs }: Entry): string {
  const kind = text === undefined ? 'n' : 'v'
  return `bedplate1 ${kind} ${Math.ceil(freshUntilMs)} ${Math.ceil(loadMs)}\n${text ?? ''}`
}

/** @returns Undefined for what is no entry. */
export function decodeEntry(stored: string): Entry | undefined {
  if (stored.length > MAX_ENTRY_LENGTH) return undefined
  const [header, kind, freshUntil, load] = HEADER.exec(stored) ?? []
  if (header === undefined) return undefined
  const text = kind === 'v' ? stored.slice(header.length) : undefined
  return { text, freshUntilMs: Number(freshUntil), loadMs: Number(load) }
}

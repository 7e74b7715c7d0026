// What files of entries look like: NDJSON, CSV and tab-separated text.

export const FORMATS = ['ndjson', 'csv', 'tsv'] as const
export type Format = (typeof FORMATS)[number]

/** The most bytes one line of a file may have, in either direction; larger values travel by `backup`. */
export const MAX_LINE_BYTES = 128 * 1024 * 1024

/** Which parts of a row become the entry. */
export interface RowShape {
  /** The field that is the key; default `key`. */
  readonly key?: string
  /** The field that is the value; default `value`. */
  readonly value?: string
  /** The whole row, as a JSON object, is the value. */
  readonly jsonRows?: boolean
}

/** One row of a file: an entry, or what is wrong with it. Lines count from 1. */
export type Row =
  | { readonly line: number; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly line: number; readonly problem: string }

/** Reads a file of entries, chunk by chunk. A row that cannot be read is a problem; a file that cannot be, an error. */
export type ReadRows = (input: AsyncIterable<Uint8Array>, shape: RowShape) => AsyncIterable<readonly Row[]>

/** Writes entries so that reading them again gives the same bytes. */
export interface RowWriter {
  /** What the file begins with. */
  readonly header: string
  /** One entry with its line end. */
  row(key: Uint8Array, value: Uint8Array): string
}

/** True if a row says nothing but what the default fields hold, so that our own encodings of bytes are meant. */
export function isPlainShape(shape: RowShape): boolean {
  return shape.key === undefined && shape.value === undefined && shape.jsonRows !== true
}

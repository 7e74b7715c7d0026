// Tab-separated text with the escapes of PostgreSQL's COPY: a line is key, tab, value; a backslash begins \t \n \r \\, or
// \xNN for one byte. Every sequence of bytes has a form in it. There is a header line only if a column is named.
import { isUtf8 } from 'node:buffer'
import { BedplateError } from '../../../base/errors.ts'
import { asBuffer } from '../../kit/text.ts'
import { type Line, linesOf } from './lines.ts'
import { rowAsJson } from './row-as-json.ts'
import { isPlainShape, type ReadRows, type Row, type RowShape, type RowWriter } from './types.ts'

const BACKSLASH = 0x5c
const TAB = 0x09

/** What a backslash before a letter stands for (PostgreSQL documentation, COPY, "Text Format"). */
const ESCAPES: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' }

export const writeTsv: RowWriter = {
  header: '',
  row: (key, value) => `${escapeField(key)}\t${escapeField(value)}\n`,
}

export const readTsv: ReadRows = async function* (input, shape) {
  let columns: string[] | undefined = isPlainShape(shape) ? ['key', 'value'] : undefined
  for await (const lines of linesOf(input)) {
    const rows: Row[] = []
    for (const line of lines) {
      if (columns === undefined) columns = readHeader(line, shape)
      else if (line.bytes.length > 0) rows.push(readLine(line, columns, shape))
    }
    yield rows
  }
}

/** A byte order mark is escaped since it would not survive at the beginning of a file. */
function escapeField(bytes: Uint8Array): string {
  const buffer = asBuffer(bytes)
  if (!isUtf8(buffer)) return escapeBytes(buffer)
  return buffer.toString('utf8').replaceAll(/[\\\t\n\r\uFEFF]/g, (character) => {
    switch (character) {
      case '\\':
        return '\\\\'
      case '\t':
        return '\\t'
      case '\n':
        return '\\n'
      case '\r':
        return '\\r'
      default:
        return '\\xef\\xbb\\xbf'
    }
  })
}

/** ASCII letters and the like as they are, all other bytes by number. */
function escapeBytes(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) =>
    byte >= 0x20 && byte < 0x7f && byte !== BACKSLASH
      ? String.fromCharCode(byte)
      : `\\x${byte.toString(16).padStart(2, '0')}`,
  ).join('')
}

function readHeader({ bytes }: Line, shape: RowShape): string[] {
  const columns = splitFields(bytes).map((field) => unescapeField(field)?.toString('utf8') ?? '')
  const wanted = [shape.key ?? 'key', ...(shape.jsonRows === true ? [] : [shape.value ?? 'value'])]
  const missing = wanted.find((name) => !columns.includes(name))
  if (missing === undefined) return columns
  throw new BedplateError('INVALID_INPUT', `line 1 is no header with a column ${JSON.stringify(missing)}`, {
    hint: `its columns are ${columns.join(', ')}`,
  })
}

function readLine({ number: line, bytes }: Line, columns: readonly string[], shape: RowShape): Row {
  const fields: Buffer[] = []
  for (const field of splitFields(bytes)) {
    const plain = unescapeField(field)
    if (plain === undefined) return { line, problem: 'a backslash that begins no escape, or \\N (no value)' }
    fields.push(plain)
  }
  if (fields.length !== columns.length) {
    return {
      line,
      problem: `${fields.length} ${fields.length === 1 ? 'field' : 'fields'} instead of ${columns.length}`,
    }
  }
  const key = fields[columns.indexOf(shape.key ?? 'key')] as Buffer
  if (shape.jsonRows !== true) return { line, key, value: fields[columns.indexOf(shape.value ?? 'value')] as Buffer }
  if (!fields.every((field) => isUtf8(field))) return { line, problem: 'not UTF-8' }
  return { line, key, value: rowAsJson(fields, columns) }
}

function splitFields(bytes: Buffer): Buffer[] {
  const fields: Buffer[] = []
  let start = 0
  for (let end = bytes.indexOf(TAB); end >= 0; end = bytes.indexOf(TAB, start)) {
    fields.push(bytes.subarray(start, end))
    start = end + 1
  }
  fields.push(bytes.subarray(start))
  return fields
}

/** The bytes that a field stands for; undefined if an escape is none. */
function unescapeField(field: Buffer): Buffer | undefined {
  if (!field.includes(BACKSLASH)) return field
  let wellFormed = true
  // One character a byte, so that any bytes pass through.
  const plain = field
    .toString('latin1')
    .replaceAll(/\\(x[0-9a-fA-F]{1,2}|[0-7]{1,3}|.)?/gs, (_escape, what?: string) => {
      if (what === undefined || what === 'x' || what === 'N' || what === '.') wellFormed = false
      else if (what.length > 1 && what.startsWith('x')) return String.fromCharCode(Number.parseInt(what.slice(1), 16))
      else if (/^[0-7]/.test(what)) return String.fromCharCode(Number.parseInt(what, 8) & 0xff)
      return ESCAPES[what ?? ''] ?? what ?? ''
    })
  return wellFormed ? Buffer.from(plain, 'latin1') : undefined
}

// NDJSON: one JSON object a line, such as {"key":"user:123","value":"hello"}.
//
// A value that is a string stands for its UTF-8 bytes; any other value for its JSON text, as it is
// written there. Bytes that are not UTF-8 are
// written in base64 under `key64` and `value64`.
import { isUtf8 } from 'node:buffer'
import { decodeBase64 } from './base64.ts'
import { memberText } from './json-text.ts'
import { linesOf } from './lines.ts'
import { isPlainShape, type ReadRows, type Row, type RowShape, type RowWriter } from './types.ts'

export const writeNdjson: RowWriter = {
  header: '',
  row: (key, value) => `{${member('key', key)},${member('value', value)}}\n`,
}

export const readNdjson: ReadRows = async function* (input, shape) {
  for await (const lines of linesOf(input)) {
    const rows: Row[] = []
    for (const { number, bytes } of lines) if (!isBlank(bytes)) rows.push(readLine(number, bytes, shape))
    yield rows
  }
}

/** A line and what JSON.parse makes of it. */
interface Source {
  readonly json: string
  readonly fields: Readonly<Record<string, unknown>>
}

function member(name: string, bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (isUtf8(buffer)) return `"${name}":${JSON.stringify(buffer.toString('utf8'))}`
  return `"${name}64":"${buffer.toString('base64')}"`
}

function isBlank(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0x20 || byte === 0x09)
}

function readLine(line: number, bytes: Buffer, shape: RowShape): Row {
  if (!isUtf8(bytes)) return { line, problem: 'not UTF-8' }
  const json = bytes.toString('utf8')
  let row: unknown
  try {
    row = JSON.parse(json)
  } catch {
    return { line, problem: 'not JSON' }
  }
  if (typeof row !== 'object' || row === null || Array.isArray(row)) return { line, problem: 'not a JSON object' }
  const source = { json, fields: row as Record<string, unknown> }
  const key = readField(source, shape.key ?? 'key', isPlainShape(shape))
  if (typeof key === 'string') return { line, problem: key }
  const value = shape.jsonRows === true ? bytes : readField(source, shape.value ?? 'value', isPlainShape(shape))
  return typeof value === 'string' ? { line, problem: value } : { line, key, value }
}

/** The bytes of a field, or in words what is wrong with it. */
function readField({ json, fields }: Source, name: string, withBase64: boolean): Uint8Array | string {
  if (Object.hasOwn(fields, name)) {
    const value = fields[name]
    return Buffer.from(typeof value === 'string' ? value : memberText(json, name))
  }
  const encoded = withBase64 && Object.hasOwn(fields, `${name}64`) ? fields[`${name}64`] : undefined
  if (encoded === undefined) return `no field ${JSON.stringify(name)}`
  return decodeBase64(encoded) ?? `${name}64 is not base64`
}

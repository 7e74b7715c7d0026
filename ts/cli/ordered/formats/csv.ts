// CSV (RFC 4180) with a header line. Files that we write have the columns key,value,encoding: `encoding` is empty for
// text, and `base64` for a row whose key or value is not UTF-8; then both are in base64.
import { isUtf8 } from 'node:buffer'
import { finished } from 'node:stream/promises'
import { type CsvError, type Info, type Parser, parse } from 'csv-parse'
import { BedplateError } from '../../../base/errors.ts'
import { asBuffer } from '../../kit/text.ts'
import { decodeBase64 } from './base64.ts'
import { withoutByteOrderMark } from './byte-order-mark.ts'
import { rowAsJson } from './row-as-json.ts'
import { isPlainShape, MAX_LINE_BYTES, type ReadRows, type Row, type RowShape, type RowWriter } from './types.ts'

/** What csv-parse gives for a row with the options below. */
interface Parsed {
  record: Buffer[]
  info: Info
}

const NEEDS_QUOTES = /[",\r\n\uFEFF]|^\s|\s$/

export const writeCsv: RowWriter = {
  header: 'key,value,encoding\n',
  row(key, value) {
    const [k, v] = [asBuffer(key), asBuffer(value)]
    if (isUtf8(k) && isUtf8(v)) return `${quote(k.toString('utf8'))},${quote(v.toString('utf8'))},\n`
    return `${k.toString('base64')},${v.toString('base64')},base64\n`
  },
}

export const readCsv: ReadRows = async function* (input, shape) {
  const problems: Row[] = []
  const parser = makeParser((line, problem) => problems.push({ line, problem }))
  let columns: string[] | undefined
  const drain = (): Row[] => {
    const rows: Row[] = problems.splice(0)
    for (let parsed = parser.read() as Parsed | null; parsed !== null; parsed = parser.read() as Parsed | null) {
      const { record, info } = parsed
      if (columns === undefined) columns = readHeader(record, shape)
      else rows.push(readRecord(info.lines, record, columns, shape))
    }
    return rows.sort((a, b) => a.line - b.line)
  }
  // Not by csv-parse's `bom`: where it finds a mark it gives fields as text, whatever `encoding` says.
  for await (const chunk of withoutByteOrderMark(input)) {
    const written = new Promise((resolve) => parser.write(chunk, resolve))
    yield drain() // also makes room, without which the write would never end
    await written
  }
  parser.end()
  await finished(parser, { readable: false })
  yield drain()
}

/** A parser that is fed and drained by hand: so rows and problems of a chunk come in the order of their lines. */
function makeParser(onProblem: (line: number, problem: string) => void): Parser {
  return parse({
    encoding: null, // fields as bytes: another encoding than UTF-8 must be noticed, not mangled
    info: true,
    max_record_size: MAX_LINE_BYTES,
    record_delimiter: ['\r\n', '\n'],
    relax_column_count: true,
    skip_empty_lines: true,
    skip_records_with_error: true,
    on_skip: (error) => {
      if (error !== undefined) onProblem(Number(error['lines']), reasonOf(error))
      return undefined
    },
  })
}

/** The names of the columns. @throws INVALID_INPUT if one is missing that `shape` needs: then no row can be read. */
function readHeader(record: readonly Buffer[], shape: RowShape): string[] {
  const columns = record.map((name) => name.toString('utf8'))
  const wanted = [shape.key ?? 'key', ...(shape.jsonRows === true ? [] : [shape.value ?? 'value'])]
  const missing = wanted.find((name) => !columns.includes(name))
  if (missing === undefined) return columns
  throw new BedplateError('INVALID_INPUT', `line 1 is no header with a column ${JSON.stringify(missing)}`, {
    hint: `its columns are ${columns.join(', ')}; name the ones to use with --key and --value or --json-rows`,
  })
}

function readRecord(line: number, record: readonly Buffer[], columns: readonly string[], shape: RowShape): Row {
  if (record.length !== columns.length) {
    return { line, problem: `${record.length} fields where the header has ${columns.length}` }
  }
  if (!record.every((field) => isUtf8(field))) return { line, problem: 'not UTF-8' }
  const field = (name: string): Buffer => record[columns.indexOf(name)] as Buffer
  const key = field(shape.key ?? 'key')
  if (shape.jsonRows === true) return { line, key, value: rowAsJson(record, columns) }
  const value = field(shape.value ?? 'value')
  if (!isPlainShape(shape) || !columns.includes('encoding')) return { line, key, value }
  return decodeRow(line, key, value, field('encoding').toString('utf8'))
}

/** An entry of a file that we wrote. */
function decodeRow(line: number, key: Buffer, value: Buffer, encoding: string): Row {
  if (encoding === '') return { line, key, value }
  if (encoding !== 'base64') return { line, problem: `unknown encoding ${JSON.stringify(encoding)}` }
  const [keyBytes, valueBytes] = [decodeBase64(key.toString('utf8')), decodeBase64(value.toString('utf8'))]
  if (keyBytes === undefined || valueBytes === undefined) return { line, problem: 'not base64' }
  return { line, key: keyBytes, value: valueBytes }
}

/** The reason in few words; csv-parse's own text repeats the position and the data. */
function reasonOf({ code, message }: CsvError): string {
  if (code === 'CSV_QUOTE_NOT_CLOSED') return 'a quote is never closed'
  if (code === 'CSV_INVALID_CLOSING_QUOTE') return 'text after a closing quote'
  if (code === 'CSV_MAX_RECORD_SIZE') return 'a field that is too long'
  return (code as string) === 'INVALID_OPENING_QUOTE' ? 'a quote inside a field that has none around it' : message
}

function quote(field: string): string {
  return NEEDS_QUOTES.test(field) ? `"${field.replaceAll('"', '""')}"` : field
}

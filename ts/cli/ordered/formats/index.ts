// Finds the format of a file and loads what reads or writes it.
import { extname } from 'node:path'
import { UsageError } from '../../kit/program.ts'
import type { Format, ReadRows, RowWriter } from './types.ts'

const BY_EXTENSION: Readonly<Record<string, Format>> = {
  '.ndjson': 'ndjson',
  '.jsonl': 'ndjson',
  '.json': 'ndjson',
  '.csv': 'csv',
  '.tsv': 'tsv',
  '.tab': 'tsv',
}

/**
 * The format asked for, or the one that the file's name tells.
 * @param file - Undefined: standard input or output.
 * @param unknown - The format where nothing tells it. By default NDJSON for standard input and output, for a file an error.
 */
export function formatOf(asked: Format | undefined, file: string | undefined, unknown?: Format): Format {
  if (asked !== undefined) return asked
  if (file === undefined) return unknown ?? 'ndjson'
  const format = BY_EXTENSION[extname(file).toLowerCase()] ?? unknown
  if (format !== undefined) return format
  throw new UsageError(`the name of ${file} does not tell its format`, 'say it: --format ndjson, csv or tsv')
}

export async function readerOf(format: Format): Promise<ReadRows> {
  switch (format) {
    case 'ndjson':
      return (await import('./ndjson.ts')).readNdjson
    case 'csv':
      return (await import('./csv.ts')).readCsv
    case 'tsv':
      return (await import('./tsv.ts')).readTsv
  }
}

export async function writerOf(format: Format): Promise<RowWriter> {
  switch (format) {
    case 'ndjson':
      return (await import('./ndjson.ts')).writeNdjson
    case 'csv':
      return (await import('./csv.ts')).writeCsv
    case 'tsv':
      return (await import('./tsv.ts')).writeTsv
  }
}

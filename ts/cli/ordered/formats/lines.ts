// Splits a stream of bytes into lines.
import { BedplateError } from '../../../base/errors.ts'
import { formatBytes } from '../../kit/text.ts'
import { withoutByteOrderMark } from './byte-order-mark.ts'
import { MAX_LINE_BYTES } from './types.ts'

const LINE_FEED = 0x0a
const CARRIAGE_RETURN = 0x0d

/** A line without its end (`\n` or `\r\n`), and its number, from 1. */
export interface Line {
  readonly number: number
  readonly bytes: Buffer
}

/**
 * Gives the lines of `input`, those that one chunk completed at a time. A byte order mark is not part of the first line.
 * @throws INVALID_INPUT for a line beyond MAX_LINE_BYTES: it is never collected whole.
 */
export async function* linesOf(input: AsyncIterable<Uint8Array>): AsyncGenerator<readonly Line[]> {
  let number = 0
  let rest: Buffer[] = []
  let restBytes = 0
  const finish = (tail: Buffer): Line => {
    let bytes = rest.length === 0 ? tail : Buffer.concat([...rest, tail])
    rest = []
    restBytes = 0
    if (bytes.at(-1) === CARRIAGE_RETURN) bytes = bytes.subarray(0, -1)
    return { number: ++number, bytes }
  }
  for await (const part of withoutByteOrderMark(input)) {
    const chunk = Buffer.from(part.buffer, part.byteOffset, part.byteLength)
    const lines: Line[] = []
    let start = 0
    for (let end = chunk.indexOf(LINE_FEED); end >= 0; end = chunk.indexOf(LINE_FEED, start)) {
      lines.push(finish(chunk.subarray(start, end)))
      start = end + 1
    }
    restBytes += chunk.length - start
    if (restBytes > MAX_LINE_BYTES) throw tooLong(number + 1)
    if (start < chunk.length) rest.push(chunk.subarray(start))
    if (lines.length > 0) yield lines
  }
  if (restBytes > 0) yield [finish(Buffer.alloc(0))]
}

function tooLong(line: number): BedplateError {
  return new BedplateError('INVALID_INPUT', `line ${line} is longer than ${formatBytes(MAX_LINE_BYTES)}`)
}

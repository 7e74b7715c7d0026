// LCS: the longest common subsequence of two strings, by dynamic programming (Wagner & Fischer, 1974).
import { isString, textOf } from '../keyspace/values.ts'
import type { Call } from './call.ts'
import { isWord } from './call.ts'
import { fail, SYNTAX_ERROR } from './errors.ts'

/** Redis bounds the table by proto-max-bulk-len. */
const MAX_TABLE_BYTES = 2 ** 29
const BOTH = 'ERR If you want both the length and indexes, please just use IDX.'

/** Two ranges of equal bytes; ends are inclusive, as Redis tells them. */
interface Match {
  readonly a: readonly [number, number]
  readonly b: readonly [number, number]
}

/** LCS key1 key2 [LEN] [IDX] [MINMATCHLEN length] [WITHMATCHLEN] */
export function lcs(call: Call, args: readonly string[]): void {
  const { reply } = call
  // Both keys are looked for before the type of either is judged.
  const [a, b] = [call.db.use(args[1] as string)?.value ?? '', call.db.use(args[2] as string)?.value ?? '']
  if (!isString(a) || !isString(b)) fail('ERR The specified keys must contain string values')
  const [first, second] = [textOf(a), textOf(b)]
  let wantsLength = false
  let wantsIndexes = false
  let withLengths = false
  let minimum = 0
  for (let i = 3; i < args.length; i++) {
    if (isWord(args[i], 'LEN')) wantsLength = true
    else if (isWord(args[i], 'IDX')) wantsIndexes = true
    else if (isWord(args[i], 'WITHMATCHLEN')) withLengths = true
    else if (isWord(args[i], 'MINMATCHLEN') && i + 1 < args.length) {
      minimum = Math.max(0, call.position(args[++i] as string))
    } else fail(SYNTAX_ERROR)
  }
  if (wantsLength && wantsIndexes) fail(BOTH)
  if ((first.length + 1) * (second.length + 1) * 4 > MAX_TABLE_BYTES) {
    fail('ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len')
  }
  const { text, matches } = solve(first, second)
  if (wantsLength) {
    reply.integer(text.length)
    return
  }
  if (!wantsIndexes) {
    reply.bulk(text)
    return
  }
  const shown = matches.filter(({ a: [start, end] }) => end - start + 1 >= minimum)
  reply.map(2)
  reply.bulk('matches')
  reply.array(shown.length)
  for (const { a, b } of shown) {
    reply.array(withLengths ? 3 : 2)
    for (const range of [a, b]) {
      reply.array(2)
      for (const end of range) reply.integer(end)
    }
    if (withLengths) reply.integer(a[1] - a[0] + 1)
  }
  reply.bulk('len')
  reply.integer(text.length)
}

/** O(a x b) time and memory. Matches come from the last to the first. */
function solve(a: string, b: string): { text: string; matches: Match[] } {
  const width = b.length + 1
  // lengths[i * width + j] is the answer for the first i bytes of a and the first j of b.
  const lengths = new Uint32Array((a.length + 1) * width)
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const above = lengths[(i - 1) * width + j] as number
      const left = lengths[i * width + j - 1] as number
      const isEqual = a.charCodeAt(i - 1) === b.charCodeAt(j - 1)
      lengths[i * width + j] = isEqual ? (lengths[(i - 1) * width + j - 1] as number) + 1 : Math.max(above, left)
    }
  }
  const matches: Match[] = []
  const bytes: string[] = []
  let i = a.length
  let j = b.length
  while (i > 0 && j > 0) {
    if (a.charCodeAt(i - 1) === b.charCodeAt(j - 1)) {
      i--
      j--
      bytes.push(a.charAt(i))
      const last = matches.at(-1)
      if (last !== undefined && last.a[0] === i + 1 && last.b[0] === j + 1) {
        matches[matches.length - 1] = { a: [i, last.a[1]], b: [j, last.b[1]] }
      } else matches.push({ a: [i, i], b: [j, j] })
    } else if ((lengths[(i - 1) * width + j] as number) > (lengths[i * width + j - 1] as number)) i--
    else j--
  }
  return { text: bytes.reverse().join(''), matches }
}

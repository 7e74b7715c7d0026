// What commands that wait have in common.
import { parseDouble } from '../keyspace/numbers.ts'
import { type Call, isWord } from './call.ts'
import { fail, SYNTAX_ERROR } from './errors.ts'

const BAD_TIMEOUT = 'ERR timeout is not a float or out of range'
const MAX_INT64 = 2 ** 63

/** The end of a wait of `text` seconds, in milliseconds since 1970; undefined, for ever, for 0. */
export function parseTimeout(call: Call, text: string): number | undefined {
  const seconds = parseDouble(text) ?? fail(BAD_TIMEOUT)
  if (seconds * 1000 >= MAX_INT64) fail(BAD_TIMEOUT)
  if (seconds < 0) fail('ERR timeout is negative')
  return seconds === 0 ? undefined : call.now + Math.ceil(seconds * 1000)
}

/** The arguments of a command with `numkeys key...` at index `at`, asking for one key alone. */
export function onlyKey(
  args: readonly string[],
  at: number,
  keys: readonly string[],
): (key: string) => readonly string[] {
  return (key) => [...args.slice(0, at), '1', key, ...args.slice(at + 1 + keys.length)]
}

/** `numkeys key...` beginning at index `at`: the keys and the index after them. */
export function parseKeys(call: Call, args: readonly string[], at: number): { keys: string[]; next: number } {
  const count = call.bounded(args[at] as string, 1, Number.MAX_SAFE_INTEGER, 'ERR numkeys should be greater than 0')
  const next = at + 1 + count
  return { keys: args.slice(at + 1, next), next }
}

/** `numkeys key... end [COUNT count]`, beginning at index `at`. @param parseEnd - Fails for what is no end. */
export function parsePop<End>(
  call: Call,
  args: readonly string[],
  at: number,
  parseEnd: (text: string | undefined) => End,
): { keys: string[]; end: End; count: number } {
  const { keys, next } = parseKeys(call, args, at)
  const end = parseEnd(args[next])
  let count = 1
  if (args.length > next + 1) {
    if (args.length !== next + 3 || !isWord(args[next + 1], 'COUNT')) fail(SYNTAX_ERROR)
    count = call.bounded(args[next + 2] as string, 1, Number.MAX_SAFE_INTEGER, 'ERR count should be greater than 0')
  }
  return { keys, end, count }
}

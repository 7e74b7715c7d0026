// Which arguments of a command are keys: for COMMAND GETKEYS, ACL and cluster slots.
import { parseSafeInteger } from '../keyspace/numbers.ts'
import type { CommandSpec } from './specs.ts'

/** Commands that say how many keys follow, and where they say it. */
const COUNTED: ReadonlyMap<string, number> = new Map([
  ...['lmpop', 'zmpop', 'sintercard', 'zunion', 'zinter', 'zdiff', 'zintercard'].map((name) => [name, 1] as const),
  ...['blmpop', 'bzmpop', 'zunionstore', 'zinterstore', 'zdiffstore'].map((name) => [name, 2] as const),
  ...['eval', 'evalsha', 'eval_ro', 'evalsha_ro', 'fcall', 'fcall_ro'].map((name) => [name, 2] as const),
])
/** Commands that name a destination after a keyword. */
const STORING: ReadonlyMap<string, readonly string[]> = new Map([
  ['sort', ['STORE']],
  ['georadius', ['STORE', 'STOREDIST']],
  ['georadiusbymember', ['STORE', 'STOREDIST']],
])
/** Words of SORT that are followed by so many arguments, which may look like STORE. */
const SORT_WORDS: ReadonlyMap<string, number> = new Map([
  ['LIMIT', 2],
  ['GET', 1],
  ['BY', 1],
])

/** The indexes of the keys among `args`, whose first is the name; undefined if the command's own syntax is not kept. */
export function keyPositions(command: CommandSpec, args: readonly string[]): number[] | undefined {
  const { name, firstKey, lastKey, step } = command
  const positions: number[] = []
  if (firstKey > 0) {
    const last = lastKey < 0 ? args.length + lastKey : Math.min(lastKey, args.length - 1)
    for (let i = firstKey; i <= last; i += step) positions.push(i)
  }
  if (name === 'migrate' && args[3] === '') return migratedPositions(args) ?? positions
  const counted = COUNTED.get(name)
  if (counted !== undefined) {
    const count = parseSafeInteger(args[counted] ?? '')
    if (count === undefined || count < 1 || counted + count >= args.length) return undefined
    for (let i = 1; i <= count; i++) positions.push(counted + i)
  }
  const keywords = STORING.get(name)
  if (keywords !== undefined) {
    // The last one counts.
    let destination: number | undefined
    for (let i = firstKey + 1; i + 1 < args.length; i++) {
      const word = (args[i] as string).toUpperCase()
      if (keywords.includes(word)) destination = i + 1
      else if (name === 'sort') i += SORT_WORDS.get(word) ?? 0
    }
    if (destination !== undefined) positions.push(destination)
  }
  if (name === 'xread' || name === 'xreadgroup') {
    const streams = args.findIndex((arg) => arg.toUpperCase() === 'STREAMS')
    const count = args.length - streams - 1
    if (streams === -1) return undefined
    for (let i = 1; i <= Math.floor(count / 2); i++) positions.push(streams + i)
  }
  return positions
}

/** MIGRATE host port "" database timeout [...] KEYS key...: the indexes of the keys; undefined without KEYS: '' is the key. */
function migratedPositions(args: readonly string[]): number[] | undefined {
  for (let i = 6; i < args.length; i++) {
    const word = (args[i] as string).toUpperCase()
    if (word === 'KEYS') return args.slice(i + 1).map((_, index) => i + 1 + index)
    // What they are followed by may look like KEYS.
    if (word === 'AUTH') i++
    else if (word === 'AUTH2') i += 2
  }
  return undefined
}

// The commands of Redis that a replicated store has a meaning for, and BEDPLATE, which says how fresh reads have to be.
// docs/protocols/replicated-kv.md has the table. Arguments are strings of one character of 0 to 255 a byte ("latin1").
import type { ReplyWriter } from '../../../../wire/resp/index.ts'
import { MAX_BATCH_BYTES, MAX_BATCH_WRITES, MAX_KEY_BYTES, MAX_VALUE_BYTES } from '../command-layout.ts'
import type { KeyReader } from '../types.ts'
import type { WriteBatch } from '../write-batch.ts'
import { CONNECTION_COMMANDS } from './connection-commands.ts'
import { refuse } from './errors.ts'
import { type Command, OK, type WriteCommand } from './types.ts'

/** Of a write in a batch, beside its key and its value. */
const WRITE_BYTES = 16
const MAX_KEYS = MAX_BATCH_WRITES
/** Values that one MGET gives. */
const MAX_MGET_BYTES = 32 * 1024 * 1024

const remove: WriteCommand = {
  kind: 'write',
  least: 2,
  most: 1 + MAX_KEYS,
  width: 1,
  put(args, batch) {
    for (let i = 1; i < args.length; i++) batch.delete(args[i] as string)
    return args.length - 1
  },
}

function putPairs(args: readonly string[], batch: WriteBatch): number {
  for (let i = 1; i < args.length; i += 2) batch.set(args[i] as string, args[i + 1] as string)
  return OK
}

const COMMANDS: ReadonlyMap<string, Command> = new Map<string, Command>([
  ['SET', { kind: 'write', least: 3, most: Number.POSITIVE_INFINITY, width: 2, put: putPairs }],
  ['MSET', { kind: 'write', least: 3, most: 1 + 2 * MAX_KEYS, width: 2, put: putPairs }],
  ['DEL', remove],
  ['UNLINK', remove],
  [
    'GET',
    {
      kind: 'read',
      least: 2,
      most: 2,
      answer: ([, key = ''], keys, reply) => {
        const value = keys.get(key)
        if (value === undefined) reply.nil()
        else reply.bulkBytes(value)
      },
    },
  ],
  ['MGET', { kind: 'read', least: 2, most: 1 + MAX_KEYS, answer: getMany }],
  [
    'EXISTS',
    {
      kind: 'read',
      least: 2,
      most: 1 + MAX_KEYS,
      answer: (args, keys, reply) => reply.integer(args.slice(1).filter((key) => keys.has(key)).length),
    },
  ],
  [
    'STRLEN',
    {
      kind: 'read',
      least: 2,
      most: 2,
      answer: ([, key = ''], keys, reply) => reply.integer(keys.get(key)?.length ?? 0),
    },
  ],
  ...CONNECTION_COMMANDS,
])

/** The command of that name, in letters of either case. */
export function commandNamed(name: string): Command | undefined {
  return COMMANDS.get(name) ?? COMMANDS.get(name.toUpperCase())
}

/** Refuses arguments that the command does not take. @throws CommandError */
export function checkArity({ least, most }: Command, args: readonly string[]): void {
  if (args.length >= least && args.length <= most) return
  refuse(`ERR wrong number of arguments for '${(args[0] as string).toLowerCase()}' command`)
}

/** What a write may take in a batch. @throws CommandError for one that the store does not take */
export function checkWrite({ width }: WriteCommand, args: readonly string[]): number {
  if (width === 2 && args.length !== 3) {
    if (isSet(args)) refuse('ERR SET takes a key and a value here: there is neither expiry nor a condition')
    if (args.length % 2 === 0) refuse("ERR wrong number of arguments for 'mset' command")
  }
  let bytes = 0
  for (let i = 1; i < args.length; i++) {
    const { length } = args[i] as string
    bytes += WRITE_BYTES + length
    if (width === 1 || (i & 1) === 1) checkKey(length)
    else if (length > MAX_VALUE_BYTES)
      refuse(`ERR a value has at most ${MAX_VALUE_BYTES} bytes, and this one ${length}`)
  }
  if (bytes > MAX_BATCH_BYTES) refuse(`ERR at most ${MAX_BATCH_BYTES} bytes go together: send several commands`)
  return bytes
}

function isSet(args: readonly string[]): boolean {
  return (args[0] as string).length === 3
}

/** @throws CommandError */
export function checkKey(length: number): void {
  if (length >= 1 && length <= MAX_KEY_BYTES) return
  refuse(`ERR a key has 1 to ${MAX_KEY_BYTES} bytes, and this one ${length}`)
}

function getMany(args: readonly string[], keys: KeyReader<string>, reply: ReplyWriter): void {
  let bytes = 0
  const values = args.slice(1).map((key) => {
    const value = keys.get(key)
    bytes += value?.length ?? 0
    // Before the next one is read: ten thousand of the largest would be ten gigabytes.
    if (bytes > MAX_MGET_BYTES)
      refuse(`ERR these values have more than ${MAX_MGET_BYTES} bytes: ask for fewer at a time`)
    return value
  })
  reply.array(values.length)
  for (const value of values) {
    if (value === undefined) reply.nil()
    else reply.bulkBytes(value)
  }
}

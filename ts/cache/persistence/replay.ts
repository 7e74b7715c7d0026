// Fills an engine from files: keys of a snapshot, commands of an append-only file.
import { BedplateError, isCode } from '../../base/errors.ts'
import { MAX_STRING_BYTES } from '../../wire/resp/index.ts'
import type { Engine } from '../commands/engine.ts'
import type { Database } from '../keyspace/database.ts'
import { groupChecksum, readGroupHeader } from './group-header.ts'
import { RdbDecoder } from './rdb-file.ts'
import { RDB_MAGIC } from './rdb-format.ts'
import { RdbReader } from './rdb-reader.ts'

const MAX_ARGUMENTS = 2 ** 20
const MAX_LINE = 32
const MAX_ANNOTATION = 1024
const STAR = 0x2a
const DOLLAR = 0x24
const HASH = 0x23
const CR = 0x0d
const LF = 0x0a
/** So many keys or commands are done before others get their turn. */
const ITEMS_PER_STEP = 512
/** What a file may hold beside commands that write. */
const HARMLESS: ReadonlySet<string> = new Set('select multi exec ping publish spublish eval evalsha fcall'.split(' '))

/** What is replayed, and what of it counts. */
export interface ReplayOptions {
  readonly engine: Engine
  /** Milliseconds since 1970. */
  readonly nowMs: number
  /** Whether keys whose time has come are left out. Not where commands follow that know better, nor on a replica. */
  readonly dropsExpired: boolean
  /** Takes the code of a library of functions. */
  readonly loadFunction: (code: string) => void
  /** Keys that are there already are replaced; otherwise one that is there twice is an error. */
  readonly merges?: boolean
  /** Told of a key that was left out, and of what a snapshot says of itself. */
  readonly leftOut?: (database: number, key: string) => void
  readonly fact?: (name: string, value: string) => void
}

/** What was found. */
export interface Replayed {
  keys: number
  expired: number
  commands: number
}

/**
 * Loads a snapshot. A generator: whoever runs it decides when others get their turn.
 * @param reader - Stands behind the snapshot after.
 * @throws CORRUPTION, and INVALID_INPUT for a database that this server has not.
 */
export function* replaySnapshot(reader: RdbReader, options: ReplayOptions): Generator<void, Replayed> {
  const { engine, nowMs, dropsExpired, loadFunction, leftOut, fact } = options
  const replayed: Replayed = { keys: 0, expired: 0, commands: 0 }
  const decoder = new RdbDecoder(reader, engine.encodingLimits)
  let count = 0
  for (let item = decoder.next(); item !== undefined; item = decoder.next()) {
    if (item.kind === 'function') loadFunction(item.code)
    else if (item.kind === 'aux') fact?.(item.name, item.value)
    else if (item.kind === 'key') {
      const database = engine.databases[item.database]
      if (database === undefined) throw tooManyDatabases(item.database, engine)
      const { key, value, expiresAtMs, idleSeconds, frequency } = item
      if (dropsExpired && expiresAtMs !== undefined && expiresAtMs < nowMs) {
        replayed.expired++
        leftOut?.(item.database, key)
      } else {
        database.now = nowMs
        if (options.merges === true) dropKey(database, key)
        if (!database.load(key, value, expiresAtMs)) reader.refuse('a key is there twice')
        const isKnown = idleSeconds !== undefined || frequency !== undefined
        if (isKnown) restoreUsage(database, key, { idleSeconds, frequency })
        replayed.keys++
      }
      if (++count % ITEMS_PER_STEP === 0) yield
    }
  }
  return replayed
}

/** Does such work in one go. */
export function drain<T>(work: Generator<void, T>): T {
  for (;;) {
    const step = work.next()
    if (step.done === true) return step.value
  }
}

/** Where a file of commands ended. */
export interface ReplayedCommands extends Replayed {
  /** Behind the last command, or transaction, that is whole. */
  readonly validBytes: number
  /** The file ends in the middle of one. */
  readonly isTruncated: boolean
}

/**
 * Runs the commands of a file of an append-only file, which may begin with a snapshot.
 * @param reopen - Reads the same file from there on once more.
 * @throws CORRUPTION for what is no command; what ends too early, or in a group that was torn, is no error here.
 */
export function* replayCommands(
  reader: RdbReader,
  options: ReplayOptions,
  reopen: (offset: number) => RdbReader,
): Generator<void, ReplayedCommands> {
  const { engine, nowMs } = options
  let replayed: Replayed = { keys: 0, expired: 0, commands: 0 }
  if (reader.startsWith(RDB_MAGIC)) replayed = yield* replaySnapshot(reader, options)
  const session = engine.connect()
  session.isTrusted = true
  session.replies = 'off'
  const isReplaying = (value: boolean): void => {
    for (const database of engine.databases) database.seesExpired = value
  }
  isReplaying(true)
  let validBytes = reader.offset
  let isTruncated = false
  try {
    // What follows a group of ours, or an empty beginning, and is nothing at all was torn by a power cut.
    let mayBeTorn = validBytes === 0
    let isBehindGroup = false
    while (reader.hasMore()) {
      // Commands of Redis may follow ours, and then all that follows are such. So may older parts of the file.
      const isForeign: boolean = isBehindGroup && reader.startsWith('*')
      const read: Read | 'torn' =
        isForeign && !areCommands(reopen(reader.offset)) ? 'torn' : readNext(reader, mayBeTorn)
      if (read === 'torn') {
        isTruncated = true
        break
      }
      mayBeTorn = read.isGroup
      isBehindGroup = read.isGroup
      for (const args of read.commands) {
        run(engine, session, args, { reader, nowMs })
        replayed.commands++
      }
      if (session.transaction === undefined) validBytes = reader.offset
      if (replayed.commands % ITEMS_PER_STEP < read.commands.length) yield
    }
    return { ...replayed, validBytes, isTruncated: isTruncated || session.transaction !== undefined }
  } finally {
    isReplaying(false)
    engine.disconnect(session)
  }
}

function restoreUsage(
  database: Database,
  key: string,
  { idleSeconds = 0, frequency }: { readonly idleSeconds: number | undefined; readonly frequency: number | undefined },
): void {
  const entry = database.peek(key)
  const known = { idleMs: idleSeconds * 1000, ...(frequency === undefined ? {} : { frequency }) }
  if (entry !== undefined) database.restoreUsage(entry, known)
}

/** Without a word: what takes its place is no change that anybody made. */
function dropKey(database: Database, key: string): void {
  const entry = database.find(key)
  if (entry !== undefined) database.evict(entry)
}

function run(
  engine: Engine,
  session: ReturnType<Engine['connect']>,
  args: readonly string[],
  { reader, nowMs }: { readonly reader: RdbReader; readonly nowMs: number },
): void {
  const found = engine.find(args)
  const command = typeof found === 'string' ? reader.refuse(found.replace(/^ERR /, '')) : found
  if (!command.flags.has('write') && !HARMLESS.has(command.name)) reader.refuse(`${command.name} does not belong there`)
  engine.execute(session, args, nowMs)
  session.reply.truncate()
  if (session.blocked !== undefined) reader.refuse(`${command.name} does not belong there: it waits`)
}

/** Commands that stand together, and whether as a group with a checksum. */
interface Read {
  readonly commands: readonly string[][]
  readonly isGroup: boolean
}

/** The next group or command, nothing for a line that is neither, such as a timestamp. @throws CORRUPTION */
function readNext(reader: RdbReader, mayBeTorn: boolean): Read | 'torn' {
  try {
    const { offset } = reader
    const first = reader.u8()
    if (first === STAR) return { commands: [readCommand(reader)], isGroup: false }
    if (first !== HASH) return mayBeTorn ? 'torn' : reader.refuse('no command begins here')
    const group = readGroupHeader(readLine(reader))
    if (group === undefined) return { commands: [], isGroup: false }
    const bytes = reader.take(group.length)
    return groupChecksum(bytes, offset) === group.checksum
      ? { commands: commandsOf(bytes, reader), isGroup: true }
      : 'torn'
  } catch (error) {
    if (reader.isExhausted || mayBeTorn) return 'torn'
    throw error
  }
}

/** Whether commands and lines follow and nothing else, up to one that ends too early. */
function areCommands(reader: RdbReader): boolean {
  while (reader.hasMore()) {
    try {
      if (readNext(reader, false) === 'torn') return true
    } catch (error) {
      if (isCode(error, 'CORRUPTION')) return false
      throw error
    }
  }
  return true
}

/** The commands of a group whose checksum is right. */
function commandsOf(bytes: Uint8Array, whole: RdbReader): string[][] {
  let given: Uint8Array | undefined = bytes
  const reader = new RdbReader(() => {
    const once = given
    given = undefined
    return once
  }, 'a group of commands')
  const commands: string[][] = []
  while (reader.hasMore()) {
    if (reader.u8() !== STAR) whole.refuse('a group of commands holds something else')
    commands.push(readCommand(reader))
  }
  return commands
}

/** The rest of a command whose `*` was read. */
function readCommand(reader: RdbReader): string[] {
  const count = readLength(reader, MAX_ARGUMENTS)
  if (count === 0) reader.refuse('a command without a name')
  const args: string[] = []
  for (let i = 0; i < count; i++) {
    if (reader.u8() !== DOLLAR) reader.refuse('an argument must begin here')
    args.push(reader.text(readLength(reader, MAX_STRING_BYTES)))
    expectEnd(reader)
  }
  return args
}

/** The rest of a line, without its end. */
function readLine(reader: RdbReader): string {
  let line = ''
  for (let byte = reader.u8(); byte !== LF; byte = reader.u8()) {
    if (line.length === MAX_ANNOTATION) reader.refuse('a line is too long')
    line += String.fromCharCode(byte)
  }
  return line.replace(/\r$/, '')
}

function readLength(reader: RdbReader, limit: number): number {
  let digits = ''
  let byte = reader.u8()
  for (; byte !== CR && digits.length < MAX_LINE; byte = reader.u8()) digits += String.fromCharCode(byte)
  const length = /^\d{1,15}$/.test(digits) ? Number(digits) : Number.NaN
  if (byte !== CR || reader.u8() !== LF || !(length <= limit)) reader.refuse('a length cannot be read')
  return length
}

function expectEnd(reader: RdbReader): void {
  if (reader.u8() !== CR || reader.u8() !== LF) reader.refuse('an argument does not end where it should')
}

function tooManyDatabases(index: number, { databases }: Engine): BedplateError {
  return new BedplateError('INVALID_INPUT', `a key lies in database ${index}, and there are ${databases.length}`, {
    hint: 'start with more --databases',
  })
}

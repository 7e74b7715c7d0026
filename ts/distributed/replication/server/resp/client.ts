// A client that speaks Redis's protocol. Its commands are answered in the order in which they came: what follows one another and
// only writes, or only reads, goes together, and nothing of what comes behind is begun before that is answered.
import { BedplateError } from '../../../../base/errors.ts'
import type { Cancel, Clock } from '../../../../io/clock.ts'
import type { Connection } from '../../../../io/network.ts'
import {
  CommandDecoder,
  DEFAULT_LIMITS,
  ReplyWriter,
  RespProtocolError,
  UNAUTHENTICATED_LIMITS,
} from '../../../../wire/resp/index.ts'
import { checkSecret } from '../../../link/index.ts'
import type { Applied } from '../../../raft/index.ts'
import { decodeSession, encodeSession, laterOf } from '../../token.ts'
import { MAX_BATCH_BYTES, MAX_BATCH_WRITES, MAX_KEY_BYTES, MAX_VALUE_BYTES } from '../command-layout.ts'
import type { WriteGatherer, WriteRun } from '../gatherer.ts'
import type { Replica } from '../replica.ts'
import type { KeyReader } from '../types.ts'
import { checkArity, checkKey, checkWrite, commandNamed } from './commands.ts'
import { CommandError, errorText, refuse, WRONG_PASSWORD } from './errors.ts'
import { infoText, writeRole } from './info.ts'
import { type Command, OK, type ReadCommand, type ReadWish, type Talker, type WriteCommand } from './types.ts'

/** What all clients of a node share. */
export interface ClientSeams {
  readonly clock: Clock
  /** The node. @throws UNAVAILABLE while it is starting */
  readonly replica: Replica
  readonly gatherer: WriteGatherer
  /** Of the cluster; '' if it has none. Clients show it as their password. */
  readonly secret: string
  readonly clientCount: number
}

/** Commands that go together. */
const MAX_RUN = 1024
/** Replies of reads that go together; one may be larger. */
const MAX_RUN_REPLY_BYTES = 4 * 1024 * 1024
/** A client that leaves so many bytes unread has no more commands run until it has read them. */
const SLOW_BYTES = 1024 * 1024
/** What is read ahead from a client whose commands may not run now. */
const READ_AHEAD_BYTES = 64 * 1024
/** How nearly all clients begin a SET. */
const PLAIN_SET = Buffer.from('*3\r\n$3\r\nSET\r\n')
/** How long a client that is closed may take to read what it was sent. */
const LINGER_MS = 10_000
/** An argument may be longer than a value, so that a value that is too long is refused, and the connection stays. */
const LIMITS = {
  ...DEFAULT_LIMITS,
  bulkBytes: MAX_BATCH_BYTES,
  multibulkCount: 1 + 2 * MAX_BATCH_WRITES,
  messageBytes: MAX_BATCH_BYTES + 64 * MAX_BATCH_WRITES,
}

interface Read {
  readonly command: ReadCommand
  readonly args: readonly string[]
}

/** One connection. */
export class Client implements WriteRun, Talker {
  readonly id: number
  readonly reply = new ReplyWriter()
  isKnown: boolean
  name = ''
  wish: ReadWish = {}
  session: string | undefined
  /** Commands that were answered, if only with an error. */
  commandCount = 0
  readonly #connection: Connection
  readonly #seams: ClientSeams
  readonly #decoder: CommandDecoder
  /** A command that was read and waits for those before it. */
  #held: string[] | undefined
  /** The writes that are under way: what each is answered with, see `WriteCommand`. */
  #answers: number[] = []
  /** Reads that have not been answered. */
  #reads: readonly Read[] = []
  /** Something is under way, or waits for room. */
  #isBusy = false
  #isSlow = false
  #isPaused = false
  #isClosing = false
  #isClosed = false
  /** What it is told before it is closed, behind the answers to what is under way. */
  #lastWords: string | undefined
  /** It was told that it is let go. */
  #isEnding = false
  #cancelLinger: Cancel | undefined
  readonly #roomFound = (): void => {
    this.#isBusy = false
    this.#pump()
  }

  constructor(id: number, connection: Connection, seams: ClientSeams) {
    this.id = id
    this.#connection = connection
    this.#seams = seams
    this.isKnown = seams.secret === ''
    this.#decoder = new CommandDecoder(this.isKnown ? LIMITS : UNAUTHENTICATED_LIMITS)
  }

  /** A command has begun to come, and nothing else keeps the client. */
  get isHalfWritten(): boolean {
    return !this.#isBusy && !this.#isSlow && this.#held === undefined && this.#decoder.bufferedBytes > 0
  }

  arrived(bytes: Uint8Array): void {
    if (this.#isClosing) return
    this.#decoder.push(bytes)
    this.#pump()
  }

  drained(): void {
    if (!this.#isSlow) return
    this.#isSlow = false
    this.#pump()
  }

  /** The connection is gone. What was written may still be executed. */
  closed(): void {
    this.#isClosed = true
    this.#isClosing = true
    this.#cancelLinger?.()
    this.#seams.gatherer.forget(this.#roomFound)
  }

  /** It gets the answers to what is under way, then it is closed. */
  hangUp(): void {
    this.#isClosing = true
    if (!this.#isBusy) this.#pump()
  }

  destroy(): void {
    this.#connection.destroy()
  }

  info(section: string | undefined): string {
    return infoText(this.#seams.replica, this.#seams.clientCount, section)
  }

  authenticate(password: string): void {
    const { secret } = this.#seams
    if (secret === '') refuse('ERR AUTH <password> called without any password configured for the default user.')
    try {
      checkSecret(`Bearer ${password}`, secret)
    } catch {
      refuse(WRONG_PASSWORD)
    }
    this.isKnown = true
    this.#decoder.limits = LIMITS
  }

  forget(): void {
    this.isKnown = this.#seams.secret === ''
    if (!this.isKnown) this.#decoder.limits = UNAUTHENTICATED_LIMITS
  }

  role(): void {
    writeRole(this.#seams.replica, this.reply)
  }

  // ---- Commands, in order

  /** Runs what has arrived, as far as it may now. Never throws: it may be called where others wait for their turn. */
  #pump(): void {
    try {
      while (!this.#isBusy && !this.#isSlow && !this.#isClosing) {
        if (this.#reads.length > 0) {
          this.#read()
          break
        }
        if (this.#setPlainly()) {
          this.#writeOn()
          continue
        }
        const args = this.#next()
        if (args === undefined) break
        this.#run(args)
        if (this.reply.length > SLOW_BYTES) this.#flush()
      }
    } catch (error) {
      this.#breakOff(error)
    }
    if (this.#isClosed) return
    this.#flush()
    if (!this.#isClosing) this.#regulate()
    else if (!this.#isBusy) this.#end()
  }

  /** Nobody foresaw that, and who knows what comes of it: the client is told, and let go. */
  #breakOff(error: unknown): void {
    this.#isClosing = true
    this.#lastWords ??= errorText(error)
    if (this.#answers.length === 0 || this.#isBusy) return
    this.#isBusy = true
    this.#seams.gatherer.join(this) // what is in the batch has to be somebody's
  }

  #next(): string[] | undefined {
    const held = this.#held
    if (held !== undefined) {
      this.#held = undefined
      return held
    }
    try {
      return this.#decoder.next()
    } catch (error) {
      if (!(error instanceof RespProtocolError)) throw error
      if (this.#answers.length > 0 || this.#reads.length > 0) return undefined // it is told behind those
      this.reply.error(`ERR ${error.message}`)
      this.#isClosing = true
      return undefined
    }
  }

  #run(args: string[]): void {
    const mark = this.reply.length
    try {
      const command = knownCommand(args)
      const isOpen = command.kind === 'direct' && command.isOpen
      if (!this.isKnown && !isOpen) refuse('NOAUTH Authentication required.')
      if (command.kind === 'write') this.#write(command, args)
      else if (command.kind === 'read') this.#gatherReads(command, args)
      else {
        command.answer(this, args)
        this.commandCount++
      }
    } catch (error) {
      this.commandCount++
      this.reply.truncate(mark)
      if (!isForeseen(error)) throw error
      this.reply.error(errorText(error))
    }
  }

  #end(): void {
    if (this.#isEnding) return
    this.#isEnding = true
    if (this.#lastWords !== undefined) this.reply.error(this.#lastWords)
    this.#flush()
    if (this.#isPaused) this.#connection.resume() // who is not heard cannot be heard to go
    this.#isPaused = false
    this.#connection.end()
    this.#cancelLinger = this.#seams.clock.timer(LINGER_MS, () => this.#connection.destroy())
  }

  #flush(): void {
    if (this.reply.length > 0) this.#connection.write(this.reply.take())
    if (this.#connection.waitingBytes > SLOW_BYTES) this.#isSlow = true
  }

  /** Stops reading from a client whose commands may not run, and goes on when they may. */
  #regulate(): void {
    const isStopped = this.#isBusy || this.#isSlow
    const isPaused = isStopped && this.#decoder.bufferedBytes > READ_AHEAD_BYTES
    if (isPaused === this.#isPaused) return
    this.#isPaused = isPaused
    if (isPaused) this.#connection.pause()
    else this.#connection.resume()
  }

  // ---- Writes

  /** Begins a run of writes with this one. @throws CommandError */
  #write(command: WriteCommand, args: string[]): void {
    if (this.#put(command, args, checkWrite(command, args))) this.#writeOn()
    else {
      this.#isBusy = true
      this.#seams.gatherer.whenRoom(this.#roomFound)
    }
  }

  /** Adds the writes that follow to the run, and lets it go. */
  #writeOn(): void {
    while (this.#answers.length < MAX_RUN) {
      if (this.#setPlainly()) continue
      const next = this.#next()
      if (next === undefined) break
      const write = writeOf(next)
      if (write === undefined) {
        this.#held = next
        break
      }
      if (!this.#put(write.command, next, write.bytes)) break
    }
    this.#isBusy = true
    this.#seams.gatherer.join(this)
  }

  /** @returns False if there is no room for it; then it is held. */
  #put(command: WriteCommand, args: string[], bytes: number): boolean {
    const batch = this.#seams.gatherer.room((args.length - 1) / command.width, bytes, this.#answers.length > 0)
    if (batch === undefined) this.#held = args
    else this.#answers.push(command.put(args, batch))
    return batch !== undefined
  }

  /** Does with a SET in its usual form what `#put` does, without making strings of it. @returns False if none is next, or for want of room. */
  #setPlainly(): boolean {
    if (this.#held !== undefined || !this.isKnown) return false
    const pair = this.#decoder.peekPair(PLAIN_SET)
    if (pair === undefined || pair.keyBytes > MAX_KEY_BYTES || pair.valueBytes > MAX_VALUE_BYTES) return false
    const { bytes, keyAt, keyBytes, valueAt, valueBytes } = pair
    const batch = this.#seams.gatherer.room(1, pair.end, this.#answers.length > 0)
    if (batch === undefined) return false
    batch.setParts(bytes, keyAt, keyBytes, valueAt, valueBytes)
    this.#decoder.takePair(pair)
    this.#answers.push(OK)
    return true
  }

  written({ index, term }: Applied, wereThere: Uint8Array): void {
    let at = 0
    for (const deletes of this.#answers) {
      if (deletes < 0) {
        this.reply.ok()
        continue
      }
      let count = 0
      for (const end = at + deletes; at < end; at++) count += wereThere[at] ?? 0
      this.reply.integer(count)
    }
    this.#saw(encodeSession({ index, term }))
    this.#writesEnded()
  }

  failed(error: unknown): void {
    const text = errorText(error)
    for (let i = 0; i < this.#answers.length; i++) this.reply.error(text)
    this.#writesEnded()
  }

  #writesEnded(): void {
    this.commandCount += this.#answers.length
    this.#answers = []
    this.#isBusy = false
    this.#pump()
  }

  // ---- Reads

  #gatherReads(command: ReadCommand, args: string[]): void {
    const reads: Read[] = [{ command, args }]
    this.#reads = reads
    while (reads.length < MAX_RUN) {
      const next = this.#next()
      if (next === undefined) break
      const following = commandNamed(next[0] as string)
      if (following?.kind !== 'read' || next.length < following.least || next.length > following.most) {
        this.#held = next
        break
      }
      reads.push({ command: following, args: next })
    }
    this.#read()
  }

  #read(): void {
    this.#isBusy = true
    const ended = (count: number): void => {
      this.commandCount += count
      this.#reads = this.#reads.slice(count)
      this.#isBusy = false
      this.#pump()
    }
    this.#answerReads().then(
      ({ count, session }) => {
        this.#saw(session)
        ended(count)
      },
      (error: unknown) => {
        const text = errorText(error)
        for (let i = 0; i < this.#reads.length; i++) this.reply.error(text)
        ended(this.#reads.length)
      },
    )
  }

  /** Answers as many as fit together, all of one moment. */
  async #answerReads(): Promise<{ count: number; session: string }> {
    const { wish, reply } = this
    const session = wish.consistency === 'session' ? this.session : undefined
    return this.#seams.replica.read(session === undefined ? wish : { ...wish, session }, (keys) => {
      const checked: KeyReader<string> = {
        get: (key) => keys.get(bytesOf(key)),
        has: (key) => keys.has(bytesOf(key)),
      }
      let count = 0
      for (const { command, args } of this.#reads) {
        const mark = reply.length
        try {
          command.answer(args, checked, reply)
        } catch (error) {
          // Each has its own answer, or those behind it would be taken for others'.
          reply.truncate(mark)
          reply.error(errorText(error))
          if (!isForeseen(error)) this.#isClosing = true
        }
        count++
        if (reply.length > MAX_RUN_REPLY_BYTES) break
      }
      return { count }
    })
  }

  #saw(session: string): void {
    if (this.session === undefined) this.session = session
    else this.session = encodeSession(laterOf(decodeSession(this.session), decodeSession(session)))
  }
}

/** @throws CommandError if there is none, or not with such arguments */
function knownCommand(args: readonly string[]): Command {
  const name = args[0] as string
  const command = commandNamed(name)
  if (command === undefined) refuse(`ERR unknown command '${name.slice(0, 40).replaceAll(/[^ -~]/g, '?')}'`)
  checkArity(command, args)
  return command
}

/** Anything else is a mistake of ours. */
function isForeseen(error: unknown): boolean {
  return error instanceof CommandError || error instanceof BedplateError
}

/** @throws CommandError for what cannot be a key */
function bytesOf(key: string): Uint8Array {
  checkKey(key.length)
  return Buffer.from(key, 'latin1')
}

/** A write that may join a run; undefined for what is none, and for one that has to be refused. */
function writeOf(args: readonly string[]): { command: WriteCommand; bytes: number } | undefined {
  const command = commandNamed(args[0] as string)
  if (command?.kind !== 'write' || args.length < command.least || args.length > command.most) return undefined
  try {
    return { command, bytes: checkWrite(command, args) }
  } catch {
    return undefined // it is refused behind the run
  }
}

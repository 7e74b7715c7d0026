// The connection of a replica to its master: opened again and again, as long as the replica is one.
import type { Cancel, Clock } from '../../io/clock.ts'
import { type Address, type Connection, type Network, showAddress, type TlsTrust } from '../../io/network.ts'
import type { Logger } from '../../service/index.ts'
import { ByteWriter } from '../persistence/byte-writer.ts'
import { CommandStream } from '../persistence/command-stream.ts'
import { Handshake, type Introduction } from './handshake.ts'
import { MasterStream } from './master-stream.ts'
import type { ReplicationSettings } from './types.ts'

/** A snapshot that is to take the place of all data: what it is a snapshot of. */
export interface Arrival {
  readonly pieces: readonly Uint8Array[]
  readonly id: string
  readonly offset: number
  /** False once nobody wants it any more. */
  readonly isWanted: () => boolean
}

export interface MasterLinkOptions {
  readonly master: Address
  readonly network: Network
  readonly clock: Clock
  readonly logger: Logger
  readonly settings: ReplicationSettings
  readonly tls?: TlsTrust | undefined
  readonly introduction: () => Introduction
  /** Takes a snapshot; resolves when it is there. */
  readonly load: (arrival: Arrival) => Promise<void>
  /** The stream goes on where it was cut, under this id if it is another one. */
  readonly continues: (id: string | undefined) => void
  /** Runs a command of the master. @returns True if the master asks how far it has come. */
  readonly apply: (args: readonly string[], bytes: Uint8Array) => boolean
  /** What was run since the last command that is whole is not to be counted: the connection is gone. */
  readonly cut: () => void
  /** The master does not let it in. */
  readonly refused: () => void
  /** How far it has come. */
  readonly offset: () => number
  /** Commands have to wait. */
  readonly isBusy: () => boolean
}

/** As ROLE names them. */
export type LinkState = 'connect' | 'connecting' | 'handshake' | 'sync' | 'connected'

/** Commands that are run before others get their turn. */
const COMMANDS_PER_TURN = 256
/** What may wait to be run before the master has to stop sending. */
const AHEAD_BYTES = 16 * 2 ** 20
/** After a connection that worked the next one is tried soon, after another one later. */
const SOON_MS = 20
const LATER_MS = 1000
const NEWLINE = Buffer.from('\n')

/** One connection. */
interface Attempt {
  readonly stream: MasterStream
  readonly handshake: Handshake
  connection: Connection | undefined
  /** Of the snapshot that comes. */
  wanted: { readonly id: string; readonly offset: number } | undefined
  isReading: boolean
  isLoading: boolean
  isPaused: boolean
  /** Nothing more comes. */
  isEnded: boolean
}

/** See the top of this file. `open`, then `tick` every second, then `close`. */
export class MasterLink {
  state: LinkState = 'connect'
  /** When something came from the master last, 0 for never, and since when there is no stream. */
  heardMs = 0
  lostMs: number
  readonly #options: MasterLinkOptions
  #attempt: Attempt | undefined
  #retry: Cancel | undefined
  #isClosed = false
  #lastWhy = ''

  constructor(options: MasterLinkOptions) {
    this.#options = options
    this.lostMs = options.clock.now()
  }

  get master(): Address {
    return this.#options.master
  }

  /** Bytes of the snapshot that is coming. */
  get snapshotBytes(): number {
    return this.#attempt?.stream.snapshotBytes ?? 0
  }

  /** The connection, for those who want to see it. */
  get connection(): Connection | undefined {
    return this.#attempt?.connection
  }

  open(): void {
    const { network, master, tls, settings, introduction, clock } = this.#options
    const attempt: Attempt = {
      stream: new MasterStream(),
      handshake: new Handshake(introduction()),
      connection: undefined,
      wanted: undefined,
      isReading: false,
      isLoading: false,
      isPaused: false,
      isEnded: false,
    }
    this.#attempt = attempt
    this.state = 'connecting'
    const accept = (connection: Connection): ReturnType<Parameters<Network['connect']>[1]> => {
      attempt.connection = connection
      return {
        data: (bytes) => {
          if (this.#attempt !== attempt) return
          this.heardMs = clock.now()
          attempt.stream.push(bytes)
          if (attempt.isReading) this.#regulate(attempt, true)
          else void this.#read(attempt)
        },
        drained() {},
        closed: () => {
          attempt.isEnded = true
          void this.#read(attempt)
        },
      }
    }
    network.connect({ ...master, tls, timeoutMs: settings.timeoutMs }, accept).then(
      (connection) => {
        if (this.#attempt !== attempt) {
          connection.destroy()
          return
        }
        this.state = 'handshake'
        this.heardMs = clock.now()
        this.#send(attempt, attempt.handshake.begin())
      },
      (error: unknown) => this.#lose(attempt, String(error)),
    )
  }

  close(): void {
    this.#isClosed = true
    this.#retry?.()
    const attempt = this.#attempt
    this.#attempt = undefined
    attempt?.connection?.destroy()
  }

  /** Cuts the connection; another one is opened. */
  cut(): void {
    if (this.#attempt !== undefined) this.#lose(this.#attempt, 'it was cut here')
  }

  /** Time passes: says how far it has come, and gives up a master that is silent. */
  tick(): void {
    const attempt = this.#attempt
    const { clock, settings } = this.#options
    if (attempt === undefined) return
    if (attempt.isLoading) attempt.connection?.write(NEWLINE)
    else if (this.state !== 'connecting' && clock.now() - this.heardMs > settings.timeoutMs) {
      this.#lose(attempt, 'it says nothing')
    } else if (this.state === 'connected') this.acknowledge()
  }

  acknowledge(): void {
    const attempt = this.#attempt
    if (attempt !== undefined) this.#send(attempt, ['REPLCONF', 'ACK', String(this.#options.offset())])
  }

  async #read(attempt: Attempt): Promise<void> {
    if (attempt.isReading) return
    attempt.isReading = true
    try {
      await this.#readAll(attempt)
      if (attempt.isEnded) this.#lose(attempt, 'the connection is gone')
    } catch (error) {
      this.#lose(attempt, error instanceof Error ? error.message : String(error))
    } finally {
      attempt.isReading = false
    }
  }

  async #readAll(attempt: Attempt): Promise<void> {
    const { clock, isBusy } = this.#options
    const isCurrent = (): boolean => this.#attempt === attempt
    for (let left = COMMANDS_PER_TURN; isCurrent(); ) {
      if (left === 0 || isBusy()) {
        this.#regulate(attempt, true)
        await clock.turn()
        left = COMMANDS_PER_TURN
        continue
      }
      const item = attempt.stream.next()
      if (item === undefined) break
      left--
      if (item.kind === 'command') {
        if (this.#options.apply(item.args, item.bytes)) this.acknowledge()
      } else if (item.kind === 'line') this.#answered(attempt, item.text)
      else await this.#load(attempt, item.pieces)
    }
    if (isCurrent()) this.#regulate(attempt, false)
  }

  #answered(attempt: Attempt, text: string): void {
    const { clock, logger, master, continues } = this.#options
    const step = attempt.handshake.answer(text)
    switch (step.kind) {
      case 'send':
        this.#send(attempt, step.args)
        break
      case 'resync':
        attempt.wanted = step
        attempt.stream.expect('snapshot')
        this.state = 'sync'
        logger.info('the master sends all data', { master: showAddress(master), offset: step.offset })
        break
      case 'continue':
        continues(step.id)
        attempt.stream.expect('commands')
        this.state = 'connected'
        this.heardMs = clock.now()
        logger.info('the master goes on where it was', { master: showAddress(master) })
        break
      case 'fail':
        this.#lose(attempt, step.why)
        this.#options.refused()
        break
    }
  }

  async #load(attempt: Attempt, pieces: readonly Uint8Array[]): Promise<void> {
    const { wanted } = attempt
    const { clock, load } = this.#options
    if (wanted === undefined) return
    const isWanted = (): boolean => this.#attempt === attempt && !this.#isClosed
    attempt.isLoading = true
    try {
      await load({ pieces, ...wanted, isWanted })
    } finally {
      attempt.isLoading = false
    }
    if (!isWanted()) return
    this.state = 'connected'
    this.heardMs = clock.now()
    // A master that has sent a mark sends nothing more before this.
    this.acknowledge()
  }

  /**
   * Lets the master send no more than can be run.
   * @param isBehind - Something that has come waits; without that only the beginning of a command does, which needs its end.
   */
  #regulate(attempt: Attempt, isBehind: boolean): void {
    const isMuch = isBehind && attempt.stream.waitingBytes > AHEAD_BYTES
    if (isMuch === attempt.isPaused) return
    attempt.isPaused = isMuch
    if (isMuch) attempt.connection?.pause()
    else attempt.connection?.resume()
  }

  #send(attempt: Attempt, args: readonly string[]): void {
    const writer = new ByteWriter()
    new CommandStream(writer).appendAnywhere(args)
    attempt.connection?.write(writer.take())
  }

  #lose(attempt: Attempt, why: string): void {
    if (this.#attempt !== attempt) return
    const { clock, logger, master, cut } = this.#options
    const hadStream = this.state === 'connected'
    this.#attempt = undefined
    attempt.connection?.destroy()
    cut()
    this.state = 'connect'
    if (hadStream) this.lostMs = clock.now()
    // What goes wrong again and again is told once.
    if (hadStream || why !== this.#lastWhy) {
      logger.warn('no connection to the master', { master: showAddress(master), why })
    }
    this.#lastWhy = why
    if (!this.#isClosed) this.#retry = clock.timer(hadStream ? SOON_MS : LATER_MS, () => this.open())
  }
}

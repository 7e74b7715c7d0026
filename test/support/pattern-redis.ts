import { Engine, type Session } from '../../ts/cache/index.ts'
import type { RedisCommands, RedisSession } from '../../ts/cache/patterns/index.ts'
import type { Clock } from '../../ts/io/clock.ts'
import { seededRandom } from '../../ts/io/random.ts'
import { ReplyDecoder } from '../../ts/wire/resp/index.ts'

/** Rules of leases that a test takes away to prove that it would notice. */
export type BrokenRule = 'leases are compared' | 'invalidations take leases'

interface PatternRedisOptions {
  readonly clock: Clock
  /** Whether EVAL is there; the one script of the patterns is done in TypeScript. */
  readonly hasScripts?: boolean
  readonly broken?: BrokenRule | undefined
  /** Called before each command is run: may hold it up, or fail it. */
  readonly before?: (args: readonly string[]) => Promise<void> | void
}

/** A client of an engine in this process: no socket, and every command in the test's hand. */
export class PatternRedis implements RedisCommands {
  readonly commands: string[] = []
  before: (args: readonly string[]) => Promise<void> | void
  readonly #engine = new Engine({ random: seededRandom(1) })
  readonly #shared = this.#engine.connect()
  readonly #options: PatternRedisOptions

  constructor(options: PatternRedisOptions) {
    this.#options = options
    this.before = options.before ?? (() => {})
  }

  async command(args: readonly string[]): Promise<unknown> {
    await this.before(args)
    this.commands.push(args[0] as string)
    const { hasScripts = true, broken } = this.#options
    if (args[0] === 'EVAL') {
      if (!hasScripts) throw new Error("ERR unknown command 'EVAL', with args beginning with: ")
      return this.#settle(args, broken === 'leases are compared')
    }
    if (args[0] === 'DEL' && broken === 'invalidations take leases') return this.run(args.slice(0, 2))
    return this.run(args)
  }

  async session(): Promise<RedisSession> {
    const session = this.#engine.connect()
    return {
      command: async (args) => {
        await this.before(args)
        this.commands.push(args[0] as string)
        return this.run(args, session)
      },
      close: () => this.#engine.disconnect(session),
    }
  }

  /** Runs a command past everything. Errors of the server are thrown, as clients do. */
  run(args: readonly string[], session: Session = this.#shared): unknown {
    const bytes = args.map((arg) => Buffer.from(arg).toString('latin1'))
    this.#engine.execute(session, bytes, this.#options.clock.now())
    const decoder = new ReplyDecoder()
    decoder.push(session.reply.take())
    const reply = decoder.next()
    switch (reply?.kind) {
      case 'error':
        throw new Error(reply.text)
      case 'simple':
        return reply.text
      case 'bulk':
        return Buffer.from(reply.text, 'latin1').toString()
      case 'integer':
        return reply.value
      case 'array':
        return reply.items
      default:
        return null
    }
  }

  /** What the script does. */
  #settle([, , , name = '', leaseName = '', token, ...what]: readonly string[], ignoresLease: boolean): number {
    if (!ignoresLease && this.run(['GET', leaseName]) !== token) return 0
    const [text, lifeMs] = what
    if (text !== undefined && lifeMs !== undefined) this.run(['SET', name, text, 'PX', lifeMs])
    this.run(['DEL', leaseName])
    return 1
  }
}

/** A promise to be settled by hand. */
export function gate(): { readonly passed: Promise<void>; readonly open: () => void } {
  let open = (): void => {}
  const passed = new Promise<void>((resolve) => {
    open = resolve
  })
  return { passed, open }
}

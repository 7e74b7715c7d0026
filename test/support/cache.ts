import { expect } from 'vitest'
import { type Effect, Engine, type EngineOptions, type Session } from '../../ts/cache/index.ts'
import { seededRandom } from '../../ts/io/random.ts'
import { type Reply, ReplyDecoder, splitInline } from '../../ts/wire/resp/index.ts'

/** A reply as plain values: errors as `Error: text`, nulls as null, status as its text. */
export type Plain = string | number | bigint | boolean | null | Plain[]

/** An engine with a clock in hand and commands as Redis's own shell takes them. */
export class CacheBed {
  readonly engine: Engine
  now = 1_700_000_000_000
  /** The effects of the last call. */
  effects: readonly Effect[] = []
  readonly #session: Session

  constructor(options: Partial<EngineOptions> = {}) {
    this.engine = new Engine({ random: seededRandom(1), ...options })
    this.#session = this.engine.connect()
  }

  /** Runs one command, such as `SET k "a b"`, and gives its reply; undefined if it blocks. */
  run(line: string, session = this.#session): Plain | undefined {
    return this.call(splitInline(line) ?? [], session)
  }

  /** The same with arguments as they are. */
  call(args: readonly string[], session = this.#session): Plain | undefined {
    this.effects = [...this.engine.execute(session, args, this.now)]
    return this.received(session)[0]
  }

  /** The replies that a session has got since it was asked last. */
  received(session = this.#session): Plain[] {
    const decoder = new ReplyDecoder()
    decoder.push(session.reply.take())
    const replies: Plain[] = []
    for (let reply = decoder.next(); reply !== undefined; reply = decoder.next()) replies.push(plain(reply))
    return replies
  }

  /** Lets time pass. */
  wait(ms: number): void {
    this.now += ms
    this.effects = [...this.engine.tick(this.now)]
  }

  /** What was propagated by the last call, as lines. */
  propagated(): string[] {
    return this.effects.flatMap((effect) => (effect.kind === 'propagate' ? [effect.args.join(' ')] : []))
  }
}

function plain(reply: Reply): Plain {
  switch (reply.kind) {
    case 'simple':
    case 'bulk':
    case 'verbatim':
      return reply.text
    case 'error':
      return `Error: ${reply.text}`
    case 'null':
      return null
    case 'integer':
    case 'double':
    case 'boolean':
    case 'big number':
      return reply.value
    default:
      return reply.items.map(plain)
  }
}

/** Runs commands one after the other, each with the reply that it must have; undefined for one that blocks. */
export function expectReplies(bed: CacheBed, ...script: readonly (readonly [string, Plain | undefined])[]): void {
  for (const [line, reply] of script) expect([line, bed.run(line)]).toEqual([line, reply])
}

export const WRONG_TYPE = 'Error: WRONGTYPE Operation against a key holding the wrong kind of value'
export const NOT_AN_INTEGER = 'Error: ERR value is not an integer or out of range'
export const SYNTAX_ERROR = 'Error: ERR syntax error'

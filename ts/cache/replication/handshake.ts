// How a replica introduces itself, a command at a time, each after the answer to the one before:
//
//   PING
//   AUTH [masteruser] masterauth           where there is a password
//   REPLCONF listening-port 6380           and ip-address, where it is told which
//   REPLCONF capa eof capa psync2
//   PSYNC <id> <offset>                    or ? -1 for who knows nothing; with FAILOVER behind it, from a master that hands over
//     -> +CONTINUE [<id>]                  what follows on that offset comes next
//     -> +FULLRESYNC <id> <offset>         a snapshot comes next
//
// replication.c of Redis 7.0, syncWithMaster.
import { ID_LENGTH } from './types.ts'

/** What a replica says of itself. */
export interface Introduction {
  readonly user: string
  /** '' for none. */
  readonly password: string
  readonly listeningPort: number
  /** '' for what the master sees. */
  readonly announcedHost: string
  /** The history that it has, and the first offset that it lacks; undefined if it has none. */
  readonly known: { readonly id: string; readonly from: number } | undefined
  /** It was the master until now, and asks the other one to be it. */
  readonly handsOver: boolean
}

/** What follows on an answer. */
export type HandshakeStep =
  | { readonly kind: 'send'; readonly args: readonly string[] }
  | { readonly kind: 'resync'; readonly id: string; readonly offset: number }
  | { readonly kind: 'continue'; readonly id: string | undefined }
  | { readonly kind: 'fail'; readonly why: string }

interface Stage {
  readonly args: readonly string[]
  /** Whether it goes on after this answer. */
  readonly accepts: (answer: string) => boolean
}

const FULL = /^\+FULLRESYNC (?<id>[0-9a-zA-Z]{40}) (?<offset>\d{1,16})$/
const CONTINUE = /^\+CONTINUE(?: (?<id>\S+))?$/

/** See the top of this file. Send what `begin` returns, then give each answer to `answer`. */
export class Handshake {
  readonly #stages: readonly Stage[]
  readonly #knowsHistory: boolean
  #at = 0

  constructor({ user, password, listeningPort, announcedHost, known, handsOver }: Introduction) {
    this.#knowsHistory = known !== undefined
    const isFine = (answer: string): boolean => answer.startsWith('+')
    const login = user === '' ? ['AUTH', password] : ['AUTH', user, password]
    // A master that wants a password says so; it will say it again where it matters.
    const greets = (answer: string): boolean =>
      isFine(answer) || /^-(?:NOAUTH|NOPERM|ERR operation not permitted)/.test(answer)
    // A master that does not know these can do without.
    const always = (): boolean => true
    this.#stages = [
      { args: ['PING'], accepts: greets },
      ...(password === '' ? [] : [{ args: login, accepts: isFine }]),
      { args: ['REPLCONF', 'listening-port', String(listeningPort)], accepts: always },
      ...(announcedHost === '' ? [] : [{ args: ['REPLCONF', 'ip-address', announcedHost], accepts: always }]),
      { args: ['REPLCONF', 'capa', 'eof', 'capa', 'psync2'], accepts: always },
      {
        args:
          known === undefined
            ? ['PSYNC', '?', '-1']
            : ['PSYNC', known.id, String(known.from), ...(handsOver ? ['FAILOVER'] : [])],
        accepts: always,
      },
    ]
  }

  begin(): readonly string[] {
    return (this.#stages[0] as Stage).args
  }

  /** @param answer - A line, without its end. */
  answer(answer: string): HandshakeStep {
    const { args, accepts } = this.#stages[this.#at] as Stage
    if (this.#at === this.#stages.length - 1) return this.#lastStep(answer)
    if (!accepts(answer)) return { kind: 'fail', why: `${args[0]} was answered with ${shownAnswer(answer)}` }
    this.#at++
    return { kind: 'send', args: (this.#stages[this.#at] as Stage).args }
  }

  #lastStep(answer: string): HandshakeStep {
    const full = FULL.exec(answer)?.groups
    if (full !== undefined) return { kind: 'resync', id: full['id'] as string, offset: Number(full['offset']) }
    const groups = CONTINUE.exec(answer)
    const id = groups?.groups?.['id']
    // Who has nothing cannot go on with it.
    if (groups !== null && this.#knowsHistory && (id === undefined || id.length === ID_LENGTH)) {
      return { kind: 'continue', id }
    }
    return { kind: 'fail', why: `PSYNC was answered with ${shownAnswer(answer)}` }
  }
}

function shownAnswer(answer: string): string {
  return JSON.stringify(answer.slice(0, 200))
}

import { BedplateError } from '../../base/errors.ts'
import type { FaultyNetwork, Swallowed } from './faulty-network.ts'

/** Which commands are answered with an error. */
export interface FailingCommand {
  /** The reply, with its code first: `OOM command not allowed when used memory > 'maxmemory'.` */
  readonly error: string
  /** Only commands of this name, such as `set`; all of them unless given. */
  readonly command?: string
  /** How many of them are served before, 0 unless given: `nth - 1`. */
  readonly after?: number
  /** How many fail, 1 unless given. */
  readonly times?: number
}

/** What a server in a test can be made to suffer. `clear` ends all of it but evictions. */
export interface RedisFaults {
  /** Every reply takes so long; 0 ends it. */
  delay(ms: number): void
  /**
   * Swallows replies (the commands are run, the clients never hear of it) or commands, until `clear`. A client that was in the middle
   * of a long command then speaks nonsense: cut it off.
   */
  drop(what?: Swallowed): void
  /** Cuts all connections that are open. Clients may connect again. */
  cut(): void
  /** Cuts all connections and lets nobody in, until `clear`. */
  down(): void
  /** Answers commands with an error, and does not run them. Several may wait for their command. */
  fail(which: FailingCommand): void
  /** Takes keys of database 0 away, as a full memory would. @returns How many there were. */
  evict(...keys: string[]): number
  clear(): void
}

interface Waiting {
  readonly command: string | undefined
  readonly error: string
  after: number
  times: number
}

const ERROR = /^[A-Z]+ [^\r\n]+$/

/** Commands that are to fail. */
export class FailingCommands {
  #waiting: Waiting[] = []

  /** @throws INVALID_INPUT for an error that no client would understand. */
  add({ error, command, after = 0, times = 1 }: FailingCommand): void {
    if (!ERROR.test(error)) {
      throw new BedplateError('INVALID_INPUT', `faults.fail: ${JSON.stringify(error)} is no error of Redis`, {
        hint: 'begin with a code in capitals, such as "ERR something"',
      })
    }
    this.#waiting.push({ command: command?.toLowerCase(), error, after, times })
  }

  clear(): void {
    this.#waiting = []
  }

  /** The error that a command is answered with, if one is. */
  errorFor([name = '']: readonly string[]): string | undefined {
    const lower = name.toLowerCase()
    let error: string | undefined
    for (const each of this.#waiting) {
      if (each.command !== undefined && each.command !== lower) continue
      if (each.after-- > 0 || error !== undefined) continue
      each.after = 0
      each.times--
      error = each.error
    }
    this.#waiting = this.#waiting.filter(({ times }) => times > 0)
    return error
  }
}

/** The faults of a server behind `network`. */
export function faultsOf(
  network: FaultyNetwork,
  failing: FailingCommands,
  evict: (keys: readonly string[]) => number,
): RedisFaults {
  return {
    delay(ms) {
      network.delayMs = ms
    },
    drop(what = 'replies') {
      network.swallows = what
    },
    cut: () => network.cut(),
    down() {
      network.isDown = true
      network.cut()
    },
    fail: (which) => failing.add(which),
    evict: (...keys) => (keys.length === 0 ? 0 : evict(keys)),
    clear() {
      network.delayMs = 0
      network.swallows = undefined
      network.isDown = false
      failing.clear()
    },
  }
}

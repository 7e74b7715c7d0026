// Clients that hear of every command that is run (replication.c, replicationFeedMonitors).
import { redacted } from './redaction.ts'
import type { Session } from './session.ts'
import type { CommandSpec } from './specs.ts'

const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['\\', '\\\\'],
  ['"', '\\"'],
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
  ['\x07', '\\a'],
  ['\b', '\\b'],
])

/** What is told of a command. */
export interface MonitoredCommand {
  readonly session: Session
  readonly command: CommandSpec
  readonly args: readonly string[]
  /** Milliseconds since 1970. */
  readonly nowMs: number
  /** Where the client is connected from. */
  readonly address: string
}

/** The clients that hear of commands. */
export class Monitors {
  readonly #sessions = new Set<Session>()

  get size(): number {
    return this.#sessions.size
  }

  add(session: Session): void {
    session.isMonitor = true
    this.#sessions.add(session)
  }

  delete(session: Session): void {
    session.isMonitor = false
    this.#sessions.delete(session)
  }

  /** Tells of a command, without its secrets; of those for administrators not at all. O(monitors). @param told - Called for each. */
  tell({ session, command, args, nowMs, address }: MonitoredCommand, told: (monitor: Session) => void): void {
    if (command.flags.has('admin')) return
    const time = `${Math.floor(nowMs / 1000)}.${String(Math.floor(nowMs % 1000)).padStart(3, '0')}000`
    const words = redacted(command.name, args).map(quoted)
    const line = `${time} [${session.database} ${session.isScript ? 'lua' : address}] ${words.join(' ')}`
    for (const monitor of this.#sessions) {
      monitor.reply.simple(line)
      told(monitor)
    }
  }
}

/** As sdscatrepr in sds.c. */
function quoted(text: string): string {
  const escaped = text.replaceAll(/[^ !#-[\]-~]/g, (character) => {
    return ESCAPES.get(character) ?? `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`
  })
  return `"${escaped}"`
}

// What `raft-node` replicates: the commands themselves, in order, and the keys that `SET key value` and `DELETE key` leave.
//
//   command    UTF-8
//   result     u53: how many commands there are with this one
//   snapshot   u8 version = 1 | u32 count; each: u32 length, command

import { ByteReader, ByteWriter } from '../../../base/binary.ts'
import { BedplateError } from '../../../base/errors.ts'
import { LARGEST_COMMAND_BYTES } from '../entry-codec.ts'
import type { StateMachine } from '../state-machine.ts'
import type { LogIndex } from '../types.ts'

/** A command and its number, from 1. */
export interface LoggedCommand {
  readonly index: number
  readonly command: string
}

const VERSION = 1
const SET = /^SET\s+(\S+)\s(.*)$/is
const DELETE = /^DEL(?:ETE)?\s+(\S+)\s*$/i

/** All of it is in memory, as strings. */
export class CommandLog implements StateMachine {
  private readonly applied: (count: number, index: LogIndex) => void
  private commands: string[] = []
  private readonly values = new Map<string, string>()

  /** @param applied - Is told of each command, with its number and its place in Raft's log. */
  constructor(applied: (count: number, index: LogIndex) => void) {
    this.applied = applied
  }

  /** Commands that were applied, ever. */
  get count(): number {
    return this.commands.length
  }

  get(key: string): string | undefined {
    return this.values.get(key)
  }

  /** Commands from number `from` on: at most `limit`, and no more once they have `maxBytes`. */
  read(from: number, { limit, maxBytes }: { limit: number; maxBytes: number }): LoggedCommand[] {
    const found: LoggedCommand[] = []
    let bytes = 0
    for (let index = from; index <= this.commands.length && found.length < limit && bytes < maxBytes; index++) {
      const command = this.commands[index - 1] as string
      bytes += command.length
      found.push({ index, command })
    }
    return found
  }

  apply(bytes: Uint8Array, index: LogIndex): Uint8Array {
    this.execute(Buffer.from(bytes).toString('utf8'))
    this.applied(this.count, index)
    return new ByteWriter().u53(this.count).finish()
  }

  snapshot(): Uint8Array {
    const writer = new ByteWriter().u8(VERSION)
    return writer.list(this.commands, (command) => writer.text(command)).finish()
  }

  /** @throws CORRUPTION, INCOMPATIBLE; then nothing has changed */
  restore(snapshot: Uint8Array): void {
    const reader = new ByteReader(snapshot, 'snapshot of commands')
    const version = reader.u8()
    if (version !== VERSION) {
      throw new BedplateError('INCOMPATIBLE', `a snapshot of commands has version ${version}, and ${VERSION} is known`)
    }
    const most = Number.POSITIVE_INFINITY
    const commands = reader.list({ most, itemBytes: 4 }, () => reader.text(LARGEST_COMMAND_BYTES))
    reader.end()
    this.commands = []
    this.values.clear()
    for (const command of commands) this.execute(command)
  }

  private execute(command: string): void {
    this.commands.push(command)
    const [, key, value] = SET.exec(command) ?? []
    if (key !== undefined && value !== undefined) this.values.set(key, value)
    const deleted = DELETE.exec(command)?.[1]
    if (deleted !== undefined) this.values.delete(deleted)
  }
}

/** The number in a result of `CommandLog`. @throws CORRUPTION */
export function numberOf(result: Uint8Array): number {
  return new ByteReader(result, 'result').u53()
}

import { type KeyReference, keyReferences } from '../commands/key-specs.ts'
import { COMMAND_SPECS, type CommandSpec } from '../commands/specs.ts'
import { Glob } from '../keyspace/glob.ts'
import { CommandRights } from './command-rights.ts'

/** Why a command may not be run, and by which argument. */
export interface Denial {
  readonly reason: 'command' | 'key' | 'channel'
  readonly position: number
}

/** A command as it came, with what is worth being looked for once alone. */
export interface Request {
  readonly command: CommandSpec
  readonly args: readonly string[]
  keys: readonly KeyReference[] | undefined
}

/** Keys by a pattern, and what may be done to them. */
interface KeyPattern {
  readonly text: string
  readonly glob: Glob
  readonly reads: boolean
  readonly writes: boolean
}

export const SYNTAX = 'Syntax error'
const UNKNOWN = 'Unknown command or category name in ACL'
const ALL_KEYS =
  "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. Try 'resetkeys' to start " +
  'with an empty list of patterns'
const ALL_CHANNELS =
  "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any effect. Try 'resetchannels' to " +
  'start with an empty list of channels'
const NO_NESTING = 'Allowing first-arg of a subcommand is not supported'

/** Commands whose arguments are channels: how many, from the first on, and whether they are patterns. */
const CHANNELS: ReadonlyMap<string, { readonly count: number; readonly arePatterns: boolean }> = new Map([
  ['subscribe', { count: Number.POSITIVE_INFINITY, arePatterns: false }],
  ['ssubscribe', { count: Number.POSITIVE_INFINITY, arePatterns: false }],
  ['psubscribe', { count: Number.POSITIVE_INFINITY, arePatterns: true }],
  ['publish', { count: 1, arePatterns: false }],
  ['spublish', { count: 1, arePatterns: false }],
])

/**
 * Commands together with the keys and channels that they may be run on. Each user has one, and further ones in parentheses: what one
 * of them allows is allowed.
 */
export class Selector {
  commands = new CommandRights()
  allKeys = false
  allChannels = false
  #keys: KeyPattern[] = []
  #channels: { readonly text: string; readonly glob: Glob }[] = []

  /** Nothing at all is forbidden. */
  get allowsEverything(): boolean {
    return this.allKeys && this.allChannels && this.commands.allowsAll
  }

  /** Patterns of channels, as they were given. */
  get channels(): readonly string[] {
    return this.#channels.map(({ text }) => text)
  }

  /**
   * Why a request is not allowed; undefined if it is. A key is read or written as the key specifications of its command say; one that
   * is only asked whether it is there may be known by any pattern.
   */
  denial(request: Request): Denial | undefined {
    const { command, args } = request
    // What makes a connection somebody else's is open to all.
    if (!command.flags.has('no_auth') && !this.commands.allow(command, args)) return { reason: 'command', position: 0 }
    if (!this.allKeys) {
      request.keys ??= keyReferences(command, args) ?? []
      for (const { position, flags } of request.keys) {
        if (!this.#allowsKey(args[position] as string, flags)) return { reason: 'key', position }
      }
    }
    const channels = this.allChannels ? undefined : CHANNELS.get(command.name)
    if (channels === undefined) return undefined
    const end = Math.min(args.length, 1 + channels.count)
    for (let position = 1; position < end; position++) {
      if (!this.allowsChannel(args[position] as string, channels.arePatterns)) return { reason: 'channel', position }
    }
    return undefined
  }

  /** Whether any key whatever may be read. */
  get readsEveryKey(): boolean {
    return this.allKeys || this.#keys.some(({ text, reads }) => reads && text === '*')
  }

  /** @param isPattern - PSUBSCRIBE's: then one of the patterns has to be the very same. */
  allowsChannel(channel: string, isPattern: boolean): boolean {
    if (this.allChannels) return true
    return this.#channels.some(({ text, glob }) => (isPattern ? text === channel : glob.matches(channel)))
  }

  /**
   * Applies one rule, such as `+get`, `~user:*` or `resetkeys`.
   * @returns What is wrong with it; undefined if it was applied.
   */
  apply(rule: string): string | undefined {
    const first = rule[0]
    const word = rule.toLowerCase()
    if (word === 'allkeys' || word === '~*') this.#resetKeys(true)
    else if (word === 'resetkeys') this.#resetKeys(false)
    else if (word === 'allchannels' || word === '&*') this.#resetChannels(true)
    else if (word === 'resetchannels') this.#resetChannels(false)
    else if (word === 'allcommands' || word === '+@all') this.commands.setAll(true)
    else if (word === 'nocommands' || word === '-@all') this.commands.setAll(false)
    else if (first === '~' || first === '%') return this.#addKeys(rule)
    else if (first === '&') return this.#addChannels(rule.slice(1))
    else if (/^[+-]@/.test(rule)) return this.commands.setCategory(word.slice(2), first === '+') ? undefined : UNKNOWN
    else if (first === '+') return this.#allow(word.slice(1), rule)
    else if (first === '-') {
      if (!COMMAND_SPECS.has(word.slice(1))) return UNKNOWN
      this.commands.set(word.slice(1), false)
    } else return SYNTAX
    return undefined
  }

  clone(): Selector {
    const copy = new Selector()
    copy.commands = this.commands.clone()
    copy.allKeys = this.allKeys
    copy.allChannels = this.allChannels
    copy.#keys = [...this.#keys]
    copy.#channels = [...this.#channels]
    return copy
  }

  /** Its patterns of keys as rules. */
  describeKeys(): string {
    return this.allKeys ? '~*' : this.#keys.map(describeKeys).join(' ')
  }

  describeChannels(): string {
    return this.allChannels ? '&*' : this.#channels.map(({ text }) => `&${text}`).join(' ')
  }

  /** All of it as rules that lead to the same. */
  describe(): string {
    const channels = this.allChannels ? '&*' : `resetchannels ${this.describeChannels()}`.trim()
    return `${this.describeKeys()} ${channels} ${this.commands.describe()}`.trim()
  }

  #allowsKey(key: string, flags: readonly string[]): boolean {
    const reads = flags.includes('access')
    const writes = flags.includes('update') || flags.includes('insert') || flags.includes('delete')
    return this.#keys.some(
      (pattern) => (pattern.reads || !reads) && (pattern.writes || !writes) && pattern.glob.matches(key),
    )
  }

  #resetKeys(all: boolean): void {
    this.allKeys = all
    this.#keys = []
  }

  #resetChannels(all: boolean): void {
    this.allChannels = all
    this.#channels = []
  }

  /** `~pattern`, or `%R~pattern` with R, W or both. */
  #addKeys(rule: string): string | undefined {
    if (this.allKeys) return ALL_KEYS
    const [, letters = '', text = ''] = /^(?:~|%(r|w|rw|wr)(?:~|$))(.*)$/is.exec(rule) ?? ['', 'wrong']
    if (letters === 'wrong' || hasSpaces(text)) return SYNTAX
    const reads = letters === '' || /r/i.test(letters)
    const writes = letters === '' || /w/i.test(letters)
    const known = this.#keys.findIndex((pattern) => pattern.text === text)
    const before = this.#keys[known]
    const pattern: KeyPattern = {
      text,
      glob: new Glob(text),
      reads: reads || before?.reads === true,
      writes: writes || before?.writes === true,
    }
    if (before === undefined) this.#keys.push(pattern)
    else this.#keys[known] = pattern
    return undefined
  }

  #addChannels(text: string): string | undefined {
    if (this.allChannels) return ALL_CHANNELS
    if (hasSpaces(text)) return SYNTAX
    if (!this.channels.includes(text)) this.#channels.push({ text, glob: new Glob(text) })
    return undefined
  }

  /** `+command`, `+container|subcommand`, or `+command|argument`. */
  #allow(name: string, rule: string): string | undefined {
    const bar = name.lastIndexOf('|')
    if (COMMAND_SPECS.has(name)) {
      this.commands.set(name, true)
      return undefined
    }
    const command = name.slice(0, bar)
    if (bar === -1 || !COMMAND_SPECS.has(command)) return UNKNOWN
    if (command.includes('|')) return NO_NESTING
    const argument = rule.slice(bar + 2)
    if (argument === '') return SYNTAX
    if (CONTAINERS.has(command)) return UNKNOWN
    this.commands.allowFirstArgument(command, argument)
    return undefined
  }
}

const CONTAINERS: ReadonlySet<string> = new Set(
  [...COMMAND_SPECS.keys()].flatMap((name) => (name.includes('|') ? [name.split('|')[0] as string] : [])),
)

/** Spaces as C has them, or zero bytes, neither of which a line of a file can hold. */
export function hasSpaces(text: string): boolean {
  return /[\0\t-\r ]/.test(text)
}

function describeKeys({ text, reads, writes }: KeyPattern): string {
  if (reads && writes) return `~${text}`
  return `%${reads ? 'R' : 'W'}~${text}`
}

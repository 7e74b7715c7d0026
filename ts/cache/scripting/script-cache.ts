// The scripts of EVAL by their SHA-1, compiled when they are first run.
import { splitInline } from '../../wire/resp/index.ts'
import type { Call } from '../commands/call.ts'
import { fail } from '../commands/errors.ts'
import type { Host } from '../commands/host.ts'
import { type Lua, REGISTRY, type State } from './lua.ts'
import { pushArray } from './replies.ts'
import { type Rights, type ScriptFlags, ScriptRunner } from './runner.ts'
import { sha1Hex } from './sha1.ts'

/** What a script or a function may say of itself. */
export const FLAG_NAMES: ReadonlySet<string> = new Set(
  'no-writes allow-oom allow-stale no-cluster allow-cross-slot-keys'.split(' '),
)

export interface Script {
  readonly sha1: string
  readonly flags: ScriptFlags
  /** Without the first line that holds the flags, but with its end. */
  readonly body: string
  /** Where the compiled script lies in the registry, and in which interpreter. */
  compiled: { readonly reference: number; readonly generation: number }
}

/** One for each engine. */
export class ScriptCache {
  readonly runner: ScriptRunner
  readonly #bySha1 = new Map<string, Script>()
  /** The same by their texts: EVAL finds them without a digest. */
  readonly #byText = new Map<string, Script>()

  constructor(engine: Host) {
    this.runner = new ScriptRunner(engine, 'eval')
  }

  get size(): number {
    return this.#bySha1.size
  }

  find(sha1: string): Script | undefined {
    return this.#bySha1.get(sha1)
  }

  /** Finds a script or compiles it. @throws CommandError if it is none. */
  add(text: string): Script {
    const known = this.#byText.get(text)
    if (known !== undefined) return known
    const { flags, length } = readFlags(text)
    const body = text.slice(length)
    const script: Script = { sha1: sha1Hex(text), flags, body, compiled: this.#compile(body) }
    this.#byText.set(text, script)
    this.#bySha1.set(script.sha1, script)
    return script
  }

  clear(): void {
    this.#bySha1.clear()
    this.#byText.clear()
    this.runner.reset()
  }

  run(
    { session, command, mayBlock, now }: Call,
    script: Script,
    args: readonly string[],
    { keys, rest, ...rights }: Rights & { keys: readonly string[]; rest: readonly string[] },
  ): void {
    this.runner.lua // the interpreter that it will run in
    if (script.compiled.generation !== this.runner.generation) script.compiled = this.#compile(script.body)
    const { reference } = script.compiled
    const push = (lua: Lua, state: State): number => {
      const { api } = lua
      api.lua_getfield(state, REGISTRY, lua.constant('globals'))
      pushArray(lua, state, keys)
      lua.setField(state, -2, 'KEYS')
      pushArray(lua, state, rest)
      lua.setField(state, -2, 'ARGV')
      lua.pop(state)
      api.lua_rawgeti(state, REGISTRY, reference)
      return 0
    }
    this.runner.start(session, command, { name: script.sha1, ...rights, mayPause: mayBlock, args, push }, now)
  }

  #compile(body: string): Script['compiled'] {
    const result = this.runner.compile(body, '@user_script')
    if (typeof result === 'string') fail(`ERR Error compiling script (new function): ${result}`)
    return { reference: result, generation: this.runner.generation }
  }
}

/** The flags of a first line such as `#!lua flags=no-writes`, and how long it is. @throws CommandError */
export function readFlags(text: string): { flags: ScriptFlags; length: number } {
  if (!text.startsWith('#!')) return { flags: { isUndeclared: true, names: new Set() }, length: 0 }
  const length = text.indexOf('\n')
  if (length === -1) fail('ERR Invalid script shebang')
  const [engine, ...options] = splitInline(text.slice(0, length)) ?? []
  if (engine === undefined) fail('ERR Invalid engine in script shebang')
  if (engine !== '#!lua') fail(`ERR Unexpected engine in script shebang: ${engine}`)
  const names = new Set<string>()
  for (const option of options) {
    if (!option.startsWith('flags=')) fail(`ERR Unknown lua shebang option: ${option}`)
    const list = option.slice('flags='.length)
    for (const name of list === '' ? [] : list.split(',')) {
      if (!FLAG_NAMES.has(name)) fail(`ERR Unexpected flag in script shebang: ${name}`)
      names.add(name)
    }
  }
  return { flags: { isUndeclared: false, names }, length }
}

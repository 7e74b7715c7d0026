// Runs scripts, one at a time, and interrupts those that take long.
//
// A script runs to its end in the call of the engine that began it, as long as `busyReplyThresholdMs` lets it. After that the hook
// makes it yield: the engine keeps it as `paused`, refuses other commands with BUSY, and gives it a slice of time at every tick,
// until it ends or is killed. Inside of EXEC, of a comparison of table.sort, of a function for string.gsub, or of a metamethod,
// there is no way to yield: there it goes on until it can, and is stopped if it has written nothing, or after ten times as long.
import type { Host } from '../commands/host.ts'
import { OUT_OF_MEMORY } from '../commands/memory-limit.ts'
import { mayRun } from '../commands/rights.ts'
import { Session } from '../commands/session.ts'
import type { CommandSpec } from '../commands/specs.ts'
import { bitLibrary } from './bit-library.ts'
import { jsonLibrary } from './json-library.ts'
import {
  GLOBALS,
  type HookAnswer,
  Lua,
  LuaCrash,
  LuaError,
  type LuaFunction,
  OK,
  REGISTRY,
  type State,
  TYPE,
  YIELDED,
} from './lua.ts'
import { msgpackLibrary } from './msgpack-library.ts'
import { PRELUDE } from './prelude.ts'
import { evalLibrary, logLibrary, randomLibrary, redisLibrary, type ScriptHost } from './redis-library.ts'
import { COUNTED, pushError, pushReply, textField, writeValue } from './replies.ts'
import { structLibrary } from './struct-library.ts'
import { tableLibrary } from './table-library.ts'

/** The scripts of EVAL, and the functions of libraries, live apart from each other. */
export type ScriptKind = 'eval' | 'function'

/** What a script says of itself in its first line, or a function when it is registered. */
export interface ScriptFlags {
  /** Without flags at all a script of EVAL may do everything. */
  readonly isUndeclared: boolean
  readonly names: ReadonlySet<string>
}

/** What a script may do. */
export interface Rights {
  readonly isReadOnly: boolean
  /** It has said that it may need memory beyond `maxmemory`. */
  readonly allowsOom: boolean
}

/** One run of a script. */
export interface Job extends Rights {
  /** The SHA-1 of a script, or the name of a function. */
  readonly name: string
  /** The client may be made to wait: not in a transaction. */
  readonly mayPause: boolean
  /** The command as it came, for FUNCTION STATS. */
  readonly args: readonly string[]
  /** Pushes what is to be called with its arguments. @returns How many arguments. */
  readonly push: (lua: Lua, state: State) => number
}

interface Run {
  readonly job: Job
  readonly session: Session
  readonly thread: State
  readonly startedMs: number
  /** The time of the engine, which stands still for the script. */
  readonly nowMs: number
  argumentCount: number
  /** It has called a command that writes: it cannot be killed any more. */
  hasWritten: boolean
  /** It was interrupted: its client waits. */
  isPaused: boolean
}

/** What Lua may hold, for all scripts of one kind together. */
const MEMORY_BYTES = 256 * 2 ** 20
/** Beyond this an interpreter is thrown away after the script that filled it: its memory cannot be given back otherwise. */
const KEPT_BYTES = 96 * 2 ** 20
const HOOK_INSTRUCTIONS = 100_000
/** How long a script that was interrupted runs before others get their turn again. */
const SLICE_MS = 10
/** One that has written and cannot be interrupted is stopped after so many times the threshold. */
const LAST_RESORT = 10
/** Calls of coroutines and pcall within each other. */
const MAX_NESTING = 180
/** Commands that write where nobody sees it at once (CMD_MAY_REPLICATE). */
const MAY_REPLICATE: ReadonlySet<string> = new Set(['publish', 'spublish', 'pfcount'])
const KILLED = 'ERR Script killed by user with SCRIPT KILL.'
const NOT_PAUSABLE = 'the script takes too long where it cannot be interrupted'
const CRASHED = 'ERR the script was stopped: it ran out of stack or memory'

/** An interpreter with what scripts of one kind need. */
export class ScriptRunner {
  /** How often an interpreter was begun: what was compiled for an earlier one is gone. */
  generation = 0
  readonly #engine: Host
  readonly #kind: ScriptKind
  readonly #loading: ((lua: Lua) => Readonly<Record<string, LuaFunction>>) | undefined
  /** The client of the commands of scripts. */
  readonly #inner: Session
  #lua: Lua | undefined
  /** References of what the prelude made. */
  #host = 0
  #sweep = 0
  /** Where the next script runs, and what keeps it from being collected; one that failed is not used again. */
  #thread: { readonly state: State; readonly anchor: number } | undefined
  #run: Run | undefined
  /** Whether everything around can yield, for each coroutine that runs, the outermost first. */
  #canYield: boolean[] = []
  /** The script is on its way out to be continued later. */
  #isPausing = false
  #sliceEndMs = Number.POSITIVE_INFINITY

  /** @param loading - What `redis` holds for a library that is loaded, beside the log. */
  constructor(engine: Host, kind: ScriptKind, loading?: (lua: Lua) => Readonly<Record<string, LuaFunction>>) {
    this.#engine = engine
    this.#inner = new Session(0, engine.users.nobody)
    this.#kind = kind
    this.#loading = loading
  }

  /** The interpreter, made when it is first needed. */
  get lua(): Lua {
    this.#lua ??= this.#make()
    return this.#lua
  }

  /** What runs or is paused. */
  get running(): { readonly job: Job; readonly startedMs: number; readonly session: Session } | undefined {
    return this.#run
  }

  /** Bytes that the interpreter has in use; 0 without one. */
  get usedBytes(): number {
    return this.#lua?.usedBytes ?? 0
  }

  /** Compiles a chunk. @returns Where it lies in the registry, or what is wrong with it. */
  compile(source: string, name: string): number | string {
    const { lua } = this
    try {
      return lua.guard(() => {
        const problem = lua.load(lua.main, source, name)
        return problem ?? lua.api.luaL_ref(lua.main, REGISTRY)
      })
    } catch (error) {
      if (!(error instanceof LuaCrash) && !(error instanceof LuaError)) throw error
      this.reset()
      return 'not enough memory'
    }
  }

  /** Forgets everything. */
  reset(): void {
    this.#lua = undefined
    this.#thread = undefined
  }

  /** Runs a script for a session and writes its reply, or lets the session wait for it. */
  start(session: Session, command: CommandSpec, job: Job, nowMs: number): void {
    const { lua } = this
    this.#thread ??= this.#newThread(lua)
    const inner = this.#inner
    inner.standFor(session, command, job.args)
    inner.reply.protocol = 2
    const startedMs = this.#engine.monotonicMs?.() ?? 0
    const thread = this.#thread.state
    const run: Run = {
      job,
      session,
      thread,
      startedMs,
      nowMs,
      argumentCount: 0,
      hasWritten: false,
      isPaused: false,
    }
    this.#run = run
    try {
      run.argumentCount = lua.guard(() => job.push(lua, thread))
    } catch (error) {
      this.#fail(run, error)
      return
    }
    this.#sliceEndMs = startedMs + this.#engine.busyReplyThresholdMs
    if (this.#advance(run)) return
    run.isPaused = true
    this.#engine.block(session, {
      command,
      argsFor: () => [],
      database: 0,
      keys: [],
      type: 'string',
      untilMs: undefined,
    })
    const other = this.#kind === 'eval' ? 'SCRIPT' : 'FUNCTION'
    this.#engine.paused = {
      nowMs,
      refusal: `BUSY Redis is busy running a script. You can only call ${other} KILL or SHUTDOWN NOSAVE.`,
      resume: () => {
        this.#sliceEndMs = (this.#engine.monotonicMs?.() ?? 0) + SLICE_MS
        this.#advance(run)
      },
    }
  }

  /** SCRIPT KILL and FUNCTION KILL. @returns Why not, as the reply; undefined if it is done. */
  kill(): string | undefined {
    const run = this.#run
    if (run === undefined) return 'NOTBUSY No scripts in execution right now.'
    if (run.hasWritten) {
      return 'UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait the script termination or kill the server in a hard way using the SHUTDOWN NOSAVE command.'
    }
    this.#end(run, () => this.#writeError(run, KILLED))
    return undefined
  }

  /**
   * Runs the chunk of a library, which registers functions.
   * @param limitMs - After that it is stopped.
   * @returns The text of its error; undefined if it went well.
   */
  load(reference: number, limitMs: number): string | undefined {
    const { lua } = this
    const { api, main } = lua
    const clock = this.#engine.monotonicMs
    const endMs = (clock?.() ?? 0) + limitMs
    lua.hook = () => (clock !== undefined && clock() > endMs ? 'stop' : 'go on')
    lua.stopText = 'FUNCTION LOAD timeout'
    try {
      return lua.guard(() => {
        api.lua_rawgeti(main, REGISTRY, this.#host)
        lua.rawField(main, -1, 'load')
        api.lua_rawgeti(main, REGISTRY, reference)
        return api.lua_pcall(main, 1, 0, 0) === OK ? undefined : this.#errorText(main)
      })
    } catch (error) {
      if (!(error instanceof LuaCrash) && !(error instanceof LuaError)) throw error
      this.reset()
      return CRASHED
    } finally {
      if (this.#lua === lua) {
        lua.hook = (state) => this.#hook(state)
        lua.setHook(main, HOOK_INSTRUCTIONS)
        api.lua_settop(main, 0)
      }
    }
  }

  /** Gives back what `compile` or a registered function holds. */
  release(reference: number): void {
    this.#lua?.api.luaL_unref(this.#lua.main, REGISTRY, reference)
  }

  // Running.

  /** Lets a script run on. @returns False if it was interrupted. */
  #advance(run: Run): boolean {
    const { lua } = this
    const { api } = lua
    this.#isPausing = false
    let status: number
    try {
      status = lua.guard(() => api.lua_resume(run.thread, run.argumentCount))
      run.argumentCount = 0
      if (status === YIELDED && this.#isPausing) return false
      this.#end(run, () => {
        if (status === OK) {
          if (api.lua_gettop(run.thread) === 0) api.lua_pushnil(run.thread)
          else api.lua_settop(run.thread, 1)
          this.#noteCounted(run)
          lua.guard(() => writeValue(lua, run.thread, run.session.reply, this.#inner.reply.protocol))
        } else if (status === YIELDED) this.#writeError(run, 'ERR attempt to yield across metamethod/C-call boundary')
        else this.#writeError(run, undefined)
      })
      if (status !== OK) this.#dropThread()
      else this.#tidy(lua, run)
    } catch (error) {
      this.#fail(run, error)
    }
    return true
  }

  #tidy(lua: Lua, run: Run): void {
    const { api } = lua
    api.lua_settop(run.thread, 0)
    api.lua_rawgeti(lua.main, REGISTRY, this.#sweep)
    api.lua_pcall(lua.main, 0, 0, 0)
    api.lua_settop(lua.main, 0)
    if (lua.memoryBytes > KEPT_BYTES) this.reset()
  }

  #dropThread(): void {
    if (this.#thread === undefined) return
    this.#lua?.api.luaL_unref(this.#lua.main, REGISTRY, this.#thread.anchor)
    this.#thread = undefined
    if ((this.#lua?.memoryBytes ?? 0) > KEPT_BYTES) this.reset()
  }

  /** Ends a run with the reply that `write` writes. */
  #end(run: Run, write: () => void): void {
    const { session } = run
    const guarded = (): void => {
      const mark = session.reply.length
      try {
        write()
      } catch (error) {
        if (!(error instanceof LuaCrash) && !(error instanceof LuaError)) throw error
        session.reply.truncate(mark)
        session.reply.error(CRASHED)
        this.reset()
      }
    }
    this.#run = undefined
    this.#canYield = []
    if (!run.isPaused) {
      guarded()
      return
    }
    this.#engine.paused = undefined
    this.#engine.release(session, guarded)
    this.#dropThreadIfUnfinished(run)
  }

  /** One that was killed in the middle cannot be used again. */
  #dropThreadIfUnfinished(run: Run): void {
    if (this.#thread?.state === run.thread && this.#isPausing) this.#dropThread()
  }

  /** The interpreter broke down under a script. */
  #fail(run: Run, error: unknown): void {
    if (!(error instanceof LuaCrash) && !(error instanceof LuaError)) throw error
    this.reset()
    this.#end(run, () => run.session.reply.error(CRASHED))
  }

  /** Writes an error with the place where the script is. @param text - Undefined for what lies on top of its stack. */
  #writeError(run: Run, text: string | undefined): void {
    const { lua } = this
    if (text === undefined) this.#noteCounted(run)
    const message = text ?? this.#errorText(run.thread)
    const position = lua.position(run.thread)
    const place = position === undefined ? '' : ` script: ${run.job.name}, on ${position.source}:${position.line}.`
    run.session.reply.error(`${message}${place}`)
  }

  /** What lies on top of the stack may be an error that was counted when a command told it. */
  #noteCounted({ thread }: Run): void {
    const { lua } = this
    if (lua.api.lua_type(thread, -1) !== TYPE.table) return
    this.#engine.statistics.isErrorKnown = lua.rawField(thread, -1, COUNTED) !== TYPE.nil
    lua.pop(thread)
  }

  #errorText(state: State): string {
    const { lua } = this
    const type = lua.api.lua_type(state, -1)
    if (type === TYPE.table) return textField(lua, state, 'err') ?? '(null)'
    if (type === TYPE.boolean) return `ERR ${lua.api.lua_toboolean(state, -1) !== 0}`
    return `ERR ${lua.text(state, -1) ?? lua.typeName(type)}`
  }

  #hook(state: State): HookAnswer {
    const run = this.#run
    const nowMs = this.#engine.monotonicMs?.()
    const threshold = this.#engine.busyReplyThresholdMs
    if (run === undefined || nowMs === undefined || threshold === 0 || nowMs < this.#sliceEndMs) return 'go on'
    const lua = this.#lua as Lua
    if (run.job.mayPause && this.#canYield.every((can) => can) && lua.canYield(state)) {
      this.#isPausing = true
      return 'yield'
    }
    if (run.hasWritten && nowMs < run.startedMs + LAST_RESORT * threshold) return 'go on'
    lua.stopText = NOT_PAUSABLE
    return 'stop'
  }

  // Commands of scripts.

  #call(state: State, args: readonly string[]): boolean {
    const { lua } = this
    const run = this.#run as Run
    const found = this.#engine.find(args)
    const refusal =
      typeof found === 'string' ? 'Unknown Redis command called from script' : this.#refusal(run, found, args)
    if (refusal !== undefined) {
      const text = /^[A-Z]+ /.test(refusal) ? refusal : `ERR ${refusal}`
      if (typeof found === 'string') this.#engine.statistics.replied(text)
      else this.#engine.statistics.refused(found.name, text)
      pushError(lua, state, text)
      lua.api.lua_pushboolean(state, 1)
      lua.setField(state, -2, COUNTED)
      return false
    }
    const command = found as CommandSpec
    if (command.flags.has('write')) run.hasWritten = true
    const { reply } = this.#inner
    reply.truncate()
    this.#engine.run(this.#inner, command, args, false)
    const bytes = reply.bytes() as Buffer
    const isFine = bytes[0] !== 0x2d
    pushReply(lua, state, bytes)
    reply.truncate()
    return isFine
  }

  /** Why a script may not run a command, in the order of Redis (script.c, scriptCall). */
  #refusal(run: Run, command: CommandSpec, args: readonly string[]): string | undefined {
    const { arity, flags, name } = command
    if (arity > 0 ? args.length !== arity : args.length < -arity) {
      return 'Wrong number of args calling Redis command from script'
    }
    if (flags.has('noscript') && !this.#engine.scriptsMayAll) return 'This Redis command is not allowed from script'
    if (run.job.isReadOnly && (flags.has('write') || MAY_REPLICATE.has(name))) {
      return 'Write commands are not allowed from read-only scripts.'
    }
    if (flags.has('blocking') && isBlockingRead(args)) {
      return `${name} command is not allowed with BLOCK option from scripts`
    }
    const { job, hasWritten } = run
    // Who has begun to write ends what it began.
    if (flags.has('denyoom') && !job.allowsOom && !hasWritten && this.#engine.memory.isExhausted) return OUT_OF_MEMORY
    return this.#engine.refusal(this.#inner, command, args)
  }

  // Making.

  #newThread(lua: Lua): { state: State; anchor: number } {
    return lua.guard(() => {
      const state = lua.api.lua_newthread(lua.main)
      return { state, anchor: lua.api.luaL_ref(lua.main, REGISTRY) }
    })
  }

  #make(): Lua {
    const lua = new Lua(MEMORY_BYTES)
    const { api, main } = lua
    this.generation++
    const problem = lua.load(main, PRELUDE, '=redis')
    if (problem !== undefined) throw new LuaCrash(problem)
    pushTable(lua, main, this.#prelude(lua))
    api.lua_pushvalue(main, -1)
    this.#host = api.luaL_ref(main, REGISTRY)
    api.lua_pushvalue(main, GLOBALS)
    api.lua_pushvalue(main, -1)
    lua.setField(main, REGISTRY, 'globals')
    this.#pushLibraries(lua)
    if (api.lua_pcall(main, 3, 1, 0) !== OK) throw new LuaCrash(lua.text(main, -1) ?? 'no prelude')
    // From now on scripts see the sandbox as their globals; the arrays of arguments are set behind it.
    api.lua_replace(main, GLOBALS)
    api.lua_rawgeti(main, REGISTRY, this.#host)
    lua.rawField(main, -1, 'sweep')
    this.#sweep = api.luaL_ref(main, REGISTRY)
    api.lua_settop(main, 0)
    lua.hook = (state) => this.#hook(state)
    lua.setHook(main, HOOK_INSTRUCTIONS)
    return lua
  }

  /** What the prelude asks for. */
  #prelude(lua: Lua): Readonly<Record<string, LuaFunction>> {
    return {
      ...tableLibrary(lua),
      enter: (state) => {
        const isRoom = this.#canYield.length < MAX_NESTING
        if (isRoom) this.#canYield.push(lua.canYield(state))
        lua.api.lua_pushboolean(state, isRoom ? 1 : 0)
        return 1
      },
      leave: () => {
        this.#canYield.pop()
        return 0
      },
      paused: (state) => {
        lua.api.lua_pushboolean(state, this.#isPausing ? 1 : 0)
        return 1
      },
      refuse: () => {
        throw new LuaError('Attempt to modify a readonly table')
      },
      nonexistent: (state) => {
        throw new LuaError(`Script attempted to access nonexistent global variable '${lua.text(state, 2) ?? '?'}'`)
      },
    }
  }

  #pushLibraries(lua: Lua): void {
    const { api, main } = lua
    const isRunning = (): boolean => this.#run !== undefined
    const host: ScriptHost = {
      get isRunning() {
        return isRunning()
      },
      call: (state, args) => this.#call(state, args),
      mayRun: (args) => {
        const command = this.#engine.find(args)
        if (typeof command === 'string') return undefined
        return mayRun(this.#engine, this.#inner, command, args)
      },
      setProtocol: (protocol) => {
        this.#inner.reply.protocol = protocol
      },
      setReplication: (flags) => {
        this.#inner.isUnpropagated = flags === 0
      },
      log: (level, text) => this.#engine.server?.log(level, text),
    }
    const redis = redisLibrary(lua, host)
    const logging = logLibrary(lua, host)
    api.lua_createtable(main, 0, 0)
    const libraries: Readonly<Record<string, Readonly<Record<string, LuaFunction | string | number>>>> = {
      redis: { ...redis, ...(this.#kind === 'eval' ? evalLibrary(lua) : {}) },
      bit: bitLibrary(lua),
      struct: structLibrary(lua),
      cjson: { ...jsonLibrary(lua), _NAME: 'cjson', _VERSION: '2.1.0' },
      cmsgpack: { ...msgpackLibrary(lua), _NAME: 'cmsgpack', _VERSION: 'lua-cmsgpack 0.4.0' },
      ...(this.#loading === undefined ? {} : { loading: { ...logging, ...this.#loading(lua) } }),
    }
    for (const [name, library] of Object.entries(libraries)) {
      pushTable(lua, main, library)
      if (name === 'cjson') {
        api.lua_pushlightuserdata(main, 0)
        lua.setField(main, -2, 'null')
        api.lua_pushvalue(main, -1)
        lua.setField(main, REGISTRY, 'cjson')
      }
      lua.setField(main, -2, name)
    }
    lua.api.lua_getfield(main, GLOBALS, lua.constant('math'))
    for (const [name, handler] of Object.entries(randomLibrary(lua))) {
      lua.pushFunction(main, handler)
      lua.setField(main, -2, name)
    }
    lua.pop(main)
  }
}

function pushTable(lua: Lua, state: State, fields: Readonly<Record<string, LuaFunction | string | number>>): void {
  lua.api.lua_createtable(state, 0, 0)
  for (const [name, value] of Object.entries(fields)) {
    if (typeof value === 'function') lua.pushFunction(state, value)
    else if (typeof value === 'string') lua.pushText(state, value)
    else lua.api.lua_pushnumber(state, value)
    lua.setField(state, -2, name)
  }
}

/** XREAD and XREADGROUP that would wait. */
function isBlockingRead([name = '', ...rest]: readonly string[]): boolean {
  if (!/^xread/i.test(name)) return false
  for (const argument of rest) {
    const word = argument.toUpperCase()
    if (word === 'STREAMS') return false
    if (word === 'BLOCK') return true
  }
  return false
}

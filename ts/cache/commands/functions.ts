// FUNCTION and FCALL.

import { BedplateError } from '../../base/errors.ts'
import type { ReplyWriter } from '../../wire/resp/index.ts'
import { Glob } from '../keyspace/glob.ts'
import { dumpFunctions, loadFunctions } from '../persistence/dump.ts'
import { FunctionLibraries } from '../scripting/function-libraries.ts'
import { FLAG_NAMES } from '../scripting/script-cache.ts'
import type { Call, Handlers } from './call.ts'
import { isWord } from './call.ts'
import { CommandError, fail, failSubcommand } from './errors.ts'
import type { Host } from './host.ts'
import { SCRIPT_OUT_OF_MEMORY } from './memory-limit.ts'

const BAD_PAYLOADS = {
  footer: 'ERR DUMP payload version or checksum are wrong',
  type: 'ERR given type is not a function',
  value: 'ERR Failed loading library payload',
} as const

/** The libraries of each engine. */
const LIBRARIES = new WeakMap<Host, FunctionLibraries>()

export const FUNCTION_COMMANDS: Handlers = {
  /** FCALL function numkeys [key ...] [arg ...] */
  fcall: (call, args) => callFunction(call, args, false),
  fcall_ro: (call, args) => callFunction(call, args, true),

  /** FUNCTION LOAD [REPLACE] code */
  'function|load'(call, args) {
    let replaces = false
    for (const option of args.slice(2, -1)) {
      if (!isWord(option, 'REPLACE')) fail(`ERR Unknown option given: ${option}`)
      replaces = true
    }
    if (args.length < 3 || (args.length === 3 && isWord(args[2], 'REPLACE'))) fail('ERR Function code is missing')
    const name = librariesOf(call).load(args.at(-1) as string, replaces)
    call.dirty++
    call.reply.bulk(name)
  },

  'function|delete'(call, [, , name = '']) {
    if (!librariesOf(call).delete(name)) fail('ERR Library not found')
    call.dirty++
    call.reply.ok()
  },

  /** FUNCTION FLUSH [ASYNC | SYNC] */
  'function|flush'(call, args) {
    if (args.length > 3) failSubcommand(args)
    if (args[2] !== undefined && !isWord(args[2], 'ASYNC') && !isWord(args[2], 'SYNC')) {
      fail('ERR FUNCTION FLUSH only supports SYNC|ASYNC option')
    }
    librariesOf(call).clear()
    call.dirty++
    call.reply.ok()
  },

  'function|list': list,
  'function|stats': stats,

  'function|kill'(call) {
    const { paused } = call.engine
    const refusal = librariesOf(call).runner.kill()
    if (refusal !== undefined) fail(paused === undefined || refusal.startsWith('UNKILLABLE') ? refusal : paused.refusal)
    call.reply.ok()
  },

  'function|dump'(call) {
    const payload = dumpFunctions(functionCodeOf(call.engine).dump())
    call.reply.bulk(Buffer.from(payload).toString('latin1'))
  },

  /** FUNCTION RESTORE payload [FLUSH | APPEND | REPLACE] */
  'function|restore'(call, args) {
    if (args.length > 4) failSubcommand(args)
    const policy = (args[3] ?? 'append').toLowerCase()
    if (policy !== 'flush' && policy !== 'append' && policy !== 'replace') {
      fail('ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.')
    }
    const codes = loadFunctions(Buffer.from(args[2] as string, 'latin1'))
    if (typeof codes === 'string') fail(BAD_PAYLOADS[codes])
    librariesOf(call).restore(codes, policy)
    call.dirty++
    call.reply.ok()
  },

  'function|help': ({ reply }) => {
    const lines = [
      'FUNCTION <subcommand> [<arg> [value] [opt] ...]. Subcommands are:',
      'LOAD [REPLACE] <FUNCTION CODE>',
      '    Loads a library.',
      'DELETE <LIBRARY NAME>',
      '    Deletes a library.',
      'LIST [LIBRARYNAME PATTERN] [WITHCODE]',
      '    Lists libraries and their functions.',
      'STATS',
      '    Tells what runs, and how many libraries and functions there are.',
      'KILL',
      '    Stops the function that is running.',
      'FLUSH [ASYNC|SYNC]',
      '    Deletes all libraries.',
      'DUMP',
      '    Returns all libraries as a payload.',
      'RESTORE <PAYLOAD> [FLUSH|APPEND|REPLACE]',
      '    Loads the libraries of a payload.',
      'HELP',
      '    Prints this help.',
    ]
    reply.array(lines.length)
    for (const line of lines) reply.simple(line)
  },
}

/** The libraries of an engine as code, for snapshots. */
export interface FunctionCode {
  dump(): readonly string[]
  /**
   * @param replaces - False: a library of that name may not be there; true unless given.
   * @throws CORRUPTION if it cannot be loaded.
   */
  load(code: string, replaces?: boolean): void
  /** Forgets all of them. */
  clear(): void
}

/** What a function says that it does; undefined if there is none of that name. */
export function functionFlags(engine: Host, name: string): ReadonlySet<string> | undefined {
  return LIBRARIES.get(engine)?.find(name)?.flags
}

export function functionCodeOf(engine: Host): FunctionCode {
  return {
    dump: () => [...(LIBRARIES.get(engine)?.libraries.values() ?? [])].map(({ code }) => code),
    load(code, replaces = true) {
      try {
        librariesOf({ engine }).load(code, replaces)
      } catch (error) {
        if (!(error instanceof CommandError)) throw error
        throw new BedplateError('CORRUPTION', `a library of functions cannot be loaded: ${error.message}`)
      }
    },
    clear: () => LIBRARIES.get(engine)?.clear(),
  }
}

function librariesOf({ engine }: { readonly engine: Host }): FunctionLibraries {
  let libraries = LIBRARIES.get(engine)
  if (libraries === undefined) {
    libraries = new FunctionLibraries(engine)
    LIBRARIES.set(engine, libraries)
  }
  return libraries
}

function callFunction(call: Call, args: readonly string[], isReadOnly: boolean): void {
  const { engine, session, command } = call
  const libraries = librariesOf(call)
  const [, name = '', numkeys = ''] = args
  const { flags } = libraries.find(name) ?? fail('ERR Function not found')
  const count = call.position(numkeys, 'ERR Bad number of keys provided')
  if (count > args.length - 3) fail("ERR Number of keys can't be greater than number of args")
  if (count < 0) fail("ERR Number of keys can't be negative")
  const writes = !flags.has('no-writes')
  const allowsOom = flags.has('allow-oom')
  if (writes) {
    if (!allowsOom && engine.memory.isExhausted) fail(SCRIPT_OUT_OF_MEMORY)
    const added = allowsOom ? ['write'] : ['write', 'denyoom']
    const refusal = engine.refusal(session, { ...command, flags: new Set([...command.flags, ...added]) }, args)
    if (refusal !== undefined) fail(refusal)
    if (isReadOnly) fail('ERR Can not execute a script with write flag using *_ro command.')
  }
  const [keys, rest] = [args.slice(3, 3 + count), args.slice(3 + count)]
  libraries.call(call, name, args, { keys, rest, isReadOnly: isReadOnly || !writes, allowsOom })
}

/** FUNCTION LIST [LIBRARYNAME pattern] [WITHCODE] */
function list(call: Call, args: readonly string[]): void {
  let withCode = false
  let glob: Glob | undefined
  for (let i = 2; i < args.length; i++) {
    if (!withCode && isWord(args[i], 'WITHCODE')) withCode = true
    else if (glob === undefined && isWord(args[i], 'LIBRARYNAME')) {
      if (i + 1 >= args.length) fail('ERR library name argument was not given')
      glob = new Glob((args[++i] as string).toLowerCase())
    } else fail(`ERR Unknown argument ${args[i]}`)
  }
  const { reply } = call
  const shown = [...librariesOf(call).libraries.values()].filter(
    ({ name }) => glob?.matches(name.toLowerCase()) ?? true,
  )
  reply.array(shown.length)
  for (const { name, code, functions } of shown) {
    reply.map(withCode ? 4 : 3)
    field(reply, 'library_name', name)
    field(reply, 'engine', 'LUA')
    reply.bulk('functions')
    reply.array(functions.size)
    for (const each of functions.values()) {
      reply.map(3)
      field(reply, 'name', each.name)
      reply.bulk('description')
      reply.bulkOrNil(each.description)
      reply.bulk('flags')
      const flags = [...FLAG_NAMES].filter((flag) => each.flags.has(flag))
      reply.set(flags.length)
      for (const flag of flags) reply.simple(flag)
    }
    if (withCode) field(reply, 'library_code', code)
  }
}

function stats(call: Call): void {
  const { reply, engine } = call
  const libraries = librariesOf(call)
  const { running } = libraries.runner
  if (engine.paused !== undefined && running === undefined) fail(engine.paused.refusal)
  reply.map(2)
  reply.bulk('running_script')
  if (running === undefined) reply.nil()
  else {
    reply.map(3)
    field(reply, 'name', running.job.name)
    reply.bulk('command')
    reply.bulks(running.job.args)
    reply.bulk('duration_ms')
    reply.integer(Math.floor((engine.monotonicMs?.() ?? 0) - running.startedMs))
  }
  reply.bulk('engines')
  reply.map(1)
  reply.bulk('LUA')
  reply.map(2)
  reply.bulk('libraries_count')
  reply.integer(libraries.libraries.size)
  reply.bulk('functions_count')
  reply.integer([...libraries.libraries.values()].reduce((sum, { functions }) => sum + functions.size, 0))
}

function field(reply: ReplyWriter, name: string, value: string): void {
  reply.bulk(name)
  reply.bulk(value)
}

// EVAL, EVALSHA, their read-only versions, and SCRIPT.
import type { ScriptFlags } from '../scripting/runner.ts'
import { readFlags, ScriptCache } from '../scripting/script-cache.ts'
import type { Call, Handlers } from './call.ts'
import { isWord } from './call.ts'
import { CommandError, fail } from './errors.ts'
import type { Host } from './host.ts'
import { SCRIPT_OUT_OF_MEMORY } from './memory-limit.ts'

const NO_SCRIPT = 'NOSCRIPT No matching script. Please use EVAL.'
const SHA1_LENGTH = 40

/** The scripts of each engine. */
const CACHES = new WeakMap<Host, ScriptCache>()

export const SCRIPTING_COMMANDS: Handlers = {
  /** EVAL script numkeys [key ...] [arg ...] */
  eval: (call, args) => evaluate(call, args, false),
  eval_ro: (call, args) => evaluate(call, args, true),

  /** EVALSHA sha1 numkeys [key ...] [arg ...] */
  evalsha: (call, args) => evaluate(call, args, false, args[1]),
  evalsha_ro: (call, args) => evaluate(call, args, true, args[1]),

  'script|load'(call, [, , text = '']) {
    call.reply.bulk(cacheOf(call).add(text).sha1)
  },

  'script|exists'(call, args) {
    const cache = cacheOf(call)
    call.reply.array(args.length - 2)
    for (const sha1 of args.slice(2)) call.reply.integer(cache.find(sha1) === undefined ? 0 : 1)
  },

  /** SCRIPT FLUSH [ASYNC | SYNC] */
  'script|flush'(call, args) {
    if (args.length > 3 || (args[2] !== undefined && !isWord(args[2], 'ASYNC') && !isWord(args[2], 'SYNC'))) {
      fail('ERR SCRIPT FLUSH only support SYNC|ASYNC option')
    }
    cacheOf(call).clear()
    call.reply.ok()
  },

  'script|kill'(call) {
    const { paused } = call.engine
    const refusal = cacheOf(call).runner.kill()
    if (refusal !== undefined) fail(paused === undefined || refusal.startsWith('UNKILLABLE') ? refusal : paused.refusal)
    call.reply.ok()
  },

  'script|debug': () => fail('ERR the debugger of scripts is not supported'),

  'script|help': ({ reply }) => {
    const lines = [
      'SCRIPT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:',
      'EXISTS <sha1> [<sha1> ...]',
      '    Tells for each script whether it is in the cache.',
      'FLUSH [ASYNC|SYNC]',
      '    Empties the cache of scripts.',
      'KILL',
      '    Stops the script that is running.',
      'LOAD <script>',
      '    Puts a script into the cache without running it.',
      'HELP',
      '    Prints this help.',
    ]
    reply.array(lines.length)
    for (const line of lines) reply.simple(line)
  },
}

/** How many scripts are known, and the bytes that their interpreter has in use. */
export function scriptFigures(engine: Host): { readonly scripts: number; readonly luaBytes: number } {
  const cache = CACHES.get(engine)
  return { scripts: cache?.size ?? 0, luaBytes: cache?.runner.usedBytes ?? 0 }
}

/** What the script of an EVAL or EVALSHA says that it does; undefined if that is not known. */
export function scriptFlags(engine: Host, name: string, script: string): ScriptFlags | undefined {
  if (name.startsWith('evalsha')) return CACHES.get(engine)?.find(script.toLowerCase())?.flags
  try {
    return readFlags(script).flags
  } catch (error) {
    if (error instanceof CommandError) return undefined
    throw error
  }
}

function cacheOf({ engine }: Call): ScriptCache {
  let cache = CACHES.get(engine)
  if (cache === undefined) {
    cache = new ScriptCache(engine)
    CACHES.set(engine, cache)
  }
  return cache
}

function evaluate(call: Call, args: readonly string[], isReadOnly: boolean, sha1?: string): void {
  const { engine, session, command } = call
  if (sha1 !== undefined && sha1.length !== SHA1_LENGTH) fail(NO_SCRIPT)
  const { keys, rest } = splitKeys(call, args)
  const cache = cacheOf(call)
  const script = sha1 === undefined ? cache.add(args[1] as string) : (cache.find(sha1.toLowerCase()) ?? fail(NO_SCRIPT))
  const { flags } = script
  const writes = !flags.isUndeclared && !flags.names.has('no-writes')
  const allowsOom = flags.names.has('allow-oom')
  if (writes) {
    // What it might do is refused before it does anything.
    if (!allowsOom && engine.memory.isExhausted) fail(SCRIPT_OUT_OF_MEMORY)
    const added = allowsOom ? ['write'] : ['write', 'denyoom']
    const refusal = engine.refusal(session, { ...command, flags: new Set([...command.flags, ...added]) }, args)
    if (refusal !== undefined) fail(refusal)
    if (isReadOnly) fail('ERR Can not execute a script with write flag using *_ro command.')
  }
  cache.run(call, script, args, { keys, rest, isReadOnly: isReadOnly || (!flags.isUndeclared && !writes), allowsOom })
}

/** `numkeys key... arg...` from the third argument on. */
function splitKeys(call: Call, args: readonly string[]): { keys: readonly string[]; rest: readonly string[] } {
  const count = call.position(args[2] as string)
  if (count > args.length - 3) fail("ERR Number of keys can't be greater than number of args")
  if (count < 0) fail("ERR Number of keys can't be negative")
  return { keys: args.slice(3, 3 + count), rest: args.slice(3 + count) }
}

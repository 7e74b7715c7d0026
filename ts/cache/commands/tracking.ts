// CLIENT TRACKING, CACHING, GETREDIR, TRACKINGINFO: https://redis.io/commands/client-tracking/
import type { Call, Handlers } from './call.ts'
import { isWord } from './call.ts'
import { fail, SYNTAX_ERROR } from './errors.ts'
import type { Session, TrackingMode } from './session.ts'

const NOT_TRACKING =
  'ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled'
const SWITCH = 'before disabling tracking for this client, and then re-enabling it with a different mode.'
const MAX_PREFIXES = 1024

interface Wishes {
  redirect: number | undefined
  broadcasts: boolean
  optIn: boolean
  optOut: boolean
  noLoop: boolean
  readonly prefixes: string[]
}

export const TRACKING_COMMANDS: Handlers = {
  /** CLIENT TRACKING ON | OFF [REDIRECT id] [PREFIX prefix ...] [BCAST] [OPTIN] [OPTOUT] [NOLOOP] */
  'client|tracking'(call, args) {
    const wishes = parse(call, args)
    const { engine, session } = call
    if (isWord(args[2], 'ON')) engine.tracking.enable(session, modeOf(session, wishes))
    else if (isWord(args[2], 'OFF')) engine.tracking.disable(session)
    else fail(SYNTAX_ERROR)
    call.reply.ok()
  },

  'client|caching'({ session, reply }, [, , answer]) {
    const { tracking } = session
    if (tracking === undefined) fail(NOT_TRACKING)
    if (isWord(answer, 'YES')) {
      if (tracking.opt !== 'in') fail('ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.')
      session.caching = 'yes'
    } else if (isWord(answer, 'NO')) {
      if (tracking.opt !== 'out') fail('ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.')
      session.caching = 'no'
    } else fail(SYNTAX_ERROR)
    reply.ok()
  },

  'client|getredir': ({ session, reply }) => reply.integer(redirectOf(session)),

  'client|trackinginfo'({ session, reply }) {
    const { tracking } = session
    const flags = tracking === undefined ? ['off'] : flagsOf(session, tracking)
    reply.map(3)
    reply.bulk('flags')
    reply.set(flags.length)
    for (const flag of flags) reply.bulk(flag)
    reply.bulk('redirect')
    reply.integer(redirectOf(session))
    reply.bulk('prefixes')
    reply.bulks(tracking?.prefixes ?? [])
  },
}

/** -1 without tracking, 0 without redirection. */
export function redirectOf({ tracking }: Session): number {
  return tracking === undefined ? -1 : (tracking.redirect ?? 0)
}

function flagsOf(session: Session, { prefixes, opt, noLoop }: TrackingMode): string[] {
  const flags = ['on']
  if (prefixes !== undefined) flags.push('bcast')
  if (opt === 'in') flags.push('optin', ...(session.caching === 'yes' ? ['caching-yes'] : []))
  if (opt === 'out') flags.push('optout', ...(session.caching === 'no' ? ['caching-no'] : []))
  if (noLoop) flags.push('noloop')
  if (session.isRedirectionBroken) flags.push('broken_redirect')
  return flags
}

function parse(call: Call, args: readonly string[]): Wishes {
  const wishes: Wishes = {
    redirect: undefined,
    broadcasts: false,
    optIn: false,
    optOut: false,
    noLoop: false,
    prefixes: [],
  }
  for (let i = 3; i < args.length; i++) {
    const hasMore = i + 1 < args.length
    if (isWord(args[i], 'REDIRECT') && hasMore) {
      if (wishes.redirect !== undefined) fail('ERR A client can only redirect to a single other client')
      const id = call.position(args[++i] as string)
      if (call.engine.session(id) === undefined) fail('ERR The client ID you want redirect to does not exist')
      wishes.redirect = id
    } else if (isWord(args[i], 'BCAST')) wishes.broadcasts = true
    else if (isWord(args[i], 'OPTIN')) wishes.optIn = true
    else if (isWord(args[i], 'OPTOUT')) wishes.optOut = true
    else if (isWord(args[i], 'NOLOOP')) wishes.noLoop = true
    else if (isWord(args[i], 'PREFIX') && hasMore) wishes.prefixes.push(args[++i] as string)
    else fail(SYNTAX_ERROR)
  }
  return wishes
}

/** @throws CommandError if the wishes contradict each other or what the client has now. */
function modeOf({ tracking: current }: Session, wishes: Wishes): TrackingMode {
  const { redirect, broadcasts, optIn, optOut, noLoop, prefixes } = wishes
  if (prefixes.length > 0 && !broadcasts) fail('ERR PREFIX option requires BCAST mode to be enabled')
  if (current !== undefined && (current.prefixes !== undefined) !== broadcasts) {
    fail(`ERR You can't switch BCAST mode on/off ${SWITCH}`)
  }
  if (broadcasts && (optIn || optOut)) fail('ERR OPTIN and OPTOUT are not compatible with BCAST')
  if (optIn && optOut) fail("ERR You can't use both OPTIN mode and OPTOUT mode")
  if ((optIn && current?.opt === 'out') || (optOut && current?.opt === 'in')) {
    fail(`ERR You can't switch OPTIN/OPTOUT mode ${SWITCH}`)
  }
  if (!broadcasts) return { prefixes: undefined, opt: optIn ? 'in' : optOut ? 'out' : undefined, noLoop, redirect }
  const all = joined(current?.prefixes ?? [], prefixes)
  return { prefixes: all.length === 0 ? [''] : all, opt: undefined, noLoop, redirect }
}

/** Prefixes of one client must not overlap, or it would be told twice. */
function joined(existing: readonly string[], added: readonly string[]): string[] {
  const all = [...existing]
  for (const [i, prefix] of added.entries()) {
    const other = existing.find((each) => overlap(each, prefix))
    if (other !== undefined) fail(overlapText(prefix, 'an existing', other))
    const twin = added.find((each, j) => j > i && overlap(each, prefix))
    if (twin !== undefined) fail(overlapText(prefix, 'another provided', twin))
    all.push(prefix)
  }
  if (all.length > MAX_PREFIXES) fail(`ERR a client tracks at most ${MAX_PREFIXES} prefixes`)
  return all
}

function overlap(a: string, b: string): boolean {
  return a.startsWith(b) || b.startsWith(a)
}

function overlapText(prefix: string, which: string, other: string): string {
  return `ERR Prefix '${prefix}' overlaps with ${which} prefix '${other}'. Prefixes for a single client must not overlap.`
}

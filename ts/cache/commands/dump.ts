// DUMP and RESTORE: values as the bytes of an RDB file. Cluster nodes, MIGRATE and backups of single keys use them.
import { dumpValue, loadDump } from '../persistence/dump.ts'
import type { Call, Handlers } from './call.ts'
import { isWord } from './call.ts'
import { fail, SYNTAX_ERROR } from './errors.ts'
import { isPast } from './expiry.ts'

const BUSY_KEY = 'BUSYKEY Target key name already exists.'
const WRONG_FOOTER = 'ERR DUMP payload version or checksum are wrong'
const BAD_DATA = 'ERR Bad data format'

export const DUMP_COMMANDS: Handlers = {
  dump(call, [, key = '']) {
    const entry = call.db.find(key)
    if (entry === undefined) call.reply.nil()
    else call.reply.bulkBytes(dumpValue(entry.value))
  },

  restore,
  'restore-asking': restore,
}

interface RestoreOptions {
  readonly replaces: boolean
  /** The time is one since 1970, not from now. */
  readonly isAbsolute: boolean
  readonly idleSeconds: number | undefined
  readonly frequency: number | undefined
}

/** RESTORE key ttl payload [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency] */
function restore(call: Call, args: readonly string[]): void {
  const [name = '', key = '', ttl = '', payload = ''] = args
  const { replaces, isAbsolute, idleSeconds, frequency } = parseOptions(call, args)
  if (!replaces && call.db.find(key) !== undefined) fail(BUSY_KEY)
  const time = call.position(ttl)
  if (time < 0) fail('ERR Invalid TTL value, must be >= 0')
  const loaded = loadDump(Buffer.from(payload, 'latin1'), call.limits)
  if (loaded === 'footer') fail(WRONG_FOOTER)
  if (loaded === 'value') fail(BAD_DATA)
  const wasThere = replaces && call.db.delete(key)
  const at = time === 0 || isAbsolute ? time : time + Math.floor(call.now)
  call.reply.ok()
  if (time !== 0 && isPast(call, at)) {
    if (!wasThere) return
    call.changed(key, 'g', 'del')
    call.propagate(['DEL', key])
    return
  }
  const entry = call.db.add(key, loaded.value)
  if (time !== 0) call.db.expire(entry, at)
  if (idleSeconds !== undefined) call.db.restoreUsage(entry, { idleMs: 1000 * idleSeconds })
  if (frequency !== undefined) call.db.restoreUsage(entry, { frequency })
  call.changed(key, 'g', 'restore')
  if (time !== 0 && !isAbsolute) call.propagate([name, key, String(at), payload, ...args.slice(4), 'ABSTTL'])
}

function parseOptions(call: Call, args: readonly string[]): RestoreOptions {
  let replaces = false
  let isAbsolute = false
  let idleSeconds: number | undefined
  let frequency: number | undefined
  for (let i = 4; i < args.length; i++) {
    const hasMore = i + 1 < args.length
    if (isWord(args[i], 'REPLACE')) replaces = true
    else if (isWord(args[i], 'ABSTTL')) isAbsolute = true
    else if (isWord(args[i], 'IDLETIME') && hasMore && frequency === undefined) {
      idleSeconds = call.position(args[++i] as string)
      if (idleSeconds < 0) fail('ERR Invalid IDLETIME value, must be >= 0')
    } else if (isWord(args[i], 'FREQ') && hasMore && idleSeconds === undefined) {
      frequency = call.position(args[++i] as string)
      if (frequency < 0 || frequency > 255) fail('ERR Invalid FREQ value, must be >= 0 and <= 255')
    } else fail(SYNTAX_ERROR)
  }
  return { replaces, isAbsolute, idleSeconds, frequency }
}

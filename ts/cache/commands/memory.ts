// MEMORY, and what this cache tells of evictions beyond Redis.
import type { Call, Handlers } from './call.ts'
import { isWord } from './call.ts'
import { fail, SYNTAX_ERROR } from './errors.ts'

const DOCTOR_WELL = 'Nothing was found that is worth telling about the memory of this server.'
const HELP = [
  'MEMORY DOCTOR                        says what is worth knowing about memory',
  'MEMORY MALLOC-STATS                  says that there is no such allocator',
  'MEMORY PURGE                         does nothing: V8 collects by itself',
  'MEMORY STATS                         where memory is used',
  'MEMORY USAGE key [SAMPLES count]     bytes of a key and its value',
  'MEMORY HELP                          this',
]

export const MEMORY_COMMANDS: Handlers = {
  /** MEMORY USAGE key [SAMPLES count]: counted exactly, so samples make no difference. */
  'memory|usage'(call, args) {
    const [, , key = '', option, count = ''] = args
    if (args.length > 3) {
      if (!isWord(option, 'SAMPLES') || args.length !== 5) fail(SYNTAX_ERROR)
      if (call.position(count) < 0) fail(SYNTAX_ERROR)
    }
    const entry = call.db.find(key)
    if (entry === undefined) call.reply.nil()
    else call.reply.integer(call.db.bytesOf(entry))
  },

  'memory|stats': stats,

  'memory|doctor': (call) => call.reply.verbatim('txt', diagnosis(call)),
  'memory|malloc-stats': (call) =>
    call.reply.verbatim('txt', 'Memory is allocated by V8, which has no such statistics.'),
  'memory|purge': (call) => call.reply.ok(),

  'memory|help'(call) {
    call.reply.array(HELP.length)
    for (const line of HELP) call.reply.simple(line)
  },

  /** BEDPLATE.EVICTIONS ON | OFF: whether this client is told, before the reply, which keys its command drove out. */
  'bedplate.evictions'(call, [, mode]) {
    const isOn = isWord(mode, 'ON')
    if (!isOn && !isWord(mode, 'OFF')) fail(SYNTAX_ERROR)
    if (isOn && call.reply.protocol === 2) fail('ERR BEDPLATE.EVICTIONS needs RESP3: send HELLO 3 first')
    call.session.hearsEvictions = isOn
    call.reply.ok()
  },
}

function stats(call: Call): void {
  const { memory, databases } = call.engine
  const used = databases.filter(({ size }) => size > 0)
  const keys = databases.reduce((sum, { size }) => sum + size, 0)
  const { reply } = call
  reply.map(7 + used.length)
  reply.bulk('peak.allocated')
  reply.integer(memory.peakBytes)
  reply.bulk('total.allocated')
  reply.integer(memory.usedBytes)
  for (const { index, size, expiringCount, bytes } of used) {
    reply.bulk(`db.${index}`)
    reply.map(3)
    reply.bulk('keys')
    reply.integer(size)
    reply.bulk('expires')
    reply.integer(expiringCount)
    reply.bulk('bytes')
    reply.integer(bytes)
  }
  reply.bulk('keys.count')
  reply.integer(keys)
  reply.bulk('keys.bytes-per-key')
  reply.integer(keys === 0 ? 0 : Math.round(memory.usedBytes / keys))
  reply.bulk('dataset.bytes')
  reply.integer(memory.usedBytes)
  reply.bulk('dataset.percentage')
  reply.double(100)
  reply.bulk('peak.percentage')
  reply.double(memory.peakBytes === 0 ? 100 : (100 * memory.usedBytes) / memory.peakBytes)
}

function diagnosis({ engine: { memory } }: Call): string {
  const findings: string[] = []
  if (memory.isExhausted) {
    const cure =
      memory.policy === 'noeviction'
        ? 'choose a maxmemory-policy that evicts, or raise maxmemory'
        : 'give keys an expiry, choose an allkeys policy, or raise maxmemory'
    findings.push(`* Memory is full: commands that need more are refused. To change that, ${cure}.`)
  }
  if (memory.peakBytes > 1.5 * memory.usedBytes && memory.peakBytes > 10 * 2 ** 20) {
    findings.push('* Much less is used than was once: V8 gives the rest back to the system by and by.')
  }
  return findings.length === 0
    ? DOCTOR_WELL
    : ['What is worth knowing about the memory of this server:', ...findings].join('\n')
}

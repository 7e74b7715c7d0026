// CLUSTER, and what clients of a cluster say of themselves: ASKING, READONLY, READWRITE.
import { SLOT_COUNT, slotOf } from '../cluster/slots.ts'
import type { Call, Handlers } from './call.ts'
import type { ClusterDoor } from './cluster-door.ts'
import { fail } from './errors.ts'

const CLUSTER_HELP = [
  'CLUSTER <subcommand> [<argument> ...]. Subcommands are:',
  'COUNTKEYSINSLOT <slot>',
  '    How many keys of a slot this node holds.',
  'GETKEYSINSLOT <slot> <count>',
  '    At most so many of them.',
  'KEYSLOT <key>',
  '    The slot of a key.',
]
/** A session that asks: this command counts as one, the next is the one it is for. */
const ASKING_COUNT = 2

export const CLUSTER_COMMANDS: Handlers = {
  asking(call) {
    clusterOf(call)
    call.session.asking = ASKING_COUNT
    call.reply.ok()
  },

  readonly(call) {
    clusterOf(call)
    call.session.readsReplicas = true
    call.reply.ok()
  },

  readwrite(call) {
    clusterOf(call)
    call.session.readsReplicas = false
    call.reply.ok()
  },

  'cluster|keyslot'(call, [, , key = '']) {
    clusterOf(call)
    call.reply.integer(slotOf(key))
  },

  'cluster|countkeysinslot'(call, [, , number = '']) {
    const { keys } = clusterOf(call)
    const slot = call.position(number)
    if (slot < 0 || slot >= SLOT_COUNT) fail('ERR Invalid slot')
    call.reply.integer(keys.countIn(slot))
  },

  'cluster|getkeysinslot'(call, [, , number = '', most = '']) {
    const { keys } = clusterOf(call)
    const [slot, limit] = [call.position(number), call.position(most)]
    if (slot < 0 || slot >= SLOT_COUNT || limit < 0) fail('ERR Invalid slot or number of keys')
    call.reply.bulks(keys.keysIn(slot, limit))
  },

  'cluster|help'({ reply }) {
    reply.array(CLUSTER_HELP.length)
    for (const line of CLUSTER_HELP) reply.simple(line)
  },
}

/** @throws CommandError where there is no cluster. */
function clusterOf(call: Call): ClusterDoor {
  return call.engine.cluster ?? fail('ERR This instance has cluster support disabled')
}

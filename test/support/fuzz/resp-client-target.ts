// A client of replicated-kv that sends what no client sends: it is answered in Redis's protocol, or let go, and nothing else happens.
import { WriteGatherer } from '../../../ts/distributed/replication/server/gatherer.ts'
import type { Replica } from '../../../ts/distributed/replication/server/replica.ts'
import { Client } from '../../../ts/distributed/replication/server/resp/client.ts'
import type { Connection } from '../../../ts/io/network.ts'
import type { Random } from '../../../ts/io/random.ts'
import { ReplyDecoder } from '../../../ts/wire/resp/index.ts'
import { must } from '../btree-crash/expectation.ts'
import { below, pick } from '../btree-crash/workload.ts'
import { ManualClock } from '../manual-clock.ts'
import { encode } from '../replicated-kv/resp-connection.ts'
import { pieces } from './damage.ts'
import { mutate } from './mutate.ts'

const COMMANDS = [
  ['SET', 'a', 'one'],
  ['MSET', 'a', '1', 'b', ''],
  ['DEL', 'a', 'b'],
  ['GET', 'a'],
  ['MGET', 'a', 'b', 'c'],
  ['EXISTS', 'a'],
  ['HELLO', '3', 'SETNAME', 'me'],
  ['CLIENT', 'SETNAME', 'me'],
  ['BEDPLATE', 'READS', 'SESSION', 's1.1.1'],
  ['BEDPLATE', 'SESSION'],
  ['PING', 'text'],
  ['QUIT'],
]
const SEEN = { index: 1, term: 1 }
/** More than what is sent can ever be answered with. */
const MOST_REPLY_BYTES = 64 * 1024

export async function fuzzRespClient(random: Random): Promise<void> {
  const commands = Array.from({ length: 1 + below(random, 12) }, () => encode(pick(random, COMMANDS)))
  const sent = Buffer.concat(commands)
  const bytes = random.next() < 0.1 ? sent : mutate(sent, random)
  const said: Uint8Array[] = []
  let isEnded = false
  const clock = new ManualClock()
  const gatherer = new WriteGatherer({
    clock,
    patienceMs: 1,
    propose: async () => ({ ...SEEN, result: Uint8Array.of(1) }),
  })
  const client = new Client(
    1,
    connectionTo(said, () => (isEnded = true)),
    { clock, gatherer, replica, clientCount: 1 },
  )
  for (const piece of pieces(bytes, random)) {
    client.arrived(piece)
    if (random.next() < 0.3) await clock.turn()
  }
  for (let i = 0; i < 4 * commands.length; i++) await clock.turn() // a turn for writes to meet, one for their answer
  const replies = new ReplyDecoder()
  const answer = Buffer.concat(said)
  must(answer.length <= MOST_REPLY_BYTES, 'an answer that is too long')
  replies.push(answer)
  let count = 0
  while (replies.next() !== undefined) count++
  must(bytes !== sent || isEnded || count === commands.length, `${count} answers to ${commands.length} commands`)
  client.closed()
}

/** A node on which each key has its own name as its value. */
const replica = {
  async read(_options: unknown, query: (get: (key: Uint8Array) => Uint8Array | undefined) => object) {
    return { ...query((key) => key), session: 's1.1.1' }
  },
} as unknown as Replica

function connectionTo(said: Uint8Array[], ended: () => void): Connection {
  return {
    ...{ remote: 'fuzz:1', local: 'fuzz:2', waitingBytes: 0 },
    write: (bytes) => void said.push(bytes),
    pause: () => {},
    resume: () => {},
    end: ended,
    destroy: ended,
  }
}

// A client of replicated-kv that sends what no client sends: it is answered in Redis's protocol, or let go, and nothing else happens.
import type { Random } from '../../../ts/io/random.ts'
import { ReplyDecoder } from '../../../ts/wire/resp/index.ts'
import { must } from '../btree-crash/expectation.ts'
import { below, pick } from '../btree-crash/workload.ts'
import { encode } from '../replicated-kv/resp-connection.ts'
import { StubClient } from '../replicated-kv/stub-client.ts'
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
  ['INFO'],
  ['INFO', 'replication'],
  ['INFO', 'constructor'],
  ['ROLE'],
  ['RESET'],
  ['QUIT'],
]
/** More than what is sent can ever be answered with. */
const MOST_REPLY_BYTES = 64 * 1024

export async function fuzzRespClient(random: Random): Promise<void> {
  const commands = Array.from({ length: 1 + below(random, 12) }, () => encode(pick(random, COMMANDS)))
  const sent = Buffer.concat(commands)
  const bytes = random.next() < 0.1 ? sent : mutate(sent, random)
  const { client, clock, connection } = new StubClient()
  for (const piece of pieces(bytes, random)) {
    client.arrived(piece)
    if (random.next() < 0.3) await clock.turn()
  }
  for (let i = 0; i < 4 * commands.length; i++) await clock.turn() // a turn for writes to meet, one for their answer
  const replies = new ReplyDecoder()
  const answer = Buffer.concat(connection.said)
  must(answer.length <= MOST_REPLY_BYTES, 'an answer that is too long')
  replies.push(answer)
  let count = 0
  while (replies.next() !== undefined) count++
  must(
    bytes !== sent || connection.told.includes('end') || count === commands.length,
    `${count} answers to ${commands.length} commands`,
  )
  client.closed()
}

// lock-client elect: waits to be the leader, proclaims a value, and stays the leader until a signal comes.
import { BedplateError } from '../../base/errors.ts'
import { parseDuration } from '../kit/duration.ts'
import type { Output } from '../kit/output.ts'
import { take } from './acquire.ts'
import { type ConnectionArguments, idOf, withClient } from './connection.ts'

const KEEP_MS = 60_000

/** Campaigns under `name` with `value`, as `etcdctl elect` does, so that its observers see it. */
export function elect(
  out: Output,
  name: string,
  value: string,
  options: ConnectionArguments & { ttl: string },
): Promise<void> {
  const ttlSeconds = Math.ceil(parseDuration(options.ttl, '--ttl') / 1000)
  return withClient(options, async (client) => {
    const want = { name, ttlSeconds, value: Buffer.from(value), options, isElection: true }
    const taken = await take(out, client, want)
    const { place, keeper } = taken
    // Timers of leases keep no process alive, and between two of them nothing else would.
    const alive = setInterval(() => {}, KEEP_MS)
    // Before it is said: whoever reads the line may answer with a signal.
    const ended = new Promise<'signal' | 'lost'>((resolve) => {
      process.once('SIGTERM', () => resolve('signal')).once('SIGINT', () => resolve('signal'))
      keeper.lost.addEventListener('abort', () => resolve('lost'))
    })
    const line = options.json === true ? JSON.stringify({ leader: value, id: idOf(place.token) }) : `Elected: ${value}`
    await out.line(line)
    await out.flush()
    const end = await ended
    clearInterval(alive)
    await taken.giveBack()
    if (end === 'lost') throw new BedplateError('UNAVAILABLE', 'the leadership was lost: the service was not reached')
  })
}

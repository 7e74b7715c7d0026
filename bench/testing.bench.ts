// Starting a server for a test: `startRedis` until a client may connect, until one has been answered, and with its end.
//
// The first start of a process compiles what the later ones find, so it is said alone.
import { createConnection } from 'node:net'
import { duration, summarise } from './support.ts'

const MIN_TURNS = 20

export default async function run({ seconds }: { seconds: number }): Promise<void> {
  const importing = performance.now()
  const { startRedis } = await import('../ts/testing/index.ts')
  const imported = (performance.now() - importing) / 1000
  const times: { ready: number; answered: number; stopped: number }[] = []
  const end = performance.now() + seconds * 1000
  while (times.length < MIN_TURNS || performance.now() < end) {
    const startedAt = performance.now()
    const since = (): number => (performance.now() - startedAt) / 1000
    const redis = await startRedis()
    const ready = since()
    await answered(redis.port)
    const first = since()
    await redis.stop()
    times.push({ ready, answered: first, stopped: since() })
  }
  const [first, ...later] = times
  console.log(`import of the sources  ${duration(imported)}`)
  for (const what of ['ready', 'answered', 'stopped'] as const) {
    const { median, spread } = summarise(later.map((time) => time[what]))
    const range = `± ${(spread * 100).toFixed(0)} %`
    console.log(`${what.padEnd(10)} first ${duration(first?.[what] ?? 0)}, later ${duration(median)} ${range}`)
  }
}

function answered(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host: '127.0.0.1', port }, () => socket.write('PING\r\n'))
    socket.once('error', reject)
    socket.once('data', () => {
      socket.destroy()
      resolve()
    })
  })
}

// What may wait between masters and replicas, and what may not get in between.
import { afterEach, describe, expect, it } from 'vitest'
import { MasterLink } from '../../../ts/cache/replication/master-link.ts'
import { DEFAULT_REPLICATION } from '../../../ts/cache/replication/types.ts'
import type { Connection, ConnectionEvents, Network } from '../../../ts/io/network.ts'
import { seededRandom } from '../../../ts/io/random.ts'
import { createLogger } from '../../../ts/service/index.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { ReplicationBed } from '../../support/replication.ts'

const MEBIBYTE = 2 ** 20
const beds: ReplicationBed[] = []

afterEach(async () => {
  for (const bed of beds.splice(0)) await bed.stop()
})

async function pair(): Promise<ReplicationBed> {
  const bed = new ReplicationBed()
  beds.push(bed)
  await bed.start()
  await bed.replica(1)
  await bed.synced(2, 1)
  return bed
}

/** A master that takes whatever it is told, and whom one can see being held up. */
class SilentMaster {
  isPaused = false
  events: ConnectionEvents | undefined
  readonly network: Network = {
    listen: () => Promise.reject(new Error('it only connects')),
    connect: async (_, accept) => {
      const connection: Connection = {
        remote: '10.0.0.1:6379',
        local: '10.0.0.2:1',
        waitingBytes: 0,
        write() {},
        pause: () => {
          this.isPaused = true
        },
        resume: () => {
          this.isPaused = false
        },
        end() {},
        destroy() {},
      }
      this.events = accept(connection)
      return connection
    },
  }

  say(text: string | Uint8Array): void {
    this.events?.data(typeof text === 'string' ? Buffer.from(text) : text)
  }
}

interface SilentLink {
  readonly master: SilentMaster
  readonly link: MasterLink
  /** Ends the loading of a snapshot. */
  readonly loaded: () => void
}

/** A link to a silent master, which has yet to answer PSYNC ? -1. */
async function linkBeforeSync(clock: ManualClock): Promise<SilentLink> {
  const master = new SilentMaster()
  let loaded = (): void => {}
  const known = { user: '', password: '', listeningPort: 1, announcedHost: '', known: undefined, handsOver: false }
  const link = new MasterLink({
    master: { host: '10.0.0.1', port: 6379 },
    network: master.network,
    clock,
    logger: createLogger({ name: 'link', level: 'error', now: () => 0, write() {} }),
    settings: DEFAULT_REPLICATION,
    introduction: () => known,
    load: () =>
      new Promise((resolve) => {
        loaded = resolve
      }),
    continues() {},
    apply: () => false,
    cut() {},
    refused() {},
    offset: () => 0,
    isBusy: () => false,
  })
  link.open()
  await clock.turn()
  for (const answer of ['+PONG\r\n', '+OK\r\n', '+OK\r\n']) master.say(answer)
  return { master, link, loaded: () => loaded() }
}

describe('a replica', () => {
  it('takes a command that is longer than what may wait of many', async () => {
    const clock = new ManualClock()
    const { master, link, loaded } = await linkBeforeSync(clock)
    master.say(`+FULLRESYNC ${'a'.repeat(40)} 1\r\n$1\r\nx`)
    loaded()
    while (link.state !== 'connected') await clock.turn()
    const length = 20 * MEBIBYTE
    const piece = Buffer.alloc(64 * 1024, 'x')
    master.say(`*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n$${length}\r\n`)
    for (let sent = 0; sent < length; sent += piece.length) {
      master.say(piece)
      await clock.turn()
      // Who is held up sends nothing more, and the command would never be whole.
      expect(master.isPaused).toBe(false)
    }
    master.say('\r\n')
    link.close()
  })

  it('holds its master up while it loads, and lets it go on afterwards', async () => {
    const clock = new ManualClock()
    const { master, link, loaded } = await linkBeforeSync(clock)
    master.say(`+FULLRESYNC ${'a'.repeat(40)} 1\r\n$1\r\nx`)
    const ping = Buffer.from('*1\r\n$4\r\nPING\r\n'.repeat(100_000))
    for (let sent = 0; sent < 20 * MEBIBYTE; sent += ping.length) master.say(ping)
    expect(master.isPaused).toBe(true)
    loaded()
    while (master.isPaused) await clock.turn()
    link.close()
  })
})

describe('a master', () => {
  it('puts no replies into the stream of a replica', async () => {
    const bed = await pair()
    const heard: Buffer[] = []
    let connection: Connection | undefined
    await bed.network.connect({ host: '127.0.0.1', port: 1 }, (own) => {
      connection = own
      return { data: (bytes) => void heard.push(Buffer.from(bytes)), drained() {}, closed() {} }
    })
    connection?.write(Buffer.from('SYNC\r\n'))
    await bed.until(() => bed.info(1, 'slave1').includes('state=online'))
    connection?.write(Buffer.from('ECHO interloper\r\n'))
    for (let turns = 0; turns < 5; turns++) await bed.clock.turn()
    await bed.client(1).ask('SET', 'k', 'last')
    await bed.until(() => Buffer.concat(heard).includes('last'))
    expect(Buffer.concat(heard).includes('interloper')).toBe(false)
  })

  it('lets a replica go that stops reading its snapshot', async () => {
    const bed = await pair()
    await bed.client(1).ask('CONFIG', 'SET', 'repl-timeout', '5')
    // What cannot be made smaller.
    const big = Buffer.from(seededRandom(1).bytes(4 * MEBIBYTE)).toString('latin1')
    await bed.client(1).ask('SET', 'big', big)
    let connection: Connection | undefined
    await bed.network.connect({ host: '127.0.0.1', port: 1 }, (own) => {
      connection = own
      return { data: () => own.pause(), drained() {}, closed() {} }
    })
    connection?.write(Buffer.from('REPLCONF capa eof\r\n'))
    await bed.clock.turn()
    connection?.write(Buffer.from('PSYNC ? -1\r\n'))
    await bed.until(() => bed.info(1, 'connected_slaves') === '2')
    await bed.until(() => bed.info(1, 'connected_slaves') === '1', 100)
    expect(bed.log.find(({ msg }) => msg === 'replica closed')?.['why']).toBe('it does not read')
  })

  it('keeps a replica that takes long to load and says nothing but empty lines', async () => {
    const bed = await pair()
    await bed.client(1).ask('CONFIG', 'SET', 'repl-timeout', '5')
    let isClosed = false
    let connection: Connection | undefined
    await bed.network.connect({ host: '127.0.0.1', port: 1 }, (own) => {
      connection = own
      return {
        data() {},
        drained() {},
        closed: () => {
          isClosed = true
        },
      }
    })
    connection?.write(Buffer.from('PSYNC ? -1\r\n')) // of a snapshot without a mark nobody says that it has come
    await bed.until(() => bed.info(1, 'slave1').includes('state=online'))
    for (let seconds = 0; seconds < 20; seconds++) {
      connection?.write(Buffer.from('\n'))
      for (let turns = 0; turns < 5; turns++) await bed.clock.turn()
      bed.clock.advance(1000)
    }
    expect(isClosed).toBe(false)
    await bed.until(() => isClosed, 1000)
    expect(bed.log.find(({ msg }) => msg === 'replica closed')?.['why']).toBe('it does not acknowledge')
  })
})

describe('while a master hands over', () => {
  it('nobody tells it whom to follow', async () => {
    const bed = await pair()
    bed.network.isDown = true
    const client = bed.client(1)
    expect(await client.ask('FAILOVER', 'TO', '127.0.0.1', '2')).toBe('OK')
    for (const peer of [
      ['NO', 'ONE'],
      ['127.0.0.1', '7'],
    ]) {
      expect(await client.ask('REPLICAOF', ...peer)).toBe('-ERR REPLICAOF not allowed while failing over.')
    }
    await bed.until(() => bed.info(1, 'master_failover_state') === 'failover-in-progress', 100)
    expect(await client.ask('REPLICAOF', 'NO', 'ONE')).toBe('-ERR REPLICAOF not allowed while failing over.')
    expect(await client.ask('FAILOVER', 'ABORT')).toBe('OK')
    expect(await client.ask('SET', 'k', 'v')).toBe('OK')
  })

  it('a pause of clients neither ends with the handover nor ends the hold on writes', async () => {
    const bed = await pair()
    bed.network.cut()
    bed.network.isDown = true
    await bed.until(() => bed.info(1, 'connected_slaves') === '0')
    bed.network.isDown = false
    await bed.synced(2, 1)
    const client = bed.client(1)
    expect(await client.ask('CLIENT', 'PAUSE', '100000', 'WRITE')).toBe('OK')
    bed.network.isDown = true
    expect(await client.ask('FAILOVER', 'TO', '127.0.0.1', '2')).toBe('OK')
    expect(await client.ask('FAILOVER', 'ABORT')).toBe('OK')
    const writer = bed.client(1)
    writer.send('SET', 'k', 'v')
    for (let turns = 0; turns < 5; turns++) await bed.clock.turn()
    expect(writer.replies).toEqual([])
    expect(await client.ask('FAILOVER', 'TO', '127.0.0.1', '2')).toBe('OK')
    expect(await client.ask('CLIENT', 'UNPAUSE')).toBe('OK')
    for (let turns = 0; turns < 5; turns++) await bed.clock.turn()
    expect(writer.replies).toEqual([])
    expect(await client.ask('FAILOVER', 'ABORT')).toBe('OK')
    expect(await writer.next()).toBe('OK')
  })
})

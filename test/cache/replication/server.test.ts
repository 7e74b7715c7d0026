// What masters and replicas do beside carrying data over: waiting, refusing, timing out, coming back from files.
import { afterEach, describe, expect, it } from 'vitest'
import { type CacheServerOptions, DEFAULT_PERSISTENCE } from '../../../ts/cache/index.ts'
import type { Connection } from '../../../ts/io/network.ts'
import { seededRandom } from '../../../ts/io/random.ts'
import { SimulatedDisk } from '../../../ts/io/simulated-disk.ts'
import { CommandDecoder } from '../../../ts/wire/resp/index.ts'
import { below } from '../../support/cache-workload.ts'
import { ReplicationBed } from '../../support/replication.ts'

const beds: ReplicationBed[] = []

afterEach(async () => {
  for (const bed of beds.splice(0)) await bed.stop()
})

async function pair(...settings: readonly (readonly [string, string])[]): Promise<ReplicationBed> {
  const bed = new ReplicationBed()
  beds.push(bed)
  await bed.start()
  for (const [name, value] of settings) await bed.client(1).ask('CONFIG', 'SET', name, value)
  await bed.replica(1)
  await bed.synced(2, 1)
  return bed
}

describe('WAIT', () => {
  it('answers when enough replicas have what this client has written, or when its time is over', async () => {
    const bed = await pair()
    const client = bed.client(1)
    expect(await client.ask('WAIT', '1', '0')).toBe('1') // it has written nothing
    await client.ask('SET', 'k', 'v')
    expect(bed.info(1, 'slave0')).not.toContain(`offset=${bed.info(1, 'master_repl_offset')}`)
    expect(await client.ask('WAIT', '1', '0')).toBe('1')
    expect(await bed.client(2).ask('GET', 'k')).toBe('v')
    await client.ask('SET', 'k', 'w')
    client.send('WAIT', '2', '100')
    await bed.until(() => client.replies.length > 0, 10)
    expect(await client.next()).toBe('1')
    bed.network.isDown = true
    bed.network.cut()
    await bed.until(() => bed.info(1, 'connected_slaves') === '0')
    await client.ask('SET', 'k', 'x')
    const other = bed.client(1)
    other.send('MULTI')
    other.send('WAIT', '1', '0')
    other.send('EXEC')
    await bed.until(() => other.replies.length === 3)
    await other.next()
    await other.next()
    expect(await other.next()).toBe('["0"]') // it does not wait within a transaction
    client.send('WAIT', '1', '0')
    await bed.clock.turn()
    bed.network.isDown = false
    await bed.until(() => client.replies.length > 0, 100)
    expect(await client.next()).toBe('1')
    expect(await bed.client(2).ask('WAIT', '0', '0')).toMatch(/^-ERR WAIT cannot be used with replica instances/)
  })

  it('ends when the server becomes a replica', async () => {
    const bed = await pair()
    await bed.start()
    const client = bed.client(1)
    await client.ask('SET', 'k', 'v')
    client.send('WAIT', '3', '0')
    await bed.clock.turn()
    await bed.client(1).ask('REPLICAOF', '127.0.0.1', '3')
    expect(await client.next()).toMatch(/^-UNBLOCKED/)
  })
})

describe('a master', () => {
  it('refuses writes with too few replicas that answer', async () => {
    const bed = await pair(['min-replicas-to-write', '1'])
    const client = bed.client(1)
    expect(await client.ask('SET', 'k', 'v')).toBe('OK')
    await client.ask('MULTI')
    await client.ask('SET', 'k', 'w')
    bed.network.isDown = true
    bed.network.cut()
    await bed.until(() => bed.info(1, 'connected_slaves') === '0')
    expect(await client.ask('EXEC')).toBe(
      '-EXECABORT Transaction discarded because of: NOREPLICAS Not enough good replicas to write.',
    )
    expect(await client.ask('SET', 'k', 'w')).toBe('-NOREPLICAS Not enough good replicas to write.')
    expect(await client.ask('GET', 'k')).toBe('v')
    expect(bed.info(1, 'min_slaves_good_slaves')).toBe('0')
  })

  it('tells replicas of messages, scripts as what they did, and of keys whose time has come', async () => {
    const bed = await pair()
    const [client, reader, listener] = [bed.client(1), bed.client(2), bed.client(2)]
    await listener.ask('SUBSCRIBE', 'news')
    await client.ask('SET', 'short', 'v', 'PX', '5000')
    await client.ask('EVAL', "redis.call('set', 'a', redis.call('time')[1]) redis.call('publish', 'news', 'hi')", '0')
    await bed.synced(2, 1)
    expect(await listener.next()).toBe('["message","news","hi"]')
    expect(await reader.ask('GET', 'a')).toBe(await client.ask('GET', 'a'))
    // The replica does not show it any more, and yet only its master deletes it.
    bed.clock.advance(5001)
    expect(await reader.ask('GET', 'short')).toBe('nil')
    await bed.until(() => bed.info(2, 'db0').startsWith('keys=1,'))
  })

  it('has an offset from the first replica on, and sends the first PING after its period', async () => {
    const bed = new ReplicationBed()
    beds.push(bed)
    await bed.start()
    bed.clock.advance(60_000)
    expect(bed.info(1, 'master_repl_offset')).toBe('0')
    await bed.replica(1)
    await bed.synced(2, 1)
    expect(bed.info(2, 'slave_repl_offset')).toBe('1')
    await bed.client(1).ask('CONFIG', 'SET', 'repl-ping-replica-period', '3600')
    for (let i = 0; i < 30; i++) {
      bed.clock.advance(1000)
      await bed.clock.turn()
    }
    expect(bed.info(1, 'master_repl_offset')).toBe('1')
    await bed.client(1).ask('CONFIG', 'SET', 'repl-ping-replica-period', '5')
    await bed.until(() => bed.info(1, 'master_repl_offset') === '15', 100)
  })

  it('lets a replica go that does not read, and one that does not answer', async () => {
    const bed = await pair(['client-output-buffer-limit', 'replica 20000 0 0'])
    const connections: Connection[] = []
    await bed.network.connect({ host: '127.0.0.1', port: 1 }, (connection) => {
      connections.push(connection)
      return { data: () => connection.pause(), drained() {}, closed() {} }
    })
    connections[0]?.write(Buffer.from('SYNC\r\n'))
    await bed.until(() => bed.info(1, 'connected_slaves') === '2')
    const client = bed.client(1)
    for (let i = 0; i < 30; i++) await client.ask('SET', 'k', 'x'.repeat(1000))
    await bed.until(() => bed.info(1, 'connected_slaves') === '1', 200)
    expect(bed.log.find(({ msg }) => msg === 'replica closed')?.['why']).toBe('too much waits for it')
    expect(bed.info(2, 'master_link_status')).toBe('up')
  })

  it('tells of its replicas in CLIENT LIST and cuts them off with CLIENT KILL', async () => {
    const bed = await pair()
    const client = bed.client(1)
    expect(await client.ask('CLIENT', 'LIST', 'TYPE', 'replica')).toMatch(/^id=\d+ .* flags=S .*\n$/)
    expect(await bed.client(2).ask('CLIENT', 'LIST', 'TYPE', 'master')).toMatch(/ flags=M /)
    expect(await client.ask('CLIENT', 'KILL', 'TYPE', 'slave')).toBe('1')
    await bed.until(() => bed.info(1, 'sync_partial_ok') === '1', 50)
    await bed.synced(2, 1)
    expect(await bed.client(2).ask('CLIENT', 'KILL', 'TYPE', 'master')).toBe('1')
    await bed.until(() => bed.info(1, 'sync_partial_ok') === '2', 50)
  })
})

describe('FAILOVER', () => {
  it('hands over to a replica that has everything, while writes wait, and loses none', async () => {
    const bed = await pair()
    await bed.replica(1)
    await bed.synced(3, 1)
    const client = bed.client(1)
    for (let i = 0; i < 50; i++) client.send('RPUSH', 'l', String(i))
    expect(await bed.client(1).ask('FAILOVER', 'TO', '127.0.0.1', '3')).toBe('OK')
    expect(bed.info(1, 'master_failover_state')).toBe('waiting-for-sync')
    expect(await bed.client(1).ask('FAILOVER')).toBe('-ERR FAILOVER already in progress.')
    const late = bed.client(1)
    late.send('RPUSH', 'l', 'late')
    await bed.synced(1, 3)
    expect(await late.next()).toMatch(/^-READONLY/)
    expect([bed.info(3, 'role'), bed.info(1, 'master_failover_state')]).toEqual(['master', 'no-failover'])
    expect(await bed.client(3).ask('LLEN', 'l')).toBe('50')
    expect(await bed.client(3).ask('SET', 'k', 'v')).toBe('OK')
    expect([bed.info(3, 'sync_full'), bed.info(3, 'sync_partial_ok')]).toEqual(['0', '1'])
    await bed.synced(1, 3)
    expect(await bed.client(1).ask('GET', 'k')).toBe('v')
  })

  it('is given up when its time is over, or when it is told to, and writes go on', async () => {
    const bed = await pair()
    bed.network.isDown = true
    const client = bed.client(1)
    expect(await client.ask('FAILOVER', 'ABORT')).toBe('-ERR No failover in progress.')
    expect(await client.ask('FAILOVER', 'TO', 'nowhere', '3')).toBe(
      '-ERR FAILOVER target HOST and PORT is not a replica.',
    )
    expect(await client.ask('FAILOVER', 'FORCE')).toMatch(/^-ERR FAILOVER with force option requires both/)
    expect(await bed.client(2).ask('FAILOVER')).toBe('-ERR FAILOVER is not valid when server is a replica.')
    // Whom it asks cannot be reached: that may be tried for as long as people like.
    expect(await client.ask('FAILOVER', 'TO', '127.0.0.1', '2')).toBe('OK')
    await bed.until(() => bed.info(1, 'master_failover_state') === 'failover-in-progress', 100)
    expect(await client.ask('FAILOVER', 'ABORT')).toBe('OK')
    expect(await client.ask('SET', 'k', 'v')).toBe('OK')
    bed.network.isDown = false
    await bed.synced(2, 1)
    await bed.client(2).ask('REPLICAOF', '127.0.0.1', '77')
    await bed.until(() => bed.info(1, 'connected_slaves') === '0')
    expect(await client.ask('FAILOVER')).toBe('-ERR FAILOVER requires connected replicas.')
  })
})

describe('a replica', () => {
  it('asks for everything when too much has happened since', async () => {
    const bed = await pair(['repl-backlog-size', '16kb'])
    const client = bed.client(1)
    bed.network.isDown = true
    bed.network.cut()
    for (let i = 0; i < 20; i++) await client.ask('SET', `k${i}`, 'x'.repeat(1000))
    bed.network.isDown = false
    await bed.synced(2, 1)
    expect([bed.info(1, 'sync_full'), bed.info(1, 'sync_partial_err')]).toEqual(['2', '1'])
    expect(await bed.client(2).ask('DBSIZE')).toBe('20')
  })

  it('without its master answers or does not, as it is told', async () => {
    const bed = await pair()
    await bed.client(1).ask('SET', 'k', 'v')
    await bed.synced(2, 1)
    bed.network.isDown = true
    bed.network.cut()
    await bed.until(() => bed.info(2, 'master_link_status') === 'down')
    const reader = bed.client(2)
    expect(await reader.ask('GET', 'k')).toBe('v')
    expect(await reader.ask('PSYNC', '?', '-1')).toBe("-NOMASTERLINK Can't SYNC while not connected with my master")
    await reader.ask('CONFIG', 'SET', 'replica-serve-stale-data', 'no')
    expect(await reader.ask('GET', 'k')).toBe(
      "-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    )
    expect(await reader.ask('REPLICAOF', 'NO', 'ONE')).toBe('OK')
    expect(await reader.ask('GET', 'k')).toBe('v')
    expect(await reader.ask('SET', 'k', 'w')).toBe('OK')
  })

  it('without its master refuses a transaction as a whole', async () => {
    const bed = await pair()
    const client = bed.client(2)
    await client.ask('CONFIG', 'SET', 'replica-serve-stale-data', 'no')
    await client.ask('MULTI')
    await client.ask('PING')
    await client.ask('GET', 'k')
    bed.network.isDown = true
    bed.network.cut()
    await bed.until(() => bed.info(2, 'master_link_status') === 'down')
    expect(await client.ask('EXEC')).toBe(
      "-EXECABORT Transaction discarded because of: MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    )
    await client.ask('MULTI')
    await client.ask('PUBLISH', 'news', 'hi')
    expect(await client.ask('EXEC')).toBe('["0"]')
  })

  it('is what a master becomes within a transaction, which runs to its end and is told to nobody', async () => {
    const bed = await pair()
    const client = bed.client(1)
    const offset = bed.info(1, 'master_repl_offset')
    await client.ask('MULTI')
    await client.ask('SET', 'a', '1')
    await client.ask('REPLICAOF', '127.0.0.1', '9')
    await client.ask('SET', 'b', '2')
    expect(await client.ask('EXEC')).toBe('["OK","OK","OK"]')
    expect(await client.ask('GET', 'b')).toBe('2')
    expect(await client.ask('SET', 'c', '3')).toMatch(/^-READONLY/)
    await client.ask('REPLICAOF', 'NO', 'ONE')
    expect(bed.info(1, 'master_repl_offset')).toBe(offset)
  })

  it('that becomes a master is followed by the others from where they are, the old master too', async () => {
    const bed = await pair()
    await bed.replica(1)
    await bed.synced(3, 1)
    await bed.client(1).ask('SELECT', '3')
    for (const port of [2, 3]) await bed.synced(port, 1)
    const id = bed.info(1, 'master_replid')
    await bed.client(2).ask('REPLICAOF', 'NO', 'ONE')
    expect([bed.info(2, 'master_replid2'), bed.info(2, 'master_replid') === id]).toEqual([id, false])
    const client = bed.client(2)
    await client.ask('SELECT', '5')
    await client.ask('SET', 'k', 'new')
    for (const port of [1, 3]) {
      await bed.client(port).ask('REPLICAOF', '127.0.0.1', '2')
      await bed.synced(port, 2)
      expect(bed.info(port, 'master_replid')).toBe(bed.info(2, 'master_replid'))
      const reader = bed.client(port)
      await reader.ask('SELECT', '5')
      expect(await reader.ask('GET', 'k')).toBe('new')
    }
    expect([bed.info(2, 'sync_full'), bed.info(2, 'sync_partial_ok')]).toEqual(['0', '2'])
    expect(await bed.client(1).ask('REPLICAOF', '127.0.0.1', '2')).toBe('OK Already connected to specified master')
  })

  it('gives a password where its master asks for one', async () => {
    const bed = new ReplicationBed()
    beds.push(bed)
    await bed.start({ password: 'secret' })
    await bed.replica(1)
    await bed.until(() => bed.log.some(({ why }) => String(why).includes('NOAUTH')))
    await bed.client(2).ask('CONFIG', 'SET', 'masterauth', 'secret')
    await bed.synced(2, 1)
  })

  it('keeps its keys when a snapshot cannot be read, and lives on whatever its master says', async () => {
    const bed = new ReplicationBed()
    beds.push(bed)
    await bed.start()
    await bed.client(1).ask('SET', 'mine', '1')
    const random = seededRandom(7)
    const id = 'c'.repeat(40)
    let tries = 0
    await bed.network.listen({ host: '127.0.0.1', port: 9 }, (connection) => ({
      data(bytes) {
        const text = Buffer.from(bytes).toString('latin1')
        if (!text.includes('PSYNC')) {
          connection.write(Buffer.from('+OK\r\n'))
          return
        }
        tries++
        const garbage = Buffer.from(`REDIS0010${'\xfb\x01\x00'.repeat(tries)}${'x'.repeat(30)}`, 'latin1')
        for (let i = 0; i < 4; i++) garbage[9 + below(random, garbage.length - 9)] = below(random, 256)
        connection.write(Buffer.from(`+FULLRESYNC ${id} 5\r\n$${garbage.length}\r\n`))
        connection.write(garbage)
      },
      drained() {},
      closed() {},
    }))
    const client = bed.client(1)
    await client.ask('REPLICAOF', '127.0.0.1', '9')
    await bed.until(() => tries > 20, 500)
    expect(await client.ask('GET', 'mine')).toBe('1')
    expect(bed.info(1, 'master_link_status')).toBe('down')
    await client.ask('REPLICAOF', 'NO', 'ONE')
    expect(await client.ask('SET', 'mine', '2')).toBe('OK')
  })

  it('runs nothing of a stream that no master sends, and goes on', async () => {
    const bed = new ReplicationBed()
    beds.push(bed)
    const master = await StrangeMaster.listen(bed)
    await bed.replica(StrangeMaster.port)
    const wrong = ['SHUTDOWN', 'BLPOP k', 'SUBSCRIBE x', 'CONFIG SET requirepass x', 'NOSUCH', 'LPUSH', 'SET k', 'EXEC']
    const right = ['BLPOP k 0', 'SELECT 1', 'MULTI', 'SET a 1', 'EXEC', 'SET b 2', 'PING', 'REPLCONF GETACK *']
    await bed.until(() => bed.info(1, 'master_link_status') === 'up')
    for (const command of [...wrong, ...right]) master.say(command)
    await bed.until(() => bed.info(1, 'slave_repl_offset') === String(master.said))
    const reader = bed.client(1)
    await reader.ask('SELECT', '1')
    expect([await reader.ask('GET', 'a'), await reader.ask('GET', 'b')]).toEqual(['1', '2'])
    const failed = bed.log.filter(({ msg }) => msg === 'a command of the master failed')
    expect(failed.map(({ command }) => command)).toEqual(wrong.map((command) => command.split(' ')[0]))
    await bed.until(() => master.acknowledged === master.said)
  })

  it.each([1, 2])('lives through a stream with bytes changed at random (seed %i)', async (seed) => {
    const bed = new ReplicationBed(seed)
    beds.push(bed)
    const random = seededRandom(seed)
    const master = await StrangeMaster.listen(bed)
    await bed.replica(StrangeMaster.port)
    for (let round = 0; round < 25; round++) {
      await bed.until(() => bed.info(1, 'master_link_status') === 'up', 200)
      const connections = master.count
      const commands = ['SELECT 1', 'MULTI', 'SET a 1', 'LPUSH l x', 'EXEC', 'XADD x 1-1 f v', 'RENAME a b', 'FLUSHALL']
      const bytes = Buffer.concat(commands.map(encoded))
      for (let i = 0; i < 3; i++) bytes[below(random, bytes.length)] = below(random, 256)
      master.write(bytes)
      master.say('SET alive 1')
      // Either it is understood in the end, or the connection is given up.
      for (let i = 0; i < 50 && master.count === connections; i++) {
        await bed.clock.turn()
        bed.clock.advance(2)
      }
      master.hangUp()
    }
    expect(await bed.client(1).ask('PING')).toBe('PONG')
  })
})

function encoded(command: string): Buffer {
  const args = command.split(' ')
  return Buffer.from(`*${args.length}\r\n${args.map((arg) => `$${arg.length}\r\n${arg}\r\n`).join('')}`)
}

/** A master that says what it is told to say. */
class StrangeMaster {
  static readonly port = 99
  /** Bytes of the stream, and connections that have come. */
  said = 0
  count = 0
  acknowledged = -1
  #connection: Connection | undefined

  static async listen({ network }: ReplicationBed): Promise<StrangeMaster> {
    const master = new StrangeMaster()
    await network.listen({ host: '127.0.0.1', port: StrangeMaster.port }, (connection) => {
      master.count++
      master.#connection = connection
      const decoder = new CommandDecoder()
      const data = (bytes: Uint8Array): void => {
        decoder.push(bytes)
        for (let args = decoder.next(); args !== undefined; args = decoder.next()) master.#answer(connection, args)
      }
      return { data, drained() {}, closed() {} }
    })
    return master
  }

  say(command: string): void {
    this.write(encoded(command))
  }

  write(bytes: Uint8Array): void {
    this.said += bytes.length
    this.#connection?.write(bytes)
  }

  hangUp(): void {
    this.#connection?.destroy()
  }

  #answer(connection: Connection, [name, ...args]: readonly string[]): void {
    if (name === 'PSYNC') {
      this.said = 0
      const empty = Buffer.from('524544495330303130ff', 'hex')
      connection.write(Buffer.from(`+FULLRESYNC ${'d'.repeat(40)} 0\r\n$${empty.length + 8}\r\n`))
      connection.write(Buffer.concat([empty, Buffer.alloc(8)])) // a checksum of zero is none
    } else if (args[0] === 'ACK') this.acknowledged = Number(args[1])
    else connection.write(Buffer.from('+OK\r\n'))
  }
}

describe('files', () => {
  const persistence = (disk: SimulatedDisk, settings = {}): Pick<CacheServerOptions, 'persistence'> => ({
    persistence: { disk, settings: { ...DEFAULT_PERSISTENCE, directory: '/data', ...settings } },
  })

  it('a replica goes on from its snapshot, and the replicas of a master from its', async () => {
    const bed = new ReplicationBed()
    beds.push(bed)
    const disks = [new SimulatedDisk(), new SimulatedDisk()]
    await bed.start(persistence(disks[0] as SimulatedDisk))
    await bed.replica(1, persistence(disks[1] as SimulatedDisk))
    const client = bed.client(1)
    await client.ask('SELECT', '2')
    await client.ask('SET', 'a', '1')
    await client.ask('SET', 'short', '1', 'PX', '100')
    await bed.synced(2, 1)
    expect(await bed.client(2).ask('SAVE')).toBe('OK')
    await client.ask('SET', 'b', '2')
    await bed.synced(2, 1)
    await bed.server(2).stop()
    await bed.restart(2)
    await bed.synced(2, 1)
    expect([bed.info(1, 'sync_full'), bed.info(1, 'sync_partial_ok')]).toEqual(['1', '1'])
    expect(await bed.client(1).ask('SAVE')).toBe('OK')
    await bed.synced(2, 1)
    await bed.server(1).stop()
    bed.clock.advance(1000)
    await bed.restart(1)
    await bed.synced(2, 1)
    expect([bed.info(1, 'sync_full'), bed.info(1, 'sync_partial_ok')]).toEqual(['0', '1'])
    const reader = bed.client(2)
    await reader.ask('SELECT', '2')
    expect((JSON.parse(await reader.ask('KEYS', '*')) as string[]).sort()).toEqual(['a', 'b'])
    expect(await reader.ask('DBSIZE')).toBe('2') // what the master did not load is gone here, too
  })

  it('the append-only file of a replica holds what its master has sent, from the snapshot on', async () => {
    const bed = new ReplicationBed()
    beds.push(bed)
    const disk = new SimulatedDisk()
    await bed.start()
    await bed.client(1).ask('SET', 'a', '1')
    await bed.start(persistence(disk, { appendOnly: true }))
    await bed.client(2).ask('SET', 'old', '1')
    await bed.client(2).ask('REPLICAOF', '127.0.0.1', '1')
    await bed.synced(2, 1)
    await bed.client(1).ask('SET', 'b', '2')
    await bed.synced(2, 1)
    await bed.until(() => bed.info(2, 'aof_rewrite_in_progress') === '0')
    await bed.server(2).stop()
    await bed.restart(2, { replication: {} })
    expect(JSON.parse(await bed.client(2).ask('KEYS', '*')).sort()).toEqual(['a', 'b'])
  })
})

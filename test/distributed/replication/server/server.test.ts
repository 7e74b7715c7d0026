import { mkdirSync, writeFileSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { encodeSession } from '../../../../ts/distributed/replication/index.ts'
import {
  openReplica,
  type ReplicaEvent,
  type ReplicaOptions,
  type ReplicatedStore,
} from '../../../../ts/distributed/replication/public.ts'
import { Servers } from '../../../support/replicated-kv/servers.ts'
import { directoryInMemory } from '../../../support/temporary-directory.ts'

const home = directoryInMemory()

afterAll(() => home.remove())

describe('two nodes', () => {
  let nodes: Servers

  beforeAll(async () => {
    nodes = new Servers(`${home.path}/`, { requestMs: 3000 })
    await nodes.startAll(2)
  })

  afterAll(() => nodes.close())

  it('take a value by GET, POST and PUT on any node, and give it back as it was', async () => {
    expect(await nodes.ask(1, '/set?key=a&value=one%20%26%20two')).toMatchObject({ status: 200, text: 'OK\n' })
    expect((await nodes.ask(2, '/get?key=a')).text).toBe('one & two\n')
    await nodes.ask(2, '/set?key=b', { method: 'POST', body: 'a\nb' })
    await nodes.ask(2, '/set?key=c', { method: 'PUT', body: '' })
    expect((await nodes.ask(1, '/get?key=b&raw')).text).toBe('a\nb')
    expect((await nodes.ask(1, '/get?key=c&raw')).text).toBe('')
    const json = await nodes.ask(1, '/get?key=a', { headers: { accept: 'application/json' } })
    expect(JSON.parse(json.text)).toEqual({ key: 'a', value: 'one & two', session: json.session })
  })

  it('delete, and say that a key is not there', async () => {
    await nodes.ask(1, '/set?key=gone&value=1')
    expect((await nodes.ask(2, '/delete?key=gone')).text).toBe('OK\n')
    expect(await nodes.ask(1, '/get?key=gone')).toMatchObject({ status: 404, text: 'error: there is no key "gone"\n' })
    const json = await nodes.ask(1, '/get?key=gone&json')
    expect(JSON.parse(json.text)).toEqual({
      ok: false,
      error: { code: 'NOT_FOUND', message: 'there is no key "gone"' },
    })
  })

  it('take a batch whole, and give a range page by page', async () => {
    const body = JSON.stringify([...'12345'].map((n) => [`r:${n}`, n]))
    expect((await nodes.ask(2, '/batch', { method: 'POST', body })).text).toBe('OK\n')
    await nodes.ask(2, '/batch', { method: 'POST', body: '[["r:3",null],["r:6","six"]]' })
    expect((await nodes.ask(1, '/range?prefix=r:')).text).toBe('r:1\t1\nr:2\t2\nr:4\t4\nr:5\t5\nr:6\tsix\n')
    const page = JSON.parse((await nodes.ask(1, '/range?gte=r:&lt=r;&limit=2&json')).text) as { next: string }
    expect(page).toMatchObject({ entries: [{ key: 'r:1', value: '1' }, { key: 'r:2' }], next: 'r:2' })
    expect((await nodes.ask(1, `/range?gt=${page.next}&lt=r:5`)).text).toBe('r:4\t4\n')
  })

  it('end no page at a key that is no text: the next page would begin before it', async () => {
    const value = Buffer.from('1')
    const keys = [Buffer.from('z:1\xff', 'latin1'), Buffer.from('z:2')] // as clients of Redis may write them
    await nodes.get(1).replica.write(keys.map((key) => ({ key, value })))
    const cut = await nodes.ask(1, '/range?prefix=z:&limit=1&json')
    expect([cut.status, JSON.parse(cut.text).error.hint]).toEqual([400, 'ask with another limit'])
    expect((await nodes.ask(1, '/range?prefix=z:&limit=2&json')).status).toBe(200)
  })

  it.each([
    ['/set?key=a', 'GET', undefined, 400, /wants a value.*\nhint: a shell cuts an unquoted URL at the &/],
    ['/set?key=a&value=1', 'POST', '2', 400, /one value, in the URL or as the body/],
    ['/set?value=1', 'GET', undefined, 400, /\/set wants \?key=/],
    [`/set?key=${'k'.repeat(1025)}&value=1`, 'GET', undefined, 400, /a key has 1 to 1024 bytes, and this one 1025/],
    ['/set?key=a&value=1', 'DELETE', undefined, 405, /\/set takes GET, POST, PUT, not DELETE/],
    ['/batch', 'POST', '{}', 400, /\/batch wants \[\["key","value"\]/],
    ['/batch', 'POST', '[', 400, /\/batch: the body is no JSON/],
    [
      '/get?key=a&consistency=eventual',
      'GET',
      undefined,
      400,
      /\?consistency is linearizable, stale, session, not "eventual"/,
    ],
    ['/get?key=a&session=x', 'GET', undefined, 400, /this is no session token/],
    ['/get?key=a&consistency=stale&session=s1.1.1', 'GET', undefined, 400, /"stale" promises nothing/],
    ['/get?key=a&consistency=stale&max-staleness-ms=5', 'GET', undefined, 400, /"stale" promises nothing/],
    ['/get?key=a&max-staleness-ms=-1', 'GET', undefined, 400, /must be a whole number of at least 0, got "-1"/],
    ['/range?gt=a&gte=b', 'GET', undefined, 400, /one of gt and gte/],
    ['/members', 'POST', '{"remove":"2"}', 400, /\/members wants \{"remove": 3\}/],
    ['/members', 'POST', '{"remove":9}', 404, /node 9 is no member/],
    ['/promote?to=9', 'POST', '', 400, /not a voter/],
    ['/join', 'POST', '{"id":2}', 400, /\/join is for nodes/],
    ['/none', 'GET', undefined, 404, /there is no \/none/],
  ])('refuse %s by %s', async (path, method, body, status, message) => {
    const answer = await nodes.ask(1, path, { method, ...(body === undefined ? {} : { body }) })
    expect(answer.text).toMatch(message)
    expect(answer.status).toBe(status)
  })

  it('refuse a body that is too long', async () => {
    const body = new Uint8Array(9 * 1024 * 1024)
    const answer = await nodes.ask(1, '/set?key=a', { method: 'POST', body }).catch(() => ({ status: 413 }))
    expect(answer.status).toBe(413)
  })

  it.each([
    { origin: 'http://evil.example' },
    { 'sec-fetch-site': 'cross-site' }, // what an image of another page sends
  ])('let a page of others read and change nothing: %j', async (headers: Record<string, string>) => {
    for (const path of ['/set?key=evil&value=1', '/delete?key=a', '/members', '/join']) {
      const answer = await nodes.ask(1, path, { headers })
      expect(answer).toMatchObject({ status: 400, text: expect.stringContaining('may not change this cluster') })
    }
    expect((await nodes.ask(1, '/get?key=evil')).status).toBe(404)
  })

  it('give what a session has seen to that session, on any node', async () => {
    for (let i = 0; i < 20; i++) {
      const { session } = await nodes.ask(1, `/set?key=mine&value=${i}`)
      const read = await nodes.ask(2, '/get?key=mine', { headers: { 'bedplate-session': session as string } })
      expect(read.text).toBe(`${i}\n`)
      expect((await nodes.ask(2, `/get?key=mine&consistency=session&session=${read.session}`)).text).toBe(`${i}\n`)
    }
  })

  it('answer within a bound of staleness', async () => {
    await nodes.ask(1, '/set?key=fresh&value=1')
    expect((await nodes.ask(2, '/get?key=fresh&max-staleness-ms=0')).text).toBe('1\n')
    expect((await nodes.ask(2, '/get?key=fresh&max-staleness-ms=60000')).text).toBe('1\n')
  })

  it('say how they are', async () => {
    const statusOf = async (id: number) => JSON.parse((await nodes.ask(id, '/status')).text) as Record<string, unknown>
    // Leadership may have moved: on a machine that is busy a leader can be silent for long.
    const isAtRest = (leader: Record<string, unknown>, follower: Record<string, unknown>): boolean =>
      leader['role'] === 'leader' && follower['leader'] === leader['id'] && leader['offset'] === follower['visible']
    let [leader, follower] = await Promise.all([statusOf(1), statusOf(2)])
    while (!isAtRest(leader, follower)) {
      const [one, two] = await Promise.all([statusOf(1), statusOf(2)])
      ;[leader, follower] = two['role'] === 'leader' ? [two, one] : [one, two]
    }
    const [id, other] = [Number(leader['id']), Number(follower['id'])]
    expect(leader).toMatchObject({ role: 'leader', mode: 'semi-sync', leader: id, followers: [{ id: other }] })
    expect(follower).toMatchObject({ id: other, role: 'follower', leader: id, lag: { entries: 0, bytes: 0 } })
    expect(follower['members']).toHaveLength(2)
    expect((await nodes.ask(other, '/ready')).text).toBe('{"ready":true}\n')
    const metrics = async (): Promise<string> => (await nodes.ask(id, '/metrics')).text
    const hasNoLag = new RegExp(`bedplate_replication_follower_lag_entries\\{node="${other}"\\} 0\n`)
    while (!hasNoLag.test(await metrics())) await nodes.ask(id, '/health')
    expect(await metrics()).toContain('bedplate_replication_is_leader 1\n')
  })

  it('hand leadership to a node that is promoted', async () => {
    // Where others want the processors, an election may come between, and then it is asked again.
    while (nodes.get(2).replica.status.role !== 'leader') {
      const { status, text } = await nodes.ask(2, '/promote', { method: 'POST' })
      expect([status, text]).toEqual(status === 503 ? [503, expect.any(String)] : [200, 'OK\n'])
    }
    expect((await nodes.ask(1, '/set?key=after&value=1')).text).toBe('OK\n')
  })
})

describe('a cluster', () => {
  const clusters: Servers[] = []
  let count = 0

  function cluster(common: Partial<ReplicaOptions> = {}): Servers {
    const made = new Servers(`${home.path}/cluster-${++count}`, { requestMs: 2000, ...common })
    clusters.push(made)
    return made
  }

  afterEach(async () => {
    for (const each of clusters.splice(0)) await each.close()
  })

  it('comes back from its disks, and --leader begins no second one', async () => {
    const nodes = cluster()
    await nodes.startAll(2)
    await nodes.ask(1, '/set?key=a&value=1')
    await nodes.stop(1)
    await nodes.stop(2)
    await Promise.all([nodes.start(1), nodes.start(2)])
    expect((await nodes.ask(2, '/get?key=a')).text).toBe('1\n')
    expect(nodes.get(1).replica.cluster.cluster).toBe(nodes.get(2).replica.cluster.cluster)
  })

  it('lets a node in after a failover, when the leader is not who began it', async () => {
    const nodes = cluster()
    await nodes.startAll(3)
    while (nodes.get(2).replica.status.role !== 'leader') await nodes.ask(2, '/promote', { method: 'POST' })
    await nodes.stop(1)
    await nodes.start(4, { leader: nodes.address(2) })
    expect((await nodes.ask(4, '/set?key=a&value=1')).text).toBe('OK\n')
  })

  it('in mode async goes on with what only its leader has', async () => {
    const nodes = cluster()
    await nodes.start(1, { mode: 'async' })
    await nodes.start(2)
    expect(nodes.get(2).replica.cluster.mode).toBe('async')
    await expect(nodes.start(3, { mode: 'sync' })).rejects.toThrow('the mode of the cluster is async')
    await nodes.stop(2)
    const { text, session } = await nodes.ask(1, '/set?key=a&value=1')
    expect(text).toBe('OK\n')
    expect((await nodes.ask(1, `/get?key=a&session=${session}`)).text).toBe('1\n')
    expect((await nodes.ask(1, '/get?key=a&consistency=stale')).text).toBe('1\n')
  })

  it('tells a session that what it has seen was lost, however fresh a read it asks for', async () => {
    const nodes = cluster()
    await nodes.start(1, { mode: 'async' })
    await nodes.ask(1, '/set?key=a&value=1')
    const { term } = nodes.get(1).replica.status
    await nodes.stop(1)
    await nodes.start(1)
    // What a leader of that term would have given for a write that is in no log any more.
    const lost = encodeSession({ term, index: 1000 })
    for (const more of ['', '&consistency=linearizable', '&consistency=session&max-staleness-ms=0']) {
      expect(await nodes.ask(1, `/get?key=a&session=${lost}${more}`)).toMatchObject({
        status: 409,
        text: expect.stringContaining('was lost with an earlier leader'),
      })
    }
  })

  it.each(['linearizable', 'stale', 'bounded:60000'] as const)('reads as its node was told: %s', async (reads) => {
    const nodes = cluster({ requestMs: 500 })
    await nodes.start(1)
    await nodes.start(2, { reads })
    await nodes.ask(1, '/set?key=a&value=1')
    const { session } = await nodes.ask(2, '/get?key=a&max-staleness-ms=0')
    expect(JSON.parse((await nodes.ask(2, '/status')).text)).toMatchObject({ reads })
    await nodes.stop(1)
    // Nobody leads. What was fresh a short while ago is still within its bound.
    const statuses = await Promise.all(
      ['/get?key=a', '/range', '/get?key=a&consistency=linearizable', `/get?key=a&session=${session}`].map(
        async (path) => (await nodes.ask(2, path)).status,
      ),
    )
    expect(statuses).toEqual(reads === 'linearizable' ? [503, 503, 503, 200] : [200, 200, 503, 200])
  })

  it('in mode sync says whose confirmation is missing', async () => {
    const nodes = cluster()
    await nodes.start(1, { mode: 'sync' })
    await nodes.start(2)
    await nodes.start(3)
    await nodes.stop(3)
    const { status, text } = await nodes.ask(1, '/set?key=a&value=1')
    expect([status, text]).toEqual([
      503,
      expect.stringMatching(/no confirmation from node 3 in time.*\nhint: see what ails node 3/),
    ])
  })

  it('refuses a node with the number of another one, and one with its address', async () => {
    const nodes = cluster()
    await nodes.startAll(2)
    const twin = nodes.start(3, { id: 2 } as { id: number })
    await expect(twin).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining('another directory'),
    })
    const neighbour = nodes.start(4, { advertise: nodes.address(2) })
    await expect(neighbour).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining('node 2 is at'),
    })
  })

  it('refuses a directory of another node, and the leader of another cluster', async () => {
    const [one, other] = [cluster(), cluster()]
    await one.startAll(2)
    await other.start(1)
    await one.stop(2)
    await expect(one.start(2, { id: 7 })).rejects.toMatchObject({
      message: expect.stringMatching(/belongs to node 2, not to node 7/),
    })
    const stranger = one.start(2, { leader: other.address(1) })
    await expect(stranger).rejects.toMatchObject({
      message: expect.stringMatching(/this node is of cluster \w{16}, and/),
    })
    await one.start(2)
  })

  it('lets a node go, which then is no member any more', async () => {
    const nodes = cluster()
    await nodes.startAll(3)
    const { text } = await nodes.ask(2, '/members', { method: 'POST', body: '{"remove":3}' })
    expect((JSON.parse(text) as { members: { id: number }[] }).members.map(({ id }) => id)).toEqual([1, 2])
    await nodes.stop(3)
    expect((await nodes.ask(1, '/set?key=a&value=1')).text).toBe('OK\n')
    const last = await nodes.ask(1, '/members', { method: 'POST', body: '{"remove":2}' })
    expect(last.status).toBe(200)
    expect((await nodes.ask(1, '/members', { method: 'POST', body: '{"remove":1}' })).text).toMatch(
      /the last one that votes/,
    )
  })
})

describe('the library', () => {
  const open = (name: string, options: object): Promise<ReplicatedStore> => {
    const known = { id: 1, listen: { host: '127.0.0.1', port: 0 }, lead: true, tickMs: 10 }
    return openReplica(`${home.path}/${name}`, { ...known, ...options })
  }

  it.each([
    [{ mode: 'eventual' }, /mode must be one of sync, semi-sync, async, got "eventual"/],
    [{ id: 1.5 }, /id must be a whole number of at least 1, got 1.5/],
    [{ listen: { host: '127.0.0.1', port: 70_000 } }, /listen must be an address \{ host, port \}/],
    [{ advertise: '127.0.0.1:1' }, /advertise must be an address \{ host, port \}, got "127.0.0.1:1"/],
    [{ reads: 'bounded:' }, /reads must be linearizable, stale or bounded:<milliseconds>, got "bounded:"/],
    [{ reads: 'fresh' }, /reads must be linearizable, stale or bounded/],
    [{ requestMs: 0 }, /requestMs must be a whole number of at least 1, got 0/],
    [{ leed: true }, /there is no option "leed"/],
  ])('refuses %j, and leaves the directory as it is', async (wrong, message) => {
    const name = `checked-${JSON.stringify(wrong).replaceAll(/\W/g, '')}`
    const refused = { code: 'INVALID_INPUT', message: expect.stringMatching(message) }
    await expect(open(name, wrong)).rejects.toMatchObject(refused)
    await (await open(name, {})).close()
    await expect(open(name, wrong)).rejects.toMatchObject(refused)
    await (await open(name, {})).close()
  })

  it('may be closed as soon as it is open, before the others know its address', async () => {
    await (await open('brief', {})).close()
  })

  it('refuses a read that asks for what there is not', async () => {
    await using store = await open('reads', {})
    const wrong = { consistency: 'eventual' } as object
    await expect(store.get('a', wrong)).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      message: expect.stringContaining('consistency must be one of linearizable, stale, session, got "eventual"'),
    })
    await expect(store.get('a', { sesion: 's1.1.1' } as object)).rejects.toMatchObject({
      message: expect.stringContaining('there is no option "sesion"'),
    })
    for (const [name, value, wanted] of [
      ['limit', 0, 'a whole number >= 1'],
      ['limit', 1.5, 'a whole number >= 1'],
      ['maxStalenessMs', Number.NaN, 'a finite number >= 0'],
      ['maxStalenessMs', -1, 'a finite number >= 0'],
      ['timeoutMs', Number.POSITIVE_INFINITY, 'a finite number >= 0'],
    ] as const) {
      await expect(store.range({}, { [name]: value })).rejects.toMatchObject({
        ...{ code: 'INVALID_INPUT', message: `a read: ${name} must be ${wanted}, got ${value}` },
      })
    }
    expect(await store.range({}, { limit: 1, maxStalenessMs: 0, timeoutMs: 1000.5 })).toMatchObject({ entries: [] })
  })

  it('begins in a directory where the power failed as it was made', async () => {
    mkdirSync(`${home.path}/torn`)
    writeFileSync(`${home.path}/torn/cluster.new`, '{"vers')
    await (await open('torn', {})).close()
    await (await open('torn', {})).close()
  })

  it('opens members in a program, and tells who leads', async () => {
    const events: ReplicaEvent[] = []
    const listen = { host: '127.0.0.1', port: 0 }
    const common = { listen, tickMs: 10, onEvent: (event: ReplicaEvent) => events.push(event) }
    const first = await openReplica(`${home.path}/one`, { ...common, id: 1, lead: true })
    const second = await openReplica(`${home.path}/two`, { ...common, id: 2, leader: first.address })
    expect(events.map(({ event }) => event)).toEqual(['started', 'connected'])
    const { session } = await second.set('user:1', 'Alice')
    const { value } = await first.get('user:1', { session })
    expect(Buffer.from(value as Uint8Array).toString()).toBe('Alice')
    await first.batch([{ key: 'user:2', value: 'Bob' }, { key: 'user:1' }])
    const { entries, isCut } = await second.range({ prefix: 'user:' }, { limit: 10 })
    expect([entries.map(([key]) => Buffer.from(key).toString()), isCut]).toEqual([['user:2'], false])
    await second.delete('user:2')
    expect(second.members.map(({ isVoter }) => isVoter)).toEqual([true, true])
    await second.remove(2)
    await second.close()
    expect(first.status.role).toBe('leader')
    await first.close()
    await expect(first.get('a')).rejects.toMatchObject({ code: 'CLOSED' })
  })
})

// A cluster with a secret: who is let in, and what the others are told.
import { once } from 'node:events'
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openReplica } from '../../../../ts/distributed/replication/public.ts'
import { until } from '../../../support/replicated-kv/processes.ts'
import { Servers } from '../../../support/replicated-kv/servers.ts'
import { directoryInMemory } from '../../../support/temporary-directory.ts'

const SECRET = 'open sesame'
const home = directoryInMemory()

afterAll(() => home.remove())

describe('a cluster with a secret', () => {
  let nodes: Servers
  const troubles: string[] = []
  const bearer = (secret: string) => ({ headers: { authorization: `Bearer ${secret}` } })

  beforeAll(async () => {
    const onTrouble = (_peer: string, error: Error): void => void troubles.push(error.message)
    nodes = new Servers(`${home.path}/guarded`, { secret: SECRET, requestMs: 3000, onTrouble })
    await nodes.startAll(2)
  })

  afterAll(() => nodes.close())

  it('serves clients that know it, on any node', async () => {
    expect(await nodes.ask(2, '/set?key=a&value=1', bearer(SECRET))).toMatchObject({ status: 200 })
    expect((await nodes.ask(1, '/get?key=a', bearer(SECRET))).text).toBe('1\n')
  })

  it('refuses everybody else by every path, and says what to send', async () => {
    const paths = ['/set?key=a&value=2', '/get?key=a', '/range', '/status', '/members', '/join', '/delete?key=a']
    for (const path of paths) {
      const [none, wrong] = [await nodes.ask(1, path), await nodes.ask(1, path, bearer('open barley'))]
      expect([none.status, wrong.status]).toEqual([401, 401])
      expect(none.text).toContain('this cluster has a secret')
      expect(wrong.text).toContain('that is not the secret of this cluster')
      for (const { text } of [none, wrong]) {
        expect(text).toContain('authorization: Bearer SECRET')
        expect(text).toContain('--secret-file')
        expect(text).not.toContain('sesame')
      }
    }
    expect((await nodes.ask(1, '/get?key=a', bearer(SECRET))).text).toBe('1\n')
  })

  it('refuses clients of Redis, who could not show it', async () => {
    const socket = connect(nodes.address(1).port, '127.0.0.1')
    socket.write('*1\r\n$4\r\nPING\r\n')
    const parts: Buffer[] = []
    socket.on('data', (part: Buffer) => parts.push(part))
    await once(socket, 'close')
    expect(Buffer.concat(parts).toString()).toBe(
      '-NOAUTH this cluster has a secret, which it takes over HTTP alone\r\n',
    )
  })

  it('tells everybody whether it is well', async () => {
    for (const path of ['/health', '/ready', '/metrics']) {
      const { status, text } = await nodes.ask(1, path)
      expect([status, text.includes('sesame')]).toEqual([200, false])
    }
  })

  it.each([undefined, 'open barley'])('lets no node in that comes with the secret %s', async (secret) => {
    const stranger = nodes.start(3, { secret })
    await expect(stranger).rejects.toMatchObject({
      code: 'PERMISSION',
      message: expect.stringMatching(/this cluster has a secret|not the secret of this cluster/),
      hint: expect.stringContaining('--secret-file'),
    })
    await nodes.stop(3).catch(() => {})
  })

  it('takes no member back that has another secret since', async () => {
    await nodes.stop(2)
    const stranger = openReplica(`${home.path}/guarded/node-2`, {
      ...{ id: 2, listen: nodes.address(2), tickMs: 10, secret: 'open barley' },
      onTrouble: (_peer, error) => void troubles.push(error.message),
    })
    await until(() => troubles.includes('node 2 does not know the secret of the cluster'))
    await until(() => troubles.includes('node 1 does not know the secret of the cluster'))
    void stranger
  })
})

describe('a secret', () => {
  it.each(['two\nlines', ' ', 'schön', 'x'.repeat(1025)])('that no header can carry is refused: %j', async (secret) => {
    const options = { id: 1, listen: { host: '127.0.0.1', port: 0 }, lead: true, secret }
    await expect(openReplica(`${home.path}/none`, options)).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      message: 'openReplica: this is no secret that a header can carry',
      hint: expect.stringContaining('openssl rand -hex 32'),
    })
  })
})

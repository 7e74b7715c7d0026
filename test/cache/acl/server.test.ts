// Users of a server: logging in, their file, and settings.
import { afterEach, describe, expect, it } from 'vitest'
import { SimulatedDisk } from '../../../ts/io/simulated-disk.ts'
import { CacheLife, DATA, type LifeClient } from '../../support/cache-life.ts'

const WRONG = '-WRONGPASS invalid username-password pair or user is disabled.'
const FILE = `${DATA}/users.acl`
let life: CacheLife

afterEach(() => life.server.stop())

async function withFile(text: string, disk = new SimulatedDisk()): Promise<CacheLife> {
  if (disk.kind(DATA) === undefined) disk.mkdir(DATA)
  const file = disk.open(FILE, 'create')
  file.write(Buffer.from(text, 'latin1'), 0)
  file.close()
  life = await CacheLife.start({ disk, server: { users: { disk, path: 'users.acl' } } })
  return life
}

function textOf(disk: SimulatedDisk): string {
  const file = disk.open(FILE, 'read')
  const bytes = Buffer.alloc(file.size())
  file.read(bytes, 0)
  file.close()
  return bytes.toString('latin1')
}

async function isClosed(client: LifeClient): Promise<boolean> {
  await new Promise((resolve) => setImmediate(resolve))
  return client.isClosed
}

describe('users of a server', () => {
  it('log in by AUTH and HELLO, and are seen in CLIENT LIST and ACL LOG', async () => {
    life = await CacheLife.start()
    const [admin, client] = [life.client(), life.client()]
    expect(await admin.ask('ACL', 'SETUSER', 'alice', 'on', '>pw', '+get', '+acl|whoami', '+client', '~a*')).toBe('OK')
    expect(await client.ask('AUTH', 'alice', 'wrong')).toBe(WRONG)
    expect(await client.ask('HELLO', '2', 'AUTH', 'alice', 'wrong')).toBe(WRONG)
    expect(await client.ask('AUTH', 'alice', 'pw')).toBe('OK')
    expect(await client.ask('ACL', 'WHOAMI')).toBe('alice')
    expect(await client.ask('GET', 'b')).toMatch(/^-NOPERM this user has no permissions to access one of the keys/)
    expect(await client.ask('CLIENT', 'LIST')).toMatch(/ user=default .*\n.* user=alice /)
    expect(await client.ask('RESET')).toBe('RESET')
    expect(await client.ask('ACL', 'WHOAMI')).toBe('default')
    expect(await client.ask('HELLO', '2', 'AUTH', 'alice', 'pw')).toContain('redis')
    const log = await admin.ask('ACL', 'LOG')
    expect(log.match(/toplevel/g)).toHaveLength(3)
    expect(log).toMatch(/auth.*HELLO.*alice/)
    expect(log).toMatch(/ user=default /)
    expect(await admin.ask('CLIENT', 'KILL', 'USER', 'nobody')).toBe("-ERR No such user 'nobody'")
    expect(await admin.ask('CLIENT', 'KILL', 'USER', 'alice')).toBe('1')
    expect(await isClosed(client)).toBe(true)
  })

  it('have requirepass as the password of the default one', async () => {
    life = await CacheLife.start({ server: { password: 'first' } })
    const client = life.client()
    expect(await client.ask('GET', 'k')).toBe('-NOAUTH Authentication required.')
    expect(await client.ask('AUTH', 'first')).toBe('OK')
    expect(await client.ask('CONFIG', 'SET', 'requirepass', 'second')).toBe('OK')
    expect(await client.ask('CONFIG', 'GET', 'requirepass')).toBe('["requirepass","second"]')
    const other = life.client()
    expect(await other.ask('AUTH', 'first')).toBe(WRONG)
    expect(await other.ask('AUTH', 'default', 'second')).toBe('OK')
    expect(await client.ask('ACL', 'SETUSER', 'default', 'off')).toBe('OK')
    expect(await client.ask('GET', 'k')).toBe('nil')
    expect(await life.client().ask('AUTH', 'second')).toBe(WRONG)
    expect(
      await client.ask('CONFIG', 'SET', 'requirepass', '', 'acllog-max-len', '3', 'acl-pubsub-default', 'allchannels'),
    ).toBe('OK')
    expect(await client.ask('ACL', 'SETUSER', 'new')).toBe('OK')
    expect(await client.ask('ACL', 'LIST')).toContain('user new off &* -@all')
    expect(await client.ask('CONFIG', 'SET', 'acl-pubsub-default', 'x')).toMatch(/must be one of the following/)
    expect(await client.ask('AUTH', 'x')).toMatch(/^-ERR AUTH <password> called without any password configured/)
  })

  it('come from their file and go back to it', async () => {
    await withFile('user alice on >pw +@all ~* &*\nuser default on nopass +@all ~* &*\n')
    const { disk } = life
    const [client, alice] = [life.client(), life.client()]
    expect(await alice.ask('AUTH', 'alice', 'pw')).toBe('OK')
    expect(await client.ask('CONFIG', 'GET', 'aclfile')).toBe('["aclfile","users.acl"]')
    expect(await client.ask('ACL', 'SETUSER', 'bob', 'on', 'nopass', '+get', '~b*')).toBe('OK')
    expect(await client.ask('ACL', 'SAVE')).toBe('OK')
    expect(textOf(disk)).toMatch(
      /^user alice on #\S{64} ~\* &\* \+@all\nuser bob on nopass ~b\* resetchannels -@all \+get\nuser default on nopass ~\* &\* \+@all\n$/,
    )
    expect(await client.ask('ACL', 'DELUSER', 'bob')).toBe('1')
    // Who is somebody else than the default user is cut.
    expect(await client.ask('ACL', 'LOAD')).toBe('OK')
    expect(await client.ask('ACL', 'USERS')).toBe('["alice","bob","default"]')
    expect(await isClosed(alice)).toBe(true)
    await life.server.stop()
    life = await CacheLife.start({ disk, server: { users: { disk, path: 'users.acl' } } })
    expect(await life.client().ask('ACL', 'USERS')).toBe('["alice","bob","default"]')
  })

  it('are not replaced by a file that is wrong, and the file is whole whatever fails', async () => {
    await withFile('user alice on nopass +@all\n')
    const { disk } = life
    const client = life.client()
    const file = disk.open(FILE, 'write')
    file.truncate(0)
    file.write(Buffer.from('user alice on\nuser alice off\nuser x +nonsense\n'), 0)
    file.close()
    expect(await client.ask('ACL', 'LOAD')).toMatch(
      /^-ERR WARNING: Duplicate user 'alice' found.*:3: Error in applying operation '\+nonsense'/,
    )
    expect(await client.ask('ACL', 'USERS')).toBe('["alice","default"]')
    expect(() => CacheLife.make({ disk, server: { users: { disk, path: 'users.acl' } } })).toThrow(/Duplicate user/)
    expect(() => CacheLife.make({ disk, server: { users: { disk, path: 'none.acl' } } })).toThrow(
      /Error loading ACLs, opening file/,
    )
    expect(() => CacheLife.make({ disk, server: { users: { disk, path: 'users.acl', lines: ['x on'] } } })).toThrow(
      /not from both/,
    )
  })

  it('can stand in the settings', async () => {
    life = await CacheLife.start({
      server: {
        users: {
          disk: new SimulatedDisk(),
          lines: ['default off', 'bob on >pw +@all ~*'],
          channelDefault: 'allchannels',
        },
      },
    })
    const client = life.client()
    expect(await client.ask('PING')).toBe('-NOAUTH Authentication required.')
    expect(await client.ask('AUTH', 'bob', 'pw')).toBe('OK')
    expect(await client.ask('PUBLISH', 'c', 'm')).toBe('0')
    expect(await client.ask('ACL', 'SAVE')).toMatch(/not configured to use an ACL file/)
  })
})

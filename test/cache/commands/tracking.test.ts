import { beforeEach, describe, expect, it } from 'vitest'
import type { Session } from '../../../ts/cache/index.ts'
import { CacheBed, expectReplies } from '../../support/cache.ts'

let bed: CacheBed
let client: Session

beforeEach(() => {
  bed = new CacheBed()
  client = bed.engine.connect()
  bed.run('HELLO 3', client)
})

/** What the client is told beside its replies. */
function told(session = client): unknown {
  return bed.received(session)
}

describe('a client that tracks', () => {
  it('is told once that a key which it has read was changed, by whomever and however', () => {
    bed.run('CLIENT TRACKING ON', client)
    bed.run('MSET a 1 b 2 c 3')
    bed.run('MGET a b', client)
    bed.run('SET a x')
    expect(told()).toEqual([['invalidate', ['a']]])
    bed.run('SET a y')
    bed.run('SET c y')
    expect(told()).toEqual([])
    bed.run('DEL b')
    expect(told()).toEqual([['invalidate', ['b']]])
    // Its own changes, behind the reply; by a transaction; by the end of its time.
    bed.run('GET a', client)
    bed.engine.execute(client, ['SET', 'a', 'z'], bed.now)
    expect(told()).toEqual(['OK', ['invalidate', ['a']]])
    bed.run('SET a 1 PX 10')
    bed.run('MULTI', client)
    bed.run('GET a', client)
    bed.run('EXEC', client)
    bed.wait(20)
    expect(told()).toEqual([['invalidate', ['a']]])
    bed.run('GET c', client)
    bed.run('FLUSHDB')
    expect(told()).toEqual([['invalidate', null]])
  })

  it('is told of keys that are evicted', () => {
    bed.run('CLIENT TRACKING ON', client)
    bed.run('SET a 1')
    bed.run('GET a', client)
    bed.engine.memory.choose('allkeys-lru', bed.engine.databases)
    bed.engine.memory.maxBytes = 1
    bed.run('PING')
    expect(told()).toEqual([['invalidate', ['a']]])
  })

  it('is told with BCAST of all keys with its prefixes, in one message for each prefix', () => {
    bed.run('CLIENT TRACKING ON BCAST PREFIX user: PREFIX item:', client)
    bed.run('MSET user:1 a other 2 item:1 3')
    expect(told()).toEqual([
      ['invalidate', ['user:1']],
      ['invalidate', ['item:1']],
    ])
    expectReplies(bed, ['SET user:2 x', 'OK'])
    expect(told()).toEqual([['invalidate', ['user:2']]])
    expect(bed.run('CLIENT TRACKING ON BCAST PREFIX user:1', client)).toMatch(
      /overlaps with an existing prefix 'user:'/,
    )
    expect(bed.run('CLIENT TRACKING ON BCAST PREFIX x PREFIX xy', client)).toMatch(/overlaps with another provided/)
  })

  it('is told of all keys of a script of its own that has read one', () => {
    bed.run('CLIENT TRACKING ON', client)
    for (const script of ["redis.call('SET', 'c', 1)", "redis.call('PING')"]) {
      bed.call(['EVAL', script, '2', 'a', 'b'], client)
      if (!script.includes('SET')) bed.call(['EVAL_RO', script, '2', 'a', 'b'], client)
    }
    bed.run('MSET a 1 b 1')
    expect(told()).toEqual([])
    bed.call(['EVAL', "redis.call('GET', 'c')", '2', 'a', 'b'], client)
    bed.run('MSET a 2 b 2')
    expect(told()).toEqual([
      ['invalidate', ['a']],
      ['invalidate', ['b']],
    ])
  })

  it('is told of keys that there is no room for any more', () => {
    bed.engine.tracking.maxKeys = 2
    bed.run('CLIENT TRACKING ON', client)
    const nothing = [null, null, null]
    bed.engine.execute(client, ['MGET', 'a', 'b', 'c'], bed.now)
    expect(told()).toEqual([nothing, ['invalidate', ['a']]])
    bed.engine.tracking.maxKeys = 0
    bed.engine.execute(client, ['MGET', 'd', 'e', 'f'], bed.now)
    expect(told()).toEqual([nothing])
  })

  it('is not told with NOLOOP of its own changes', () => {
    for (const mode of ['', ' BCAST']) {
      bed.run('CLIENT TRACKING OFF', client)
      bed.run(`CLIENT TRACKING ON NOLOOP${mode}`, client)
      bed.run('GET a', client)
      bed.engine.execute(client, ['SET', 'a', 'z'], bed.now)
      expect(told()).toEqual(['OK'])
    }
  })

  it('chooses with OPTIN and OPTOUT what is remembered', () => {
    bed.run('CLIENT TRACKING ON OPTIN', client)
    bed.run('GET a', client)
    bed.run('SET a 1')
    expect(told()).toEqual([])
    bed.run('CLIENT CACHING YES', client)
    bed.run('GET a', client)
    bed.run('GET b', client)
    bed.run('MSET a 2 b 2')
    expect(told()).toEqual([['invalidate', ['a']]])
    expect(bed.run('CLIENT CACHING NO', client)).toMatch(/only valid when tracking is enabled in OPTOUT mode/)
    expect(bed.run('CLIENT TRACKING ON OPTOUT', client)).toMatch(/You can't switch OPTIN\/OPTOUT mode/)
    bed.run('CLIENT TRACKING OFF', client)
    bed.run('CLIENT TRACKING ON OPTOUT', client)
    bed.run('CLIENT CACHING NO', client)
    bed.run('GET a', client)
    bed.run('GET b', client)
    bed.run('MSET a 2 b 2')
    expect(told()).toEqual([['invalidate', ['b']]])
  })

  it('lets another connection be told, in RESP2 on a channel', () => {
    const listener = bed.engine.connect()
    bed.run('SUBSCRIBE __redis__:invalidate', listener)
    bed.run(`CLIENT TRACKING ON REDIRECT ${listener.id}`, client)
    expect(bed.run('CLIENT GETREDIR', client)).toBe(listener.id)
    bed.run('GET a', client)
    bed.run('SET a 1')
    expect(told(listener)).toEqual([['message', '__redis__:invalidate', ['a']]])
    bed.run('GET a', client)
    bed.engine.disconnect(listener)
    bed.run('SET a 2')
    expect(told()).toEqual([['tracking-redir-broken', listener.id]])
    expect(bed.run('CLIENT TRACKINGINFO', client)).toEqual([
      'flags',
      ['on', 'broken_redirect'],
      'redirect',
      listener.id,
      'prefixes',
      [],
    ])
    expect(bed.run('CLIENT TRACKING ON REDIRECT 999', client)).toMatch(
      /The client ID you want redirect to does not exist/,
    )
  })

  it('refuses what makes no sense, in the words of Redis', () => {
    expectReplies(
      bed,
      ['CLIENT GETREDIR', -1],
      ['CLIENT TRACKINGINFO', ['flags', ['off'], 'redirect', -1, 'prefixes', []]],
      ['CLIENT TRACKING MAYBE', 'Error: ERR syntax error'],
      ['CLIENT TRACKING ON PREFIX a', 'Error: ERR PREFIX option requires BCAST mode to be enabled'],
      ['CLIENT TRACKING ON OPTIN OPTOUT', "Error: ERR You can't use both OPTIN mode and OPTOUT mode"],
      ['CLIENT TRACKING ON BCAST OPTIN', 'Error: ERR OPTIN and OPTOUT are not compatible with BCAST'],
      [
        'CLIENT CACHING YES',
        expect.stringContaining('can be called only when the client is in tracking mode') as string,
      ],
      ['CLIENT TRACKING ON', 'OK'],
      ['CLIENT TRACKING ON BCAST', expect.stringContaining("You can't switch BCAST mode on/off") as string],
      ['RESET', 'RESET'],
      ['CLIENT GETREDIR', -1],
      ['CLIENT TRACKING ON BCAST', 'OK'],
      ['CLIENT TRACKINGINFO', ['flags', ['on', 'bcast'], 'redirect', 0, 'prefixes', ['']]],
    )
  })
})

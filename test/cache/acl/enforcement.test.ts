// What a user may not do, it cannot do by any way: commands, transactions, scripts, functions, patterns of SORT, channels.
import { describe, expect, it } from 'vitest'
import { valueDigest } from '../../../ts/cache/commands/dataset-digest.ts'
import { keyReferences } from '../../../ts/cache/commands/key-specs.ts'
import { COMMAND_SPECS } from '../../../ts/cache/commands/specs.ts'
import type { Session } from '../../../ts/cache/index.ts'
import { seededRandom } from '../../../ts/io/random.ts'
import { Pattern, pick } from '../../external/redis/grammar.ts'
import { FURNITURE, SUBJECTS } from '../../external/redis/patterns.ts'
import { slotsFor } from '../../external/redis/slots.ts'
import { CacheBed, expectReplies } from '../../support/cache.ts'

const NO_KEY = 'Error: NOPERM this user has no permissions to access one of the keys used as arguments'
const NO_CHANNEL = 'Error: NOPERM this user has no permissions to access one of the channels used as arguments'
/** Commands that change keys without naming them. */
const KEYLESS = /^(?:flushall|flushdb|swapdb|debug|select|hello|reset|quit|client|subscribe|psubscribe|ssubscribe)$/i

/** A session of a user of these rules. */
function login(bed: CacheBed, ...rules: readonly string[]): Session {
  expect(bed.engine.users.set('u', rules)).toBeUndefined()
  const session = bed.engine.connect()
  session.user = bed.engine.users.get('u') as Session['user']
  return session
}

function noCommand(name: string): string {
  return `Error: NOPERM this user has no permissions to run the '${name}' command`
}

describe('a user without a pattern of keys', () => {
  it('is refused by every command that has keys, and changes none', () => {
    for (const spec of COMMAND_SPECS.values()) {
      const bed = new CacheBed()
      bed.run('SET 1 x')
      const session = login(bed, '+@all', '&*')
      const name = spec.name.split('|')
      for (const count of [1, 2, 3, 4, 5, 6, 7, 8]) {
        const args = [...name, ...Array.from({ length: count }, () => '1')]
        if (spec.arity > 0 ? args.length !== spec.arity : args.length < -spec.arity) continue
        const keys = keyReferences(spec, args) ?? []
        if (keys.length === 0) continue
        expect([args, bed.call(args, session)]).toEqual([args, NO_KEY])
        expect(bed.run('GET 1')).toBe('x')
      }
    }
  })

  it.each(Object.entries(SUBJECTS))('neither reads nor changes a key by any call on %s', (_, subject) => {
    const random = seededRandom(11)
    const slots = slotsFor(subject.keys, random)
    const patterns = subject.patterns.map((text) => new Pattern(text))
    const bed = new CacheBed()
    for (const each of FURNITURE) bed.call(each)
    let refused = 0
    for (let i = 0; i < 120; i++) {
      const args = pick(random, patterns).make(random, slots)
      if (KEYLESS.test(args[0] as string)) continue
      const found = bed.engine.find(args)
      const keys = typeof found === 'string' ? [] : (keyReferences(found, args) ?? [])
      bed.call(args) // by somebody who may, so that there is something
      const before = digestOf(bed, '')
      const session = login(bed, 'reset', '+@all', '&*')
      const reply = bed.call(args, session)
      bed.engine.disconnect(session)
      expect([args, digestOf(bed, '')]).toEqual([args, before])
      const { arity = 0 } = typeof found === 'string' ? {} : found
      const isCall = arity > 0 ? args.length === arity : args.length >= -arity
      if (keys.length === 0 || !isCall) continue
      refused++
      expect([args, reply]).toEqual([args, NO_KEY])
    }
    expect(refused > 0 || !subject.patterns.some((text) => /KEY|key/.test(text))).toBe(true)
  })

  it.each(Object.entries(SUBJECTS))('that has a pattern leaves all others as they are, on %s', (_, subject) => {
    const random = seededRandom(12)
    const slots = slotsFor(subject.keys, random)
    const patterns = subject.patterns.map((text) => new Pattern(text))
    const bed = new CacheBed()
    for (const each of FURNITURE) bed.call(each)
    const own = subject.keys[0] ?? 'k'
    const session = login(bed, '+@all', '&*', `~${own}`)
    for (let i = 0; i < 120; i++) {
      const args = pick(random, patterns).make(random, slots)
      if (KEYLESS.test(args[0] as string)) continue
      if (i % 3 === 0) bed.call(args)
      const before = digestOf(bed, own)
      bed.call(args, session)
      if (session.blocked !== undefined) bed.engine.release(session, () => {})
      bed.received(session)
      expect([args, digestOf(bed, own)]).toEqual([args, before])
    }
  })

  function digestOf(bed: CacheBed, except: string): string[] {
    const entries = bed.engine.databases.flatMap((database) => database.entries())
    return entries.flatMap((entry) => (entry.key === except ? [] : [`${entry.key} ${valueDigest(entry)}`])).sort()
  }
})

describe('rights', () => {
  it('are asked for when a command is queued and when it is run', () => {
    const bed = new CacheBed()
    const session = login(bed, '+multi', '+exec', '+set', '+get', '~a*')
    expect(bed.run('MULTI', session)).toBe('OK')
    expect(bed.run('SET a 1', session)).toBe('QUEUED')
    expect(bed.run('SET b 1', session)).toBe(NO_KEY)
    expect(bed.run('EXEC', session)).toBe('Error: EXECABORT Transaction discarded because of previous errors.')
    for (const line of ['MULTI', 'SET a 1', 'GET a']) bed.run(line, session)
    bed.run('ACL SETUSER u -get resetkeys ~c')
    expect(bed.run('EXEC', session)).toEqual([
      'Error: NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This command is no longer allowed for the following reason: no permission to touch the specified keys',
      'Error: NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This command is no longer allowed for the following reason: no permission to execute the command or subcommand',
    ])
    expect(bed.run('EXISTS a')).toBe(0)
  })

  it('of scripts and functions are those of who calls them', () => {
    const bed = new CacheBed()
    bed.call([
      'FUNCTION',
      'LOAD',
      "#!lua name=l\nredis.register_function('f', function(k, a) return redis.call('GET', a[1]) end)",
    ])
    bed.run('SET b secret')
    const session = login(bed, '+eval', '+fcall', '+get', '+acl|whoami', '~a*')
    const script = (text: string): unknown => bed.call(['EVAL', text, '0'], session)
    expect(script("return redis.call('GET', 'a')")).toBeNull()
    expect(script("return redis.call('GET', 'b')")).toMatch(
      /^Error: ERR The user executing the script can't access at least one of the keys mentioned in the command arguments script: /,
    )
    expect(script("return redis.pcall('SET', 'a', 1)")).toBe(
      "Error: ERR The user executing the script can't run this command or subcommand",
    )
    expect(script("return redis.pcall('PUBLISH', 'a', 1)")).toMatch(/can't run this command/)
    expect(script("return {redis.acl_check_cmd('GET', 'a'), redis.acl_check_cmd('GET', 'b')}")).toEqual([1, null])
    expect(bed.call(['EVAL', 'return 1', '1', 'b'], session)).toBe(NO_KEY)
    expect(bed.run('FCALL f 0 b', session)).toMatch(/^Error: ERR The user executing the script can't access/)
    expect(bed.run('FCALL f 0 a', session)).toBeNull()
    const contexts = (bed.run('ACL LOG 100') as unknown[][]).map((entry) => `${entry[5]} ${entry[3]} ${entry[7]}`)
    expect(contexts).toEqual(['lua key b', 'toplevel key b', 'lua command publish', 'lua command set'])
  })

  it('to sort by other keys are rights to read all of them', () => {
    const bed = new CacheBed()
    bed.run('RPUSH l 1 2')
    bed.run('MSET w1 2 w2 1')
    const session = login(bed, '+@all', '~l', '~w*', '%W~*')
    const denied = (what: string): string =>
      `Error: ERR ${what} option of SORT denied due to insufficient ACL permissions.`
    expect(bed.run('SORT l', session)).toEqual(['1', '2'])
    expect(bed.run('SORT l BY w*', session)).toBe(denied('BY'))
    expect(bed.run('SORT l BY nosort GET w*', session)).toBe(denied('GET'))
    expect(bed.run('SORT l STORE other', session)).toBe(2)
    bed.run('ACL SETUSER u %R~*')
    expect(bed.run('SORT l BY w* GET w*', session)).toEqual(['1', '2'])
  })

  it('on channels hold for each of them, and listeners are cut that lose one', () => {
    const bed = new CacheBed()
    const session = login(bed, '+@pubsub', '&a*', '&p:*')
    expect(bed.run('PUBLISH b x', session)).toBe(NO_CHANNEL)
    expect(bed.run('SUBSCRIBE a1 b', session)).toBe(NO_CHANNEL)
    expect(bed.run('PSUBSCRIBE a1*', session)).toBe(NO_CHANNEL)
    expect(bed.run('SSUBSCRIBE b', session)).toBe(NO_CHANNEL)
    bed.run('SUBSCRIBE a1', session)
    bed.run('PSUBSCRIBE p:*', session)
    expect(session.isSubscribed).toBe(true)
    const closed = (line: string): boolean => {
      bed.run(line)
      return bed.effects.some((effect) => effect.kind === 'close' && effect.session === session)
    }
    expect(closed('ACL SETUSER u &more')).toBe(false)
    expect(closed('ACL SETUSER u allchannels')).toBe(false)
    expect(closed('ACL SETUSER u resetchannels &a1 &p:*')).toBe(false)
    expect(closed('ACL SETUSER u resetchannels &a1 &p*')).toBe(true)
    expect(closed('ACL SETUSER u resetchannels &p:*')).toBe(true)
  })

  it('end with the user', () => {
    const bed = new CacheBed()
    const session = login(bed, '+@all', '~*', '&*')
    expect(bed.run('ACL WHOAMI', session)).toBe('u')
    expect(bed.run('ACL DELUSER u nobody')).toBe(1)
    expect(bed.effects).toEqual([{ kind: 'close', session }])
    expect(bed.run('ACL DELUSER u default')).toBe("Error: ERR The 'default' user cannot be removed")
  })

  it('of the default user hold for those who did not log in', () => {
    const bed = new CacheBed()
    bed.run('SET k v')
    const session = bed.engine.connect()
    bed.engine.users.set('default', ['-get', '-acl|genpass'])
    expect(bed.run('GET k', session)).toBe(noCommand('get'))
    expect(bed.run('ACL GENPASS', session)).toBe(noCommand('acl|genpass'))
    session.isTrusted = true
    expect(bed.run('GET k', session)).toBe('v')
  })
})

describe('ACL', () => {
  it('tells what it is asked', () => {
    const bed = new CacheBed()
    expectReplies(
      bed,
      ['ACL WHOAMI', 'default'],
      ['ACL SETUSER alice on >pw ~a* +get (+set ~b)', 'OK'],
      ['ACL USERS', ['alice', 'default']],
      ['ACL GETUSER nobody', null],
      ['ACL DRYRUN alice GET a1', 'OK'],
      ['ACL DRYRUN alice GET b', "This user has no permissions to access the 'b' key"],
      ['ACL DRYRUN alice DEL b', "This user has no permissions to run the 'del' command"],
      ['ACL DRYRUN nobody GET b', "Error: ERR User 'nobody' not found"],
      ['ACL DRYRUN alice nonsense', "Error: ERR Command 'nonsense' not found"],
      ['ACL DRYRUN alice GET', "Error: ERR wrong number of arguments for 'get' command"],
      ['ACL CAT nothing', "Error: ERR Unknown category 'nothing'"],
      ['ACL SETUSER alice nonsense', "Error: ERR Error in ACL SETUSER modifier 'nonsense': Syntax error"],
      ['ACL LOG -1', []],
      ['ACL LOG RESET', 'OK'],
    )
    expect(bed.run('ACL CAT')).toHaveLength(21)
    expect(bed.run('ACL CAT scripting')).toContain('function|list')
    expect(bed.run('ACL GETUSER alice')).toEqual([
      'flags',
      ['on'],
      'passwords',
      ['30c952fab122c3f9759f02a6d95c3758b246b4fee239957b2d4fee46e26170c4'],
      'commands',
      '-@all +get',
      'keys',
      '~a*',
      'channels',
      '',
      'selectors',
      [['commands', '-@all +set', 'keys', '~b', 'channels', '']],
    ])
    expect(bed.run('ACL GENPASS')).toMatch(/^[0-9a-f]{64}$/)
    expect(bed.run('ACL GENPASS 5')).toMatch(/^[0-9a-f]{2}$/)
    expect(bed.run('ACL HELP')).toContain('WHOAMI')
    expect(bed.run('ACL SAVE')).toMatch(/not configured to use an ACL file/)
  })

  it('LOG counts what is the same within a minute, and keeps so many', () => {
    const bed = new CacheBed()
    const session = login(bed, '+get')
    const counts = (): unknown[] => (bed.run('ACL LOG 100') as unknown[][]).map((entry) => entry[1])
    for (let i = 0; i < 3; i++) bed.run('GET k', session)
    bed.run('SET k v', session)
    expect(counts()).toEqual([1, 3])
    bed.now += 60_001
    bed.run('GET k', session)
    expect(counts()).toEqual([1, 1, 3])
    bed.engine.users.log.maxLength = 2
    for (let i = 0; i < 5; i++) bed.run(`GET k${i}`, session)
    expect(counts()).toEqual([1, 1])
  })
})

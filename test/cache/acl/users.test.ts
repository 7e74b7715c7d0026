import { describe, expect, it } from 'vitest'
import { CATEGORIES, COMMANDS_OF } from '../../../ts/cache/acl/categories.ts'
import { Users } from '../../../ts/cache/acl/users.ts'
import { keyReferences } from '../../../ts/cache/commands/key-specs.ts'
import { COMMAND_SPECS, type CommandSpec } from '../../../ts/cache/commands/specs.ts'
import { COMMANDS } from '../../../ts/cache/commands/table.ts'
import { seededRandom } from '../../../ts/io/random.ts'
import { pick } from '../../external/redis/grammar.ts'

const SHA_OF_PW = '30c952fab122c3f9759f02a6d95c3758b246b4fee239957b2d4fee46e26170c4'

function made(...rules: readonly string[]): Users {
  const users = new Users()
  expect(users.set('u', rules)).toBeUndefined()
  return users
}

function denialOf(users: Users, line: string): string | undefined {
  const args = line.split(' ')
  const name = [`${args[0]}|${args[1]}`, args[0] as string].find((each) => COMMAND_SPECS.has(each)) as string
  const denial = users.get('u')?.denial(COMMAND_SPECS.get(name) as CommandSpec, args)
  return denial && `${denial.reason} ${denial.position}`
}

describe('a user', () => {
  it.each([
    [[], 'off resetchannels -@all'],
    [['on', 'nopass', 'allkeys', 'allchannels', 'allcommands'], 'on nopass ~* &* +@all'],
    [['%R~r', '%W~w', '%RW~b', '~r', '&c', '+get'], 'off ~r %W~w ~b resetchannels &c -@all +get'],
    [
      ['+@read', '-get', '(+set ~x)', '(+get %R~*)'],
      'off resetchannels -@all +@read -get (~x resetchannels -@all +set) (%R~* resetchannels -@all +get)',
    ],
    [
      ['+@all', '-debug', '+debug|object', '-config', '+config|get'],
      'off resetchannels +@all -config +config|get -debug +debug|object',
    ],
    [['+@all', '-client', '+client|id', '-@all'], 'off resetchannels -@all'],
    [['+select|0', '+select|1', '+SELECT|0'], 'off resetchannels -@all +select|0 +select|1'],
    [['>pw', '>pw', `#${SHA_OF_PW}`], `off #${SHA_OF_PW} resetchannels -@all`],
    [['>pw', '<pw', 'on'], 'on resetchannels -@all'],
    [['>pw', 'nopass', '>x', 'resetpass', '~a', 'reset'], 'off resetchannels -@all'],
    [['skip-sanitize-payload', '(+get)', 'clearselectors', ''], 'off skip-sanitize-payload resetchannels -@all'],
    [['(+get', '~a', '+set)'], 'off resetchannels -@all (~a resetchannels -@all +get +set)'],
  ] as const)('of the rules %j is %s', (rules, expected) => {
    expect(
      made(...rules)
        .get('u')
        ?.describe(),
    ).toBe(expected)
  })

  it.each([
    ['a b', [], "Usernames can't contain spaces or null characters"],
    ['u', ['+nothing'], "Error in ACL SETUSER modifier '+nothing': Unknown command or category name in ACL"],
    ['u', ['-@nothing'], "Error in ACL SETUSER modifier '-@nothing': Unknown command or category name in ACL"],
    [
      'u',
      ['+config|get|x'],
      "Error in ACL SETUSER modifier '+config|get|x': Allowing first-arg of a subcommand is not supported",
    ],
    ['u', ['+config|x'], "Error in ACL SETUSER modifier '+config|x': Unknown command or category name in ACL"],
    ['u', ['+debug|'], "Error in ACL SETUSER modifier '+debug|': Syntax error"],
    ['u', ['%X~a'], "Error in ACL SETUSER modifier '%X~a': Syntax error"],
    ['u', ['~a b'], "Error in ACL SETUSER modifier '~a b': Syntax error"],
    [
      'u',
      ['<none'],
      "Error in ACL SETUSER modifier '<none': The password you are trying to remove from the user does not exist",
    ],
    [
      'u',
      ['#abc'],
      "Error in ACL SETUSER modifier '#abc': The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters",
    ],
    ['u', ['(+get'], "Unmatched parenthesis in acl selector starting at '(+get'."],
    ['u', ['(+get nonsense)'], "Error in ACL SETUSER modifier '(+get nonsense)': Syntax error"],
  ] as const)('%s is not made by %j', (name, rules, expected) => {
    const users = made('+get', '~a')
    const before = users.render()
    expect(users.set(name, rules)).toBe(expected)
    expect(users.render()).toBe(before)
  })

  it('may do what one of its selectors allows, and hears what comes closest', () => {
    const users = made('+get', '%R~r*', '%W~w*', '+set', '+publish', '&c*', '+psubscribe', '(+mget ~m:*)')
    expect(denialOf(users, 'get r1')).toBeUndefined()
    expect(denialOf(users, 'get w1')).toBe('key 1')
    expect(denialOf(users, 'set w1 x')).toBeUndefined()
    expect(denialOf(users, 'set w1 x GET')).toBe('key 1')
    expect(denialOf(users, 'mget m:1 m:2')).toBeUndefined()
    expect(denialOf(users, 'mget m:1 r1')).toBe('key 2')
    expect(denialOf(users, 'del r1')).toBe('command 0')
    expect(denialOf(users, 'publish c1 x')).toBeUndefined()
    expect(denialOf(users, 'publish d1 x')).toBe('channel 1')
    expect(denialOf(users, 'psubscribe c*')).toBeUndefined()
    expect(denialOf(users, 'psubscribe c1')).toBe('channel 1')
    expect(denialOf(users, 'auth x')).toBeUndefined()
  })

  it('logs in with a password of its own while it is on', () => {
    const users = made('>pw', '>other')
    expect(users.authenticate('u', 'pw')).toBeUndefined()
    users.set('u', ['on'])
    expect(users.authenticate('u', 'pw')?.name).toBe('u')
    expect(users.authenticate('u', 'other')?.name).toBe('u')
    expect(users.authenticate('u', 'wrong')).toBeUndefined()
    expect(users.authenticate('nobody', 'pw')).toBeUndefined()
    users.set('u', ['nopass'])
    expect(users.authenticate('u', 'anything')?.name).toBe('u')
  })

  it('that may do everything is known by one field', () => {
    expect(new Users().default.isAllPowerful).toBe(true)
    for (const rule of ['-get', 'resetkeys', 'resetchannels', '-@dangerous', 'nocommands']) {
      const users = made('+@all', '~*', '&*')
      expect(users.get('u')?.isAllPowerful).toBe(true)
      users.set('u', [rule])
      expect([rule, users.get('u')?.isAllPowerful]).toEqual([rule, false])
      users.set('u', ['(+@all ~* &*)'])
      expect(users.get('u')?.isAllPowerful).toBe(true)
    }
  })
})

describe('random rules', () => {
  const random = seededRandom(20)
  const names = [...COMMAND_SPECS.keys()]

  it.each(Array.from({ length: 60 }, (_, index) => index))('allow what a plain set of names says (%d)', () => {
    const users = new Users()
    let model = new Set<string>()
    const rules: string[] = []
    for (let i = 0; i < 12; i++) {
      const sign = random.next() < 0.5 ? '+' : '-'
      const kind = random.next()
      const category = pick(random, CATEGORIES)
      const name = pick(random, names)
      const rule = kind < 0.1 ? `${sign}@all` : kind < 0.6 ? `${sign}@${category}` : `${sign}${name}`
      const touched =
        kind < 0.1
          ? names
          : kind < 0.6
            ? (COMMANDS_OF.get(category) ?? []).flatMap((command) => family(command.name))
            : family(name)
      if (sign === '+') for (const each of touched) model.add(each)
      else model = new Set([...model].filter((each) => !touched.includes(each)))
      rules.push(rule)
    }
    expect(users.set('u', [...rules, '~*', '&*'])).toBeUndefined()
    const allowed = (name: string): string[] =>
      names.filter((each) => {
        const command = COMMAND_SPECS.get(each) as CommandSpec
        return command.flags.has('no_auth') || users.get(name)?.denial(command, [each]) === undefined
      })
    const open = names.filter((each) => COMMAND_SPECS.get(each)?.flags.has('no_auth'))
    expect(allowed('u')).toEqual(names.filter((each) => model.has(each) || open.includes(each)))
    // What is told of it makes the same user.
    const description = users.get('u')?.describe() ?? ''
    expect(users.set('copy', description.split(' '))).toBeUndefined()
    expect(users.get('copy')?.describe()).toBe(description)
    expect(allowed('copy')).toEqual(allowed('u'))
    expect(users.load(users.render(), 'file')).not.toBeTypeOf('string')
    expect(users.get('u')?.describe()).toBe(description)
  })

  function family(name: string): string[] {
    return names.filter((each) => each === name || each.startsWith(`${name}|`))
  }
})

describe('a file of users', () => {
  it('replaces all users, or none', () => {
    const users = made('on', '+get', '~a')
    const before = users.render()
    expect(users.load('user x on\nuser x off\n', 'f')).toMatch(/^WARNING: Duplicate user 'x' found/)
    expect(users.load('nonsense\n', 'f')).toMatch(
      /^f:1: should start with user keyword followed by the username\. WARNING/,
    )
    expect(users.load('user x +nothing (+get\n', 'f')).toMatch(/^f:1: Unmatched parenthesis/)
    expect(users.load('user x +nothing >secret #wrong\n', 'f')).toMatch(
      /'\+nothing': Unknown command or category name in ACL/,
    )
    expect(users.load('user x #wrong\n', 'f')).not.toContain('wrong')
    expect(users.render()).toBe(before)
    const replaced = users.load('\r\n  user alice on nopass ~* +@all \r\n\nuser default off\n', 'f')
    expect(replaced).toHaveLength(1)
    expect(users.render()).toBe('user alice on nopass ~* resetchannels +@all\nuser default off resetchannels -@all\n')
    expect(users.needsLogin).toBe(true)
    expect(users.load('', 'f')).toHaveLength(1)
    expect(users.render()).toBe('user default on nopass ~* &* +@all\n')
  })

  it('cannot open a server that others reach', () => {
    const users = new Users()
    users.require('pw')
    users.mustHavePassword = true
    expect(users.set('default', ['nopass'])).toMatch(/needs a password/)
    expect(users.load('', 'f')).toMatch(/needs a password/)
    expect(users.needsLogin).toBe(true)
  })

  it('of any bytes is read or refused, and never half', () => {
    const random = seededRandom(3)
    const words = [
      'user',
      'u',
      'default',
      '\n',
      ' ',
      '+@all',
      '-@read',
      '~*',
      '(',
      ')',
      '+get',
      '>p',
      '#',
      '|',
      '%R~x',
      '\0',
      '"',
      'é',
      'on',
    ]
    for (let round = 0; round < 300; round++) {
      const users = made('+get')
      const before = users.render()
      const text = Array.from({ length: Math.floor(random.next() * 20) }, () => pick(random, words)).join(
        random.next() < 0.5 ? ' ' : '',
      )
      const loaded = users.load(text, 'f')
      if (typeof loaded === 'string') expect(users.render()).toBe(before)
      else expect(users.get('default')).toBe(users.default)
      const problem = users.set('u', text.split(' '))
      const after = users.get('u')?.describe() ?? ''
      if (problem === undefined)
        expect(
          made(...after.split(' '))
            .get('u')
            ?.describe(),
        ).toBe(after)
    }
  })
})

describe('key specifications', () => {
  it('say of every command that has keys where they are, as far as its first keys go', () => {
    for (const spec of COMMAND_SPECS.values()) {
      const { firstKey, flags } = spec
      const isShard = /^s(?:un)?subscribe$|^spublish$/.test(spec.name)
      const args = Array.from({ length: 12 }, (_, index) => (index === 0 ? spec.name : '1'))
      const found = keyReferences(spec, args) ?? []
      const expected = (firstKey > 0 && !isShard) || (flags.has('movablekeys') && !/^x/.test(spec.name))
      expect([spec.name, found.length > 0]).toEqual([spec.name, expected])
    }
    expect(COMMANDS.size).toBeGreaterThan(200)
  })

  it.each([
    ['xreadgroup GROUP streams c STREAMS a b 1 2', ['a', 'b']],
    ['xreadgroup NOACK GROUP g streams streams a 1', ['a']],
    ['xreadgroup NOACK STREAMS', []],
    ['xreadgroup WHAT GROUP g c STREAMS a 1', undefined],
    ['xread COUNT 1 STREAMS a 1', ['a']],
    ['pfmerge a', ['a']],
    ['pfmerge a b c', ['a', 'b', 'c']],
    ['ssubscribe a b', []],
    ['sort a BY STORE GET STORE STORE b', ['a', 'b']],
    ['georadius a 1 1 1 m STORE b', ['a', 'b']],
    ['eval STORE 2 a b c', ['a', 'b']],
    ['eval x 9 a b', undefined],
    ['zunionstore d 2 a b', ['d', 'a', 'b']],
    ['mset a 1 b 2', ['a', 'b']],
    ['blpop a b 0', ['a', 'b']],
    ['bitfield a GET u8 0', ['a']],
  ])('of %s are %j', (line, expected) => {
    const args = line.split(' ')
    const found = keyReferences(COMMAND_SPECS.get(args[0] as string) as CommandSpec, args)
    expect(found?.map(({ position }) => args[position])).toEqual(expected)
  })
})

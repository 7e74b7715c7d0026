import type { Random } from '../../../ts/io/random.ts'
import { chance, pick, type Slots } from './grammar.ts'
import { FURNITURE } from './patterns.ts'

const LONG = 'x'.repeat(70)
const VALUES = [
  'a',
  'b',
  'foo',
  'foobar',
  '',
  '10',
  '-5',
  '3.5',
  '1e3',
  '0x1A',
  ' 1',
  '1 ',
  'inf',
  'nan',
  'hello world',
]
const HARD_VALUES = [
  '9223372036854775807',
  '-9223372036854775808',
  '12345678901234567890',
  LONG,
  '\x00\xff\r\n',
  '1e400',
]
const MEMBERS = ['a', 'b', 'c', 'd', 'aa', 'b1', '1', '2', '12', '-3', '']
const HARD_INTEGERS = [
  '9223372036854775807',
  '-9223372036854775808',
  '9223372036854775808',
  'abc',
  '+1',
  '01',
  ' 1',
  '1.0',
  '',
]
const FLOATS = ['1.5', '-0.25', '3', '0', '1e2', '5e-3', '123456.789', '0.1', '-1000000', '2.5e10']
const HARD_FLOATS = ['inf', '-inf', 'nan', 'abc', '', '0x10', '1e400', '1e-400', '+2', ' 1', '1.']
const SCORES = ['0', '1', '2', '3', '-1', '1.5', '-2.25', '1e3', '0.1', '1e20', '123456789012']
const BOUNDS = ['(1', '-inf', '+inf', '(2', '(-inf', 'a', '(', '']
const LEXES = ['-', '+', '[a', '(a', '[b', '(c', '[aa', '[', '(', 'a']
const IDS = ['0', '0-0', '1-1', '1-2', '2', '2-5', '5-0', '10-1', '18446744073709551615-18446744073709551615']
const HARD_IDS = ['-', 'a', '1-a', '1-1-1', '', '+5', '007', '18446744073709551616', '1-']
const GLOBS = ['*', 'a*', '?', '[a-c]', '[^a]*', '*1', '\\*', 'other:*', 'k[', '**a', '']
const TIMES = ['100', '200', '1000', '100000']
const HARD_TIMES = ['0', '-1', '9223372036854775807', '9223372036854775', 'abc']
/** Seconds since 1970 in the years 2050 and 2100, and in the past. */
const INSTANTS = ['2524608000', '4102444800', '1', '1000000000']

/** One of `usual`, and once in `rarity` times one of `rare`. */
function mostly(random: Random, usual: readonly string[], rare: readonly string[], rarity = 12): string {
  return pick(random, chance(random, rarity) === 0 ? rare : usual)
}

/** What stands for the words in angle brackets of patterns. */
export function slotsFor(keys: readonly string[], random: Random): Slots {
  const others = [...FURNITURE.map((command) => command[1] as string), 'none']
  const whole = (low: number, high: number) => () => {
    return chance(random, 15) === 0 ? pick(random, HARD_INTEGERS) : String(low + chance(random, high - low + 1))
  }
  const ids = (usual: readonly string[]) => () => mostly(random, usual, HARD_IDS)
  const members = (): string => mostly(random, MEMBERS, [LONG, '\x00\xff'], 30)
  return {
    key: () => mostly(random, keys, others),
    // Ranges by member mean something only where all scores are equal.
    lexkey: () => pick(random, ['lex:1', 'lex:2']),
    value: () => mostly(random, VALUES, HARD_VALUES, 8),
    element: members,
    member: members,
    /** Without zero bytes, at which C's comparisons end. */
    plain: () => pick(random, MEMBERS),
    rank: () => String(chance(random, 7) - 3),
    field: members,
    integer: whole(-20, 120),
    count: whole(-1, 6),
    entries: () => String(chance(random, 9) - 1),
    index: whole(-7, 7),
    fieldvalue: () =>
      mostly(random, ['1', '-1', '7', '100', '-100', '300'], ['4611686018427387904', '-4611686018427387904']),
    offset: whole(-1, 30),
    bit: () => (chance(random, 4) === 0 ? `#${chance(random, 9)}` : whole(-1, 70)()),
    database: whole(-1, 3),
    float: () => mostly(random, FLOATS, HARD_FLOATS),
    score: () => mostly(random, SCORES, HARD_FLOATS, 20),
    bound: () => mostly(random, SCORES, BOUNDS, 3),
    lex: () => pick(random, LEXES),
    seconds: () => mostly(random, TIMES, HARD_TIMES),
    ms: () => mostly(random, ['100000', '250000', '1000000'], HARD_TIMES),
    at: () => mostly(random, INSTANTS, HARD_TIMES),
    atms: () =>
      mostly(
        random,
        INSTANTS.map((at) => `${at}123`),
        HARD_TIMES,
      ),
    glob: () => pick(random, GLOBS),
    id: ids(IDS),
    newid: ids([...IDS, '1-*', '5-*', '7-3', '8', '9-9', '11-*', '12-4']),
    idbound: ids([...IDS, '-', '+', '(1-1', '(2']),
    group: () => mostly(random, ['g', 'h'], ['nogroup']),
    consumer: () => pick(random, ['alice', 'bob', 'carol']),
    idle: () => pick(random, ['0', '0', '99999999']),
    type: () => mostly(random, ['u8', 'i8', 'u1', 'i5', 'u16', 'i64', 'u63'], ['u64', 'i65', 'i0', 'x8']),
    longitude: () => mostly(random, ['0', '13.361389', '15.087269', '-179.9', '179.9', '2.35'], ['181', 'x', 'inf']),
    latitude: () => mostly(random, ['0', '38.115556', '37.502669', '-85', '84.9', '48.85'], ['86', 'x']),
    distance: () => mostly(random, ['0', '1', '100', '200.5', '5000', '20000'], ['-1', 'x', '1e9']),
    unit: () => mostly(random, ['m', 'km', 'ft', 'mi'], ['yd'], 20),
  }
}

/** Spoils a command now and then: an argument less, one more, another one. */
export function spoil(random: Random, args: readonly string[]): string[] {
  const [name = '', key = ''] = args
  // Without its count it would give what chance decides, with a cursor of ours what only we know; and of a set whose scores
  // differ a range by member means nothing.
  if (/RAND|POP|SCAN|COMMAND/.test(name) || key.startsWith('lex:')) return [...args]
  const spoilt = [...args]
  const at = 1 + chance(random, spoilt.length)
  // Redis counts the entries of streams in 64 bits, we do in 53; and the least of all numbers overflows in its fields and ranks.
  const numbers = /^X|^BITFIELD|^LPOS/.test(name) ? [] : HARD_INTEGERS
  const word = pick(random, [...VALUES, ...numbers, 'NX', 'COUNT', 'LIMIT', 'STORE', 'WITHSCORES', 'MATCH'])
  switch (chance(random, 3)) {
    case 0:
      spoilt.splice(Math.max(1, at), 1)
      break
    case 1:
      spoilt.splice(at, 0, word)
      break
    default:
      if (at < spoilt.length) spoilt[at] = word
  }
  return spoilt
}

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../ts/io/random.ts'
import {
  DEFAULT_LIMITS,
  formatDouble,
  type Reply,
  ReplyDecoder,
  ReplyWriter,
  RespProtocolError,
} from '../../../ts/wire/resp/index.ts'
import { errorOf } from '../../support/errors.ts'
import { pieces } from '../../support/resp.ts'

describe('a writer of replies', () => {
  it.each<[string, (writer: ReplyWriter) => void, string, string]>([
    ['a null', (w) => w.nil(), '$-1\r\n', '_\r\n'],
    ['a null array', (w) => w.nilArray(), '*-1\r\n', '_\r\n'],
    ['a boolean', (w) => w.boolean(true), ':1\r\n', '#t\r\n'],
    ['an integer', (w) => w.integer(-9223372036854775808n), ':-9223372036854775808\r\n', ':-9223372036854775808\r\n'],
    ['a double', (w) => w.double(0.1), '$19\r\n0.10000000000000001\r\n', ',0.10000000000000001\r\n'],
    ['a big number', (w) => w.bigNumber(2n ** 70n), '$22\r\n1180591620717411303424\r\n', '(1180591620717411303424\r\n'],
    ['a verbatim string', (w) => w.verbatim('txt', 'hi'), '$2\r\nhi\r\n', '=6\r\ntxt:hi\r\n'],
    ['a map', (w) => w.map(1), '*2\r\n', '%1\r\n'],
    ['a set', (w) => w.set(12), '*12\r\n', '~12\r\n'],
    ['a push', (w) => w.push(3), '*3\r\n', '>3\r\n'],
    ['an attribute', (w) => w.attribute(1), '', '|1\r\n'],
    ['an error', (w) => w.error('ERR a\r\nb'), '-ERR a  b\r\n', '-ERR a  b\r\n'],
    ['bytes', (w) => w.bulkBytes(Uint8Array.of(0, 255)), '$2\r\n\0\xff\r\n', '$2\r\n\0\xff\r\n'],
  ])('writes %s in RESP2 and in RESP3', (_, write, resp2, resp3) => {
    const writer = new ReplyWriter()
    write(writer)
    expect(Buffer.from(writer.take()).toString('latin1')).toBe(resp2)
    writer.protocol = 3
    write(writer)
    expect(Buffer.from(writer.take()).toString('latin1')).toBe(resp3)
  })

  it('grows, and keeps what was taken', () => {
    const writer = new ReplyWriter()
    writer.bulk('x'.repeat(100_000))
    const taken = writer.take()
    writer.bulk('y'.repeat(100))
    expect(taken.length).toBe(100_000 + 11)
    expect(taken[50_000]).toBe(0x78)
    expect(Buffer.from(writer.bytes()).toString()).toBe(`$100\r\n${'y'.repeat(100)}\r\n`)
    writer.truncate()
    expect(writer.length).toBe(0)
  })

  it.each([
    [1, '1'],
    [-0, '-0'],
    [3.5, '3.5'],
    [0.1, '0.10000000000000001'],
    [1e16, '10000000000000000'],
    [1e17, '1e+17'],
    [123456789012345680000, '1.2345678901234568e+20'],
    [0.0001, '0.0001'],
    [0.00001, '1.0000000000000001e-05'],
    [5e-324, '4.9406564584124654e-324'],
    [Number.POSITIVE_INFINITY, 'inf'],
    [Number.NEGATIVE_INFINITY, '-inf'],
    [Number.NaN, 'nan'],
  ])('prints %d as C does with %%.17g', (value, text) => {
    expect(formatDouble(value)).toBe(text)
  })
})

describe('a decoder of replies', () => {
  it('reads every type', () => {
    expect(decode('+OK\r\n-ERR no\r\n:12\r\n:9223372036854775807\r\n$2\r\n\r\n\r\n$-1\r\n*-1\r\n_\r\n#t\r\n')).toEqual([
      { kind: 'simple', text: 'OK' },
      { kind: 'error', text: 'ERR no' },
      { kind: 'integer', value: 12 },
      { kind: 'integer', value: 9223372036854775807n },
      { kind: 'bulk', text: '\r\n' },
      { kind: 'null' },
      { kind: 'null' },
      { kind: 'null' },
      { kind: 'boolean', value: true },
    ])
    expect(decode(',1.5\r\n,inf\r\n,-inf\r\n(123\r\n!5\r\nERR x\r\n=6\r\nmkd:hi\r\n')).toEqual([
      { kind: 'double', value: 1.5 },
      { kind: 'double', value: Number.POSITIVE_INFINITY },
      { kind: 'double', value: Number.NEGATIVE_INFINITY },
      { kind: 'big number', value: 123n },
      { kind: 'error', text: 'ERR x' },
      { kind: 'verbatim', format: 'mkd', text: 'hi' },
    ])
    const one: Reply = { kind: 'integer', value: 1 }
    expect(decode('%1\r\n:1\r\n*2\r\n:1\r\n~0\r\n>1\r\n:1\r\n')).toEqual([
      { kind: 'map', items: [one, { kind: 'array', items: [one, { kind: 'set', items: [] }] }] },
      { kind: 'push', items: [one] },
    ])
    expect(decode('|1\r\n:1\r\n:1\r\n*1\r\n|1\r\n:1\r\n:1\r\n:1\r\n')).toEqual([
      { kind: 'attribute', items: [one, one] },
      { kind: 'array', items: [{ kind: 'attribute', items: [one, one] }, one] },
    ])
    expect(decode('$?\r\n;2\r\nab\r\n;1\r\nc\r\n;0\r\n*?\r\n:1\r\n*0\r\n.\r\n')).toEqual([
      { kind: 'bulk', text: 'abc' },
      { kind: 'array', items: [one, { kind: 'array', items: [] }] },
    ])
  })

  it.each([
    '?\r\n',
    ':x\r\n',
    '$-2\r\n',
    '*-2\r\n',
    '%-1\r\n',
    '#x\r\n',
    ',1,5\r\n',
    '(1.5\r\n',
    '_x\r\n',
    '.\r\n',
    '$1\r\nabc\r\n',
    '+OK\rx',
    '%?\r\n:1\r\n.\r\n',
    '$?\r\n:1\r\n',
    '=2\r\nab\r\n',
    '*1\r\n'.repeat(200),
    '$99999999999\r\n',
    `+${'x'.repeat(70_000)}`,
  ])('refuses %j', (text) => {
    expect(errorOf(() => decode(text))).toBeInstanceOf(RespProtocolError)
  })

  it('reads a string of many chunks without deep recursion, and bounds them all together', () => {
    const chunks = `$?\r\n${';1\r\na\r\n'.repeat(50_000)};0\r\n`
    expect(decode(chunks)).toEqual([{ kind: 'bulk', text: 'a'.repeat(50_000) }])
    const decoder = new ReplyDecoder({ ...DEFAULT_LIMITS, messageBytes: 10_000 })
    decoder.push(Buffer.from(chunks))
    expect(errorOf(() => decoder.next())?.message).toBe('Protocol error: too big reply')
  })

  it('reads what a writer wrote, however the bytes are split', () => {
    const { reply } = fc.letrec<{ reply: Reply }>((tie) => ({
      reply: fc.oneof(
        { depthSize: 'small' },
        fc.record({ kind: fc.constant('bulk' as const), text: latin1() }),
        fc.record({ kind: fc.constant('integer' as const), value: fc.maxSafeInteger() }),
        fc.record({ kind: fc.constant('double' as const), value: fc.double({ noNaN: true }) }),
        fc.record({ kind: fc.constant('boolean' as const), value: fc.boolean() }),
        fc.record({ kind: fc.constant('big number' as const), value: fc.bigInt() }),
        fc.constant<Reply>({ kind: 'null' }),
        fc.record({ kind: fc.constant('verbatim' as const), format: fc.constant('txt'), text: latin1() }),
        fc.record({
          kind: fc.constantFrom('array' as const, 'set' as const, 'push' as const),
          items: fc.array(tie('reply'), { maxLength: 4 }),
        }),
        fc.record({
          kind: fc.constant('map' as const),
          items: fc.array(fc.tuple(tie('reply'), tie('reply')), { maxLength: 3 }).map((pairs) => pairs.flat()),
        }),
      ),
    }))
    fc.assert(
      fc.property(fc.array(reply, { maxLength: 5 }), fc.integer(), (expected, seed) => {
        const writer = new ReplyWriter()
        writer.protocol = 3
        for (const one of expected) write(writer, one)
        const decoder = new ReplyDecoder()
        const found: Reply[] = []
        for (const piece of pieces(writer.take(), seededRandom(seed))) {
          decoder.push(piece)
          found.push(...drain(decoder))
        }
        expect(found).toEqual(expected)
      }),
    )
  })

  it('never fails otherwise, whatever the bytes are', () => {
    const random = seededRandom(7)
    const alphabet = Buffer.from('+-:$*_#,(!=~>%|.;?\r\n\r\n\r\n0123456789tfinfx', 'latin1')
    for (let round = 0; round < 5000; round++) {
      const bytes = random.bytes(1 + Math.floor(random.next() * 60)).map((byte) => alphabet[byte % alphabet.length]!)
      const decoder = new ReplyDecoder()
      try {
        for (const piece of pieces(Buffer.from(bytes), random)) {
          decoder.push(piece)
          drain(decoder)
        }
      } catch (error) {
        expect(error).toBeInstanceOf(RespProtocolError)
      }
    }
  })
})

function latin1(): fc.Arbitrary<string> {
  return fc.uint8Array({ maxLength: 30 }).map((bytes) => Buffer.from(bytes).toString('latin1'))
}

function write(writer: ReplyWriter, reply: Reply): void {
  switch (reply.kind) {
    case 'bulk':
      writer.bulk(reply.text)
      return
    case 'integer':
      writer.integer(reply.value)
      return
    case 'double':
      writer.double(reply.value)
      return
    case 'boolean':
      writer.boolean(reply.value)
      return
    case 'big number':
      writer.bigNumber(reply.value)
      return
    case 'null':
      writer.nil()
      return
    case 'verbatim':
      writer.verbatim(reply.format, reply.text)
      return
    case 'array':
    case 'set':
    case 'push':
      writer[reply.kind](reply.items.length)
      break
    case 'map':
      writer.map(reply.items.length / 2)
      break
    default:
      throw new Error(`not written here: ${reply.kind}`)
  }
  for (const item of reply.items) write(writer, item)
}

function decode(text: string): Reply[] {
  const decoder = new ReplyDecoder()
  decoder.push(Buffer.from(text, 'latin1'))
  return drain(decoder)
}

function drain(decoder: ReplyDecoder): Reply[] {
  const replies: Reply[] = []
  for (let reply = decoder.next(); reply !== undefined; reply = decoder.next()) replies.push(reply)
  return replies
}

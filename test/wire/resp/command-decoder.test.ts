import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../ts/io/random.ts'
import { CommandDecoder, RespProtocolError, splitInline, UNAUTHENTICATED_LIMITS } from '../../../ts/wire/resp/index.ts'
import { errorOf } from '../../support/errors.ts'
import { pieces } from '../../support/resp.ts'

describe('a decoder of commands', () => {
  it('reads arrays of bulk strings', () => {
    expect(decode('*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*1\r\n$4\r\nPING\r\n')).toEqual([['GET', 'k'], ['PING']])
    expect(decode('*2\r\n$0\r\n\r\n$4\r\n\r\n\0\xff\r\n')).toEqual([['', '\r\n\0\xff']])
  })

  it('reads inline commands with quotes', () => {
    expect(decode('PING\r\nSET "a b" \'c d\'\n')).toEqual([['PING'], ['SET', 'a b', 'c d']])
  })

  it('passes over empty commands', () => {
    expect(decode('\r\n\n*0\r\n*-1\r\n   \r\nPING\r\n')).toEqual([['PING']])
  })

  it.each([
    ['*3000000000\r\n', 'invalid multibulk length'],
    ['*\r\n', 'invalid multibulk length'],
    ['*01\r\n', 'invalid multibulk length'],
    ['*3\r\n$3\r\nSET\r\n$1\r\nx\r\nfooz\r\n', "expected '$', got 'f'"],
    ['*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$-10\r\n', 'invalid bulk length'],
    ['*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$2000000000\r\n', 'invalid bulk length'],
    ['*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$blabla\r\n', 'invalid bulk length'],
    ['SET "x\r\n', 'unbalanced quotes in request'],
    ['SET "x"y\r\n', 'unbalanced quotes in request'],
    ['x'.repeat(65_537), 'too big inline request'],
    [`*${'1'.repeat(65_537)}`, 'too big mbulk count string'],
    [`*1\r\n$${'1'.repeat(65_537)}`, 'too big bulk count string'],
  ])('refuses %j', (bytes, text) => {
    const decoder = new CommandDecoder()
    decoder.push(Buffer.from(bytes, 'latin1'))
    expect(errorOf(() => drain(decoder))?.message).toBe(`Protocol error: ${text}`)
    decoder.push(Buffer.from('PING\r\n'))
    expect(errorOf(() => decoder.next())?.message).toBe(`Protocol error: ${text}`)
  })

  it('allows less before authentication, and more once the limits were raised', () => {
    const early = () => new CommandDecoder(UNAUTHENTICATED_LIMITS)
    const refusal = (text: string) => {
      const decoder = early()
      decoder.push(Buffer.from(text))
      return errorOf(() => drain(decoder))?.message
    }
    expect(refusal('*11\r\n')).toBe('Protocol error: unauthenticated multibulk length')
    expect(refusal('*1\r\n$16385\r\n')).toBe('Protocol error: unauthenticated bulk length')
    const decoder = early()
    decoder.push(Buffer.from('*1\r\n$4\r\nAUTH\r\n*1\r\n$16385\r\n'))
    expect(decoder.next()).toEqual(['AUTH'])
    decoder.limits = new CommandDecoder().limits
    expect(decoder.next()).toBeUndefined()
  })

  it('finds a command of two arguments where it lies, and gives the same commands whether it is asked for or not', () => {
    const random = seededRandom(3)
    const below = (count: number): number => Math.floor(random.next() * count)
    const words = ['SET', 'set', 'GET', '', 'k', 'key:000000000001', 'v'.repeat(300), '*3\r\n$3\r\nSET\r\n']
    for (let round = 0; round < 200; round++) {
      const commands = Array.from({ length: 1 + below(8) }, () => {
        const count = below(3) > 0 ? 3 : 1 + below(4)
        const args = Array.from({ length: count }, () => words[below(words.length)] as string)
        return below(2) > 0 ? ['SET', ...args.slice(1)] : args
      })
      const bytes = Buffer.from(commands.map(encode).join(''), 'latin1')
      const decoder = new CommandDecoder()
      const found: string[][] = []
      let pairs = 0
      for (const piece of below(2) > 0 ? [bytes] : pieces(bytes, random)) {
        decoder.push(piece)
        for (;;) {
          const pair = decoder.peekPair(Buffer.from('*3\r\n$3\r\nSET\r\n'))
          if (pair !== undefined) {
            const { bytes: own, keyAt, keyBytes, valueAt, valueBytes } = pair
            const [key, value] = [own.subarray(keyAt, keyAt + keyBytes), own.subarray(valueAt, valueAt + valueBytes)]
            found.push(['SET', key.toString('latin1'), value.toString('latin1')])
            decoder.takePair(pair)
            pairs++
            continue
          }
          const args = decoder.next()
          if (args === undefined) break
          found.push(args)
        }
      }
      expect(found).toEqual(commands)
      expect(pairs).toBeLessThanOrEqual(
        commands.filter(([name, ...args]) => name === 'SET' && args.length === 2).length,
      )
    }
    const whole = new CommandDecoder()
    whole.push(Buffer.from(encode(['SET', 'k', 'v'])))
    const pair = whole.peekPair(Buffer.from('*3\r\n$3\r\nSET\r\n'))
    expect(pair).toMatchObject({ keyBytes: 1, valueBytes: 1 })
    // What was received is let go of, however it is taken.
    expect(whole.next()).toEqual(['SET', 'k', 'v'])
    expect(pair?.bytes).toHaveLength(0)
  })

  it('takes no memory for what is only announced', () => {
    const decoder = new CommandDecoder()
    decoder.push(Buffer.from('*2000000000\r\n$500000000\r\nabc'))
    expect(decoder.next()).toBeUndefined()
  })

  it('counts what arguments cost beside their bytes', () => {
    const decoder = new CommandDecoder({ ...new CommandDecoder().limits, messageBytes: 1600 })
    decoder.push(Buffer.from(`*101\r\n${'$0\r\n\r\n'.repeat(101)}`))
    expect(errorOf(() => drain(decoder))?.message).toBe('Protocol error: too big request')
  })

  it('reads what follows a large string byte by byte, without the memory of the large one', () => {
    const decoder = new CommandDecoder()
    const large = encode(['SET', 'k', 'x'.repeat(2 ** 20)])
    const bytes = Buffer.from(`${large}${encode(['GET', 'k'])}PING\r\n`)
    const rest = large.length + 1 // with the first byte of what follows
    for (let at = 0; at < rest; at += 1000) decoder.push(bytes.subarray(at, Math.min(rest, at + 1000)))
    expect(decoder.next()?.[2]?.length).toBe(2 ** 20)
    expect(decoder.next()).toBeUndefined()
    expect(decoder.bufferedBytes).toBe(1)
    const found: string[][] = []
    for (let at = rest; at < bytes.length; at++) {
      decoder.push(bytes.subarray(at, at + 1))
      found.push(...drain(decoder))
    }
    expect(found).toEqual([['GET', 'k'], ['PING']])
  })

  it('gives the same commands however the bytes are split', () => {
    const argument = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes).toString('latin1'))
    const commands = fc.array(fc.array(argument, { minLength: 1, maxLength: 5 }), { maxLength: 8 })
    fc.assert(
      fc.property(commands, fc.integer(), (expected, seed) => {
        const bytes = Buffer.from(expected.map(encode).join('PING "\\x00"\r\n'), 'latin1')
        const whole = decode(bytes.toString('latin1'))
        const decoder = new CommandDecoder()
        const found: string[][] = []
        for (const piece of pieces(bytes, seededRandom(seed))) {
          decoder.push(piece)
          found.push(...drain(decoder))
        }
        expect(found).toEqual(whole)
        expect(found.filter((_, i) => i % 2 === 0)).toEqual(expected)
      }),
    )
  })

  it('reads a large string that comes in many pieces in linear time', () => {
    const size = 8 * 2 ** 20
    const decoder = new CommandDecoder()
    decoder.push(Buffer.from(`*1\r\n$${size}\r\n`))
    const piece = Buffer.alloc(1024, 'x')
    for (let sent = 0; sent < size; sent += piece.length) {
      decoder.push(piece)
      expect(decoder.next()).toBeUndefined()
    }
    decoder.push(Buffer.from('\r\n'))
    expect(decoder.next()?.[0]?.length).toBe(size)
  })

  it('never fails otherwise, whatever the bytes are', () => {
    const random = seededRandom(2024)
    const alphabet = Buffer.from('*$\r\n0123456789-"\'\\x aPING\0\xff', 'latin1')
    for (let round = 0; round < 5000; round++) {
      const bytes = random.bytes(1 + Math.floor(random.next() * 60)).map((byte) => alphabet[byte % alphabet.length]!)
      const decoder = new CommandDecoder()
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

describe('the quoting of inline commands', () => {
  it.each([
    ['', []],
    ['a  b\tc', ['a', 'b', 'c']],
    ['"\\x41\\n\\"\\q"', ['A\n"q']],
    ["'a\\'b\\n'", ["a'b\\n"]],
    ['foo"bar"', ['foobar']],
    ['"" \'\'', ['', '']],
    ['"\\xzz"', ['xzz']],
    ['a\0b', ['a']],
    ['"a', undefined],
    ["'a", undefined],
    ['"a"b', undefined],
  ])('splits %j', (line, args) => {
    expect(splitInline(line)).toEqual(args)
  })
})

function decode(text: string): string[][] {
  const decoder = new CommandDecoder()
  decoder.push(Buffer.from(text, 'latin1'))
  return drain(decoder)
}

function drain(decoder: CommandDecoder): string[][] {
  const commands: string[][] = []
  for (let command = decoder.next(); command !== undefined; command = decoder.next()) commands.push(command)
  return commands
}

function encode(args: readonly string[]): string {
  return `*${args.length}\r\n${args.map((arg) => `$${arg.length}\r\n${arg}\r\n`).join('')}`
}

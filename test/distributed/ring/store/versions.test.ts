// Nothing that a client has not read is replaced, and nothing that was replaced comes back.
import { describe, expect, it } from 'vitest'
import {
  compare,
  covers,
  type Dot,
  decodeContext,
  encodeContext,
  isSame,
  lastWrite,
  MAX_SIBLINGS,
  merge,
  NO_CONTEXT,
  NO_VERSIONS,
  type Versions,
  write,
} from '../../../../ts/distributed/ring/store/index.ts'
import { decodeVersions, encodeVersions } from '../../../../ts/distributed/ring/store/versions-codec.ts'
import { seededRandom } from '../../../../ts/io/random.ts'
import { codeOf } from '../../../support/errors.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const put = (known: Versions, node: string, text: string, context = NO_CONTEXT, writtenMs = 0): Versions =>
  write(known, { node, value: bytes(text), context, writtenMs }).versions
const texts = ({ siblings }: Versions): string[] => siblings.map(({ value }) => new TextDecoder().decode(value)).sort()

describe('version vectors', () => {
  it('are compared by what they have', () => {
    const vector = (...pairs: [string, number][]): Map<string, number> => new Map(pairs)
    expect(compare(vector(), vector())).toBe('equal')
    expect(compare(vector(['a', 1]), vector())).toBe('after')
    expect(compare(vector(['a', 1]), vector(['a', 2], ['b', 1]))).toBe('before')
    expect(compare(vector(['a', 2]), vector(['a', 1], ['b', 1]))).toBe('concurrent')
  })
})

describe('what a replica knows of a key', () => {
  it('has no number that could not be read again, whatever context a client makes up', () => {
    const context = new Map([['a', 2 ** 52]])
    expect(codeOf(() => put(NO_VERSIONS, 'a', 'v', context))).toBe('INVALID_INPUT')
    const { versions } = write(NO_VERSIONS, { node: 'b', value: undefined, context, writtenMs: 0 })
    expect(decodeVersions(encodeVersions(versions))).toEqual(versions)
  })

  it('is one value after another if each writer has read', () => {
    let known = NO_VERSIONS
    for (let i = 0; i < 10; i++) known = put(known, i % 2 === 0 ? 'a' : 'b', `v${i}`, known.context)
    expect(texts(known)).toEqual(['v9'])
  })

  it('is both values if two wrote without reading, on one node or on two', () => {
    const first = put(NO_VERSIONS, 'a', 'one')
    expect(texts(put(first, 'a', 'two'))).toEqual(['one', 'two'])
    expect(texts(merge(first, put(NO_VERSIONS, 'b', 'two')))).toEqual(['one', 'two'])
  })

  it('does not take two writers of one old value for one: dots tell them apart', () => {
    const first = put(NO_VERSIONS, 'a', 'old')
    const second = put(first, 'a', 'new', first.context)
    const third = put(second, 'a', 'also new', first.context)
    expect(texts(third)).toEqual(['also new', 'new'])
    // A copy of the second alone, arriving late, changes nothing, and the old one does not come back.
    expect(texts(merge(third, second))).toEqual(['also new', 'new'])
    expect(texts(merge(merge(third, second), first))).toEqual(['also new', 'new'])
  })

  it('is nothing that counts if a deletion has read everything, and the deletion is known', () => {
    const first = put(NO_VERSIONS, 'a', 'x')
    const gone = write(first, { node: 'b', value: undefined, context: first.context, writtenMs: 1 }).versions
    expect(gone.siblings.map(({ value }) => value)).toEqual([undefined])
    expect(isSame(merge(first, gone), gone)).toBe(true)
  })

  it('has a last write by wall clocks', () => {
    const known = put(put(put(NO_VERSIONS, 'a', 'x', NO_CONTEXT, 5), 'b', 'y', NO_CONTEXT, 9), 'c', 'z', NO_CONTEXT, 7)
    expect(new TextDecoder().decode(lastWrite(known)?.value)).toBe('y')
    expect(lastWrite(NO_VERSIONS)).toBeUndefined()
  })

  it('is bounded', () => {
    let known = NO_VERSIONS
    for (let i = 0; i < MAX_SIBLINGS; i++) known = put(known, 'a', `${i}`)
    expect(codeOf(() => put(known, 'a', 'one more'))).toBe('CONFLICT')
    expect(texts(put(known, 'a', 'all', known.context))).toEqual(['all'])
  })

  it('comes to the same in any order of copies, and loses no write that nobody has replaced', () => {
    for (let seed = 1; seed <= 200; seed++) {
      const random = seededRandom(seed)
      const nodes = ['a', 'b', 'c']
      const replicas = new Map<string, Versions>(nodes.map((node) => [node, NO_VERSIONS]))
      const copies: Versions[] = []
      const written: { dot: Dot; context: ReadonlyMap<string, number> }[] = []
      const pick = <T>(items: readonly T[]): T => items[Math.floor(random.next() * items.length)] as T
      for (let i = 0; i < 12; i++) {
        const node = pick(nodes)
        if (random.next() < 0.5) {
          const context = random.next() < 0.3 ? NO_CONTEXT : (replicas.get(pick(nodes)) as Versions).context
          const known = replicas.get(node) as Versions
          const { versions, dot } = write(known, { node, value: bytes(`${i}`), context, writtenMs: 0 })
          written.push({ dot, context })
          replicas.set(node, versions)
          copies.push(versions)
        } else if (copies.length > 0) replicas.set(node, merge(replicas.get(node) as Versions, pick(copies)))
      }
      const states = [...replicas.values(), ...copies]
      const forward = states.reduce(merge, NO_VERSIONS)
      const backward = [...states, ...states].reverse().reduce((a, b) => merge(b, a), NO_VERSIONS)
      expect(isSame(forward, backward), `seed ${seed}`).toBe(true)
      const alive = written.filter(({ dot }) => !written.some(({ context }) => covers(context, dot)))
      expect(
        forward.siblings.map(({ dot }) => `${dot.node}${dot.count}`),
        `seed ${seed}`,
      ).toEqual(alive.map(({ dot }) => `${dot.node}${dot.count}`).sort())
    }
  })
})

describe('a context', () => {
  it('comes back as it went', () => {
    const context = new Map([
      ['b', 7],
      ['__proto__', 1],
      ['a', 2 ** 40],
    ])
    expect(compare(decodeContext(encodeContext(context)), context)).toBe('equal')
    expect(decodeContext('')).toBe(NO_CONTEXT)
  })

  it.each([
    'x',
    '{}',
    '[["a"]]',
    '[["a",0]]',
    '[["a",1],["a",2]]',
    '[["a",1.5]]',
    '[["a",9007199254740991]]',
    '[["",1]]',
    '[[1,1]]',
    `[["${'n'.repeat(276)}",1]]`,
    JSON.stringify(Array.from({ length: 257 }, (_, i) => [`n${i}`, 1])),
    ' '.repeat(200_000),
  ])('that is none is refused: %.20s', (text) => {
    expect(codeOf(() => decodeContext(text))).toBe('INVALID_INPUT')
  })

  it('is read or refused, whatever became of it on the way', () => {
    const random = seededRandom(5)
    const good = encodeContext(new Map(Array.from({ length: 5 }, (_, i) => [`node${i}`, 1 + i])))
    for (let i = 0; i < 3000; i++) {
      const at = Math.floor(random.next() * good.length)
      const text = good.slice(0, at) + String.fromCharCode(32 + Math.floor(random.next() * 95)) + good.slice(at + 1)
      expect([undefined, 'INVALID_INPUT']).toContain(codeOf(() => decodeContext(text)))
    }
  })
})

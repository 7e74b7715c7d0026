import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BedplateError } from '../../../ts/base/errors.ts'
import { type RecordVisitor, RecordWriter, visitRecord } from '../../../ts/storage/ordered/record.ts'

type Call = [string, number, ...unknown[]]

/** Notes what it is told, of every kind; byte arrays as hex, since they are views of the record. */
function recorder(): { calls: Call[]; visitor: Required<RecordVisitor> } {
  const calls: Call[] = []
  const hex = (bytes: Uint8Array | undefined): string | undefined => bytes && Buffer.from(bytes).toString('hex')
  return {
    calls,
    visitor: {
      put: (id, key, value) => void calls.push(['put', id, hex(key), hex(value)]),
      delete: (id, key) => void calls.push(['delete', id, hex(key)]),
      clear: (id, { lower, lowerInclusive, upper, upperInclusive }) =>
        void calls.push([
          'clear',
          id,
          hex(lower),
          lower ? lowerInclusive : false,
          hex(upper),
          upper ? upperInclusive : false,
        ]),
      createTree: (id, name) => void calls.push(['createTree', id, hex(name)]),
      dropTree: (id) => void calls.push(['dropTree', id]),
      bulkLoad: (id) => void calls.push(['bulkLoad', id]),
      increment: (id, key, by) => void calls.push(['increment', id, hex(key), hex(by)]),
      append: (id, key, suffix) => void calls.push(['append', id, hex(key), hex(suffix)]),
    },
  }
}

const bytes = fc.uint8Array({ maxLength: 300 })
const treeId = fc.integer({ min: 0, max: 2 ** 32 - 1 })
const operation = fc.oneof(
  fc.record({ kind: fc.constant('put' as const), treeId, key: bytes, value: bytes }),
  fc.record({ kind: fc.constant('delete' as const), treeId, key: bytes }),
  fc.record({
    kind: fc.constant('clear' as const),
    treeId,
    lower: fc.option(bytes, { nil: undefined }),
    lowerInclusive: fc.boolean(),
    upper: fc.option(bytes, { nil: undefined }),
    upperInclusive: fc.boolean(),
  }),
  fc.record({ kind: fc.constant('createTree' as const), treeId, name: bytes }),
  fc.record({ kind: fc.constant('dropTree' as const), treeId }),
  fc.record({ kind: fc.constant('bulkLoad' as const), treeId }),
  fc.record({
    kind: fc.constant('increment' as const),
    treeId,
    key: bytes,
    value: fc.uint8Array({ minLength: 8, maxLength: 8 }),
  }),
  fc.record({ kind: fc.constant('append' as const), treeId, key: bytes, value: bytes }),
)

function perform(
  visitor: Required<RecordVisitor> | RecordWriter,
  step: typeof operation extends fc.Arbitrary<infer T> ? T : never,
): void {
  if (step.kind === 'put' || step.kind === 'increment' || step.kind === 'append')
    visitor[step.kind](step.treeId, step.key, step.value)
  else if (step.kind === 'delete') visitor.delete(step.treeId, step.key)
  else if (step.kind === 'clear') visitor.clear(step.treeId, step)
  else if (step.kind === 'createTree') visitor.createTree(step.treeId, step.name)
  else if (step.kind === 'dropTree') visitor.dropTree(step.treeId)
  else visitor.bulkLoad(step.treeId)
}

describe('log record', () => {
  it('says back what was written', () => {
    const writer = new RecordWriter()
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 20 }), (steps) => {
        const expected = recorder()
        const found = recorder()
        writer.begin()
        for (const step of steps) {
          perform(writer, step)
          perform(expected.visitor, step)
        }
        visitRecord(writer.bytes, found.visitor)
        expect(found.calls).toEqual(expected.calls)
      }),
    )
  })

  it('has these bytes', () => {
    const writer = new RecordWriter()
    writer.begin()
    writer.createTree(300, Buffer.from('t'))
    writer.put(300, Buffer.from('k'), Buffer.from('vw'))
    writer.delete(1, Buffer.from('k'))
    writer.clear(1, { lower: Buffer.from('a'), lowerInclusive: true, upperInclusive: false })
    writer.dropTree(2)
    writer.bulkLoad(3)
    writer.increment(1, Buffer.from('k'), Uint8Array.of(254, 255, 255, 255, 255, 255, 255, 255))
    writer.append(1, Buffer.from('k'), Buffer.from('vw'))
    expect(Buffer.from(writer.bytes).toString('hex')).toBe(
      [
        '04ac020174',
        '01ac02016b027677',
        '0201016b',
        '0301030161',
        '0502',
        '0603',
        '0701016bfeffffffffffffff',
        '0801016b027677',
      ].join(''),
    )
  })

  it('of a kind that its reader does not know is CORRUPTION', () => {
    const writer = new RecordWriter()
    const { increment: _, append: __, ...visitor } = recorder().visitor
    for (const step of ['increment', 'append'] as const) {
      writer.begin()
      writer[step](1, Buffer.from('k'), new Uint8Array(8))
      expect(() => visitRecord(writer.bytes, visitor)).toThrow(/unknown operation [78]/)
    }
  })

  it('gives CORRUPTION for bytes that are none, and never reads past them', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (record) => {
        try {
          visitRecord(record, recorder().visitor)
        } catch (error) {
          expect(error).toBeInstanceOf(BedplateError)
          expect((error as BedplateError).code).toBe('CORRUPTION')
        }
      }),
      { numRuns: 3000 },
    )
  })
})

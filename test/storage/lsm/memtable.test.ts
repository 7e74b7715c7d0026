import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { EntryKind } from '../../../ts/storage/lsm/entry.ts'
import { Memtable } from '../../../ts/storage/lsm/memtable.ts'
import { drain, isInside, keys, show, spans, versions } from './support.ts'

describe('a memtable', () => {
  it('walks over the versions of a span in order, both ways', () => {
    fc.assert(
      fc.property(versions, spans, fc.nat(), (sorted, span, shift) => {
        const memtable = filled(sorted, shift)
        const expected = sorted.filter(({ key }) => isInside(key, span)).map(show)
        expect(drain(memtable.cursor(span, false))).toEqual(expected)
        expect(drain(memtable.cursor(span, true))).toEqual(expected.reverse())
        expect(memtable.entryCount).toBe(sorted.length)
      }),
    )
  })

  it('finds the newest version that is not newer than a sequence', () => {
    fc.assert(
      fc.property(versions, keys, fc.integer({ min: 0, max: 31 }), fc.nat(), (sorted, key, sequence, shift) => {
        const found = filled(sorted, shift).find(key, sequence)
        const expected = sorted.find((entry) => Buffer.compare(entry.key, key) === 0 && entry.sequence <= sequence)
        expect(found && show(found)).toEqual(expected && show(expected))
      }),
    )
  })

  it('gives the versions of a key, the newest first', () => {
    fc.assert(
      fc.property(versions, keys, fc.integer({ min: 0, max: 31 }), fc.nat(), (sorted, key, sequence, shift) => {
        const expected = sorted.filter((entry) => Buffer.compare(entry.key, key) === 0 && entry.sequence <= sequence)
        expect(Array.from(filled(sorted, shift).versions(key, sequence), show)).toEqual(expected.map(show))
      }),
    )
  })

  it('replaces what the same commit wrote of a key', () => {
    const memtable = new Memtable()
    const key = Buffer.from('k')
    memtable.add({ key, sequence: 1, kind: EntryKind.put, value: Buffer.from('first') })
    memtable.add({ key, sequence: 1, kind: EntryKind.delete, value: new Uint8Array(0) })
    memtable.add({ key, sequence: 1, kind: EntryKind.put, value: Buffer.from('last') })
    expect([memtable.entryCount, Buffer.from(memtable.find(key, 9)?.value ?? []).toString()]).toEqual([1, 'last'])
  })

  it('shows a cursor that was there before nothing wrong while it grows', () => {
    const memtable = new Memtable()
    const add = (text: string, sequence: number): void => {
      memtable.add({ key: Buffer.from(text), sequence, kind: EntryKind.put, value: Buffer.from(`${text} ${sequence}`) })
    }
    for (let i = 0; i < 50; i++) add(`key ${i * 2}`, i + 1)
    const cursor = memtable.cursor({ start: new Uint8Array(0), end: Buffer.from('l') }, true)
    const seen: string[] = []
    for (let i = 0; cursor.step() === true; i++) {
      if (cursor.entry.sequence <= 50) seen.push(Buffer.from(cursor.entry.value).toString())
      add(`key ${i}`, 51 + i)
    }
    expect(seen).toHaveLength(50)
    expect(new Set(seen).size).toBe(50)
  })

  it('copies what it is given', () => {
    const memtable = new Memtable()
    const key = Buffer.from('key')
    const value = Buffer.from('value')
    memtable.add({ key, sequence: 1, kind: EntryKind.put, value })
    key.fill(0)
    value.fill(0)
    expect(Buffer.from(memtable.find(Buffer.from('key'), 1)?.value ?? []).toString()).toBe('value')
  })
})

/** A memtable of `sorted` in another order. */
function filled(sorted: readonly Parameters<Memtable['add']>[0][], shift: number): Memtable {
  const memtable = new Memtable()
  const shuffled = new Set(sorted.map((_, i) => sorted[(i * 7919 + shift) % sorted.length]))
  for (const entry of [...shuffled, ...sorted.filter((each) => !shuffled.has(each))])
    if (entry !== undefined) memtable.add(entry)
  return memtable
}

// Libraries that take any Level database, unchanged, on ours.
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { Quadstore } from 'quadstore'
import { DataFactory } from 'rdf-data-factory'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Doc } from 'yjs'
import { LEVELS } from '../../support/level/databases.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

/** Both in their CommonJS form, so that y-leveldb's yjs is ours: of ES modules each would have its own. */
const require = createRequire(import.meta.url)
const Y = require('yjs') as typeof import('yjs')
const { LeveldbPersistence: Persistence } = require('y-leveldb') as {
  LeveldbPersistence: new (location: string, options: { Level: unknown }) => LeveldbPersistence
}

/** What is used of y-leveldb, whose types cannot be found through its exports. */
interface LeveldbPersistence {
  getYDoc(name: string): Promise<Doc>
  storeUpdate(name: string, update: Uint8Array): Promise<number>
  getDiff(name: string, stateVector: Uint8Array): Promise<Uint8Array>
  flushDocument(name: string): Promise<void>
  clearDocument(name: string): Promise<void>
  getAllDocNames(): Promise<string[]>
  setMeta(name: string, key: string, value: unknown): Promise<void>
  getMeta(name: string, key: string): Promise<unknown>
  destroy(): Promise<void>
}

let directory: ReturnType<typeof temporaryDirectory>
beforeEach(() => {
  directory = temporaryDirectory()
})
afterEach(() => directory.remove())

describe.each(LEVELS)('y-leveldb on $name', ({ Level }) => {
  const open = (): LeveldbPersistence => new Persistence(join(directory.path, 'documents'), { Level })

  /** Types `words` into the document, and stores each change as it is made. */
  async function type(persistence: LeveldbPersistence, name: string, words: readonly string[]): Promise<Doc> {
    const document = await persistence.getYDoc(name)
    const stored: Promise<number>[] = []
    document.on('update', (update: Uint8Array) => void stored.push(persistence.storeUpdate(name, update)))
    for (const word of words) document.getText().insert(document.getText().length, word)
    await Promise.all(stored)
    return document
  }

  it('keeps documents, also when it is opened again', async () => {
    const first = open()
    await type(first, 'poem', ['Tyger ', 'Tyger, '])
    await type(first, 'poem', ['burning ', 'bright'])
    await type(first, 'other', ['nothing'])
    await first.setMeta('poem', 'author', { name: 'William Blake', born: 1757 })
    await first.destroy()

    const second = open()
    expect((await second.getYDoc('poem')).getText().toString()).toBe('Tyger Tyger, burning bright')
    expect((await second.getAllDocNames()).sort()).toEqual(['other', 'poem'])
    expect(await second.getMeta('poem', 'author')).toEqual({ name: 'William Blake', born: 1757 })
    await second.destroy()
  })

  it('merges the changes of two that edited at once', async () => {
    const persistence = open()
    const [one, two] = [new Y.Doc(), new Y.Doc()]
    one.getArray('list').insert(0, ['from one'])
    two.getArray('list').insert(0, ['from two'])
    for (const document of [one, two]) await persistence.storeUpdate('shared', Y.encodeStateAsUpdate(document))
    const merged = await persistence.getYDoc('shared')
    expect(new Set(merged.getArray('list').toArray())).toEqual(new Set(['from one', 'from two']))
    const missing = await persistence.getDiff('shared', Y.encodeStateVector(one))
    Y.applyUpdate(one, missing)
    expect(one.getArray('list').toArray()).toEqual(merged.getArray('list').toArray())
    await persistence.destroy()
  })

  it('folds many updates into one, and removes a document with all that belongs to it', async () => {
    const persistence = open()
    const words = Array.from({ length: 520 }, (_, i) => `${i} `)
    await type(persistence, 'long', words)
    await type(persistence, 'kept', ['x'])
    expect((await persistence.getYDoc('long')).getText().toString()).toBe(words.join(''))
    await persistence.flushDocument('long')
    expect((await persistence.getYDoc('long')).getText().toString()).toBe(words.join(''))
    await persistence.clearDocument('long')
    expect((await persistence.getYDoc('long')).getText().toString()).toBe('')
    expect(await persistence.getAllDocNames()).toEqual(['kept'])
    await persistence.destroy()
  })
})

describe.each(LEVELS)('quadstore on $name', ({ Level }) => {
  const data = new DataFactory()
  const example = (name: string) => data.namedNode(`http://example.com/${name}`)
  const knows = example('knows')
  const age = example('age')
  const integer = data.namedNode('http://www.w3.org/2001/XMLSchema#integer')

  async function open(): Promise<Quadstore> {
    const store = new Quadstore({ backend: new Level(join(directory.path, 'quads')) as never, dataFactory: data })
    await store.open()
    return store
  }

  const people = Array.from({ length: 300 }, (_, i) => example(`person-${i}`))
  const quads = people.flatMap((person, i) => [
    data.quad(person, knows, people[(i + 1) % people.length]!),
    data.quad(person, age, data.literal(String(100 + i), integer)),
  ])

  it('finds quads by any part of them, also when it is opened again', async () => {
    const first = await open()
    await first.multiPut(quads)
    await first.close()

    const store = await open()
    expect((await store.get({})).items).toHaveLength(600)
    expect((await store.get({ subject: people[7]! })).items.map(({ object }) => object.value).sort()).toEqual([
      '107',
      'http://example.com/person-8',
    ])
    expect((await store.get({ predicate: knows, object: people[0]! })).items[0]?.subject.value).toBe(people[299]!.value)
    await store.close()
  })

  it('finds numbers in a range, in their order', async () => {
    const store = await open()
    await store.multiPut(quads)
    const range = {
      termType: 'Range' as const,
      gte: data.literal('200', integer),
      lt: data.literal('210', integer),
    }
    const { items } = await store.get({ predicate: age, object: range })
    expect(items.map(({ object }) => object.value).sort()).toEqual(
      Array.from({ length: 10 }, (_, i) => String(200 + i)),
    )
    await store.close()
  })

  it('changes quads all at once, and removes them in streams', async () => {
    const store = await open()
    await store.multiPut(quads)
    const [old, fresh] = [quads[0]!, data.quad(people[0]!, knows, people[5]!)]
    await store.multiPatch([old], [fresh])
    expect(
      (await store.get({ subject: people[0]!, predicate: knows })).items.map(({ object }) => object.value),
    ).toEqual([people[5]!.value])
    const { iterator } = await store.getStream({ predicate: age })
    await store.delStream(iterator as never)
    expect((await store.get({})).items).toHaveLength(300)
    await store.close()
  })
})

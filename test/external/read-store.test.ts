import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { seededRandom } from '../../ts/io/random.ts'
import { openBTree } from '../../ts/storage/btree/index.ts'
import { requirePrograms } from './prerequisites.ts'

const SCRIPT = fileURLToPath(new URL('./read_store.py', import.meta.url))
const PAGE_SIZE_BYTES = 4096

type Entry = { tree: string; key: string; value: string }

let folder: string

beforeAll(() => requirePrograms('python3'))

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bedplate-external-'))
})

afterEach(() => rmSync(folder, { recursive: true }))

function readWithPython(store: string): { status: number | null; stdout: string; stderr: string } {
  return spawnSync('python3', [SCRIPT, store], { encoding: 'utf8', maxBuffer: 1 << 28 })
}

/** A store with two trees, deleted keys, deep branches and values of many pages; closed, so the log is folded in. */
async function makeStore(path: string): Promise<Entry[]> {
  const random = seededRandom(11)
  const expected: Entry[] = []
  const options = { keyEncoding: 'buffer', valueEncoding: 'buffer' } as const
  const store = await openBTree<Uint8Array, Uint8Array>(path, {
    ...options,
    create: 'new',
    pageSizeBytes: PAGE_SIZE_BYTES,
    durability: 'os',
  })
  for (const name of ['', 'wörter']) {
    const tree = name === '' ? store : store.tree<Uint8Array, Uint8Array>(name, options)
    for (let step = 0; step < 6000; step++) {
      const key = Buffer.from(`user:${Math.floor(random.next() * 4000)}`)
      if (random.next() < 0.25) tree.delete(key)
      else tree.put(key, Buffer.alloc(Math.floor(random.next() ** 8 * 30_000), step & 0xff))
    }
    for (const [key, value] of tree.range()) {
      expected.push({ tree: name, key: Buffer.from(key).toString('hex'), value: Buffer.from(value).toString('hex') })
    }
  }
  await store.checkpoint()
  await store.close()
  return expected
}

describe('a Python program that knows only docs/formats/btree.md', () => {
  it('reads every tree, key and value of a store', async () => {
    const path = join(folder, 'store')
    const expected = await makeStore(path)
    const { status, stdout, stderr } = readWithPython(path)
    expect(status, stderr).toBe(0)
    const found = stdout.split('\n').filter((line) => line !== '')
    expect(found.map((line) => JSON.parse(line) as Entry)).toEqual(expected)
  })

  it('notices a changed byte in the catalogue and in the root of a tree', async () => {
    const path = join(folder, 'store')
    await makeStore(path)
    const file = join(path, 'data')
    const whole = readFileSync(file)
    const newest = whole.readBigUInt64LE(16) > whole.readBigUInt64LE(PAGE_SIZE_BYTES + 16) ? 0 : PAGE_SIZE_BYTES
    const catalogue = whole.readUIntLE(newest + 40, 6) * PAGE_SIZE_BYTES
    const root = catalogueRoots(whole.subarray(catalogue, catalogue + PAGE_SIZE_BYTES))[0]! * PAGE_SIZE_BYTES
    for (const offset of [catalogue + 100, root + 100]) {
      const damaged = Buffer.from(whole)
      damaged[offset]! ^= 1
      writeFileSync(file, damaged)
      const { status, stderr } = readWithPython(path)
      expect(stderr).toContain('checksum does not match')
      expect(status).toBe(1)
    }
  })
})

/** The page numbers of the trees' roots in a catalogue of one leaf: 16-byte values at the end of each cell. */
function catalogueRoots(leaf: Buffer): number[] {
  const count = leaf.readUInt16LE(6)
  const capacity = leaf.readUInt16LE(22)
  return Array.from({ length: count }, (_, index) => {
    const cell = leaf.readUInt16LE(64 + 4 * capacity + 2 * index)
    return leaf.readUIntLE(cell + 8 + leaf.readUInt16LE(cell) + 4, 6)
  })
}

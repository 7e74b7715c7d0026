// Both twins write the same bytes: native/test/lsm_table_test.cc makes this table too, and expects the same digest. Blocks that
// one has packed the other unpacks.
import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { SimulatedDisk } from '../../../ts/io/simulated-disk.ts'
import { compareEntries, type Entry, EntryKind } from '../../../ts/storage/lsm/entry.ts'
import { internalKey } from '../../../ts/storage/lsm/internal-key.ts'
import { TableWriter } from '../../../ts/storage/lsm/table-writer.ts'
import { packLz4, unpackLz4 } from '../../../ts/storage/lz4.ts'

const TABLE_DIGEST = 'bc2fb2e1af1df83490914ae87c08956fe6879bcbb3b0c7ba6a5306a55ff7f6bb'
/** What the text packs to: by the native core, and by the twin. */
const TEXT = `${'bedplate '.repeat(20)}and then something else`
const PACKED_NATIVELY = '9f626564706c61746520090098f008616e64207468656e20736f6d657468696e6720656c7365'
const PACKED_BY_TWIN = '9f626564706c61746520090098f008616e64207468656e20736f6d657468696e6720656c7365'

const key = (treeId: number, text: string): Uint8Array => internalKey(treeId, Buffer.from(text))

function goldenEntries(): Entry[] {
  const entries = Array.from({ length: 400 }, (_, i): Entry => {
    const kind = i % 5 === 0 ? EntryKind.delete : EntryKind.put
    const length = kind === EntryKind.put ? (i * i) % 90 : 0
    return {
      key: key(1 + (i % 2), `key ${Math.floor(i / 3)}`),
      sequence: 5 + ((i * 7919) % 1000),
      kind,
      value: Buffer.alloc(length, 97 + (i % 26)),
    }
  })
  return entries.sort(compareEntries)
}

describe('a table', () => {
  it('has the bytes that the native core writes', () => {
    const disk = new SimulatedDisk()
    const file = disk.open('/golden.sst', 'create')
    const writer = new TableWriter(
      file,
      { number: 1, id: new Uint8Array(16).fill(1), createdAtMs: 1_700_000_000_001 },
      { blockBytes: 512, bitsPerKey: 10, compression: 'none' },
    )
    for (const entry of goldenEntries()) writer.add(entry)
    writer.finish([
      { start: key(1, 'key 2'), end: key(1, 'key 3'), sequence: 17 },
      { start: key(2, ''), end: key(2, 'key 13'), sequence: 900 },
    ])
    const bytes = new Uint8Array(file.size())
    file.read(bytes, 0)
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(TABLE_DIGEST)
  })

  it('may have blocks that the other twin packed', () => {
    const raw = Buffer.from(TEXT)
    expect(Buffer.from(unpackLz4(Buffer.from(PACKED_NATIVELY, 'hex'), raw.length) ?? []).toString()).toBe(TEXT)
    expect(Buffer.from(packLz4(raw, raw.length) ?? []).toString('hex')).toBe(PACKED_BY_TWIN)
  })
})

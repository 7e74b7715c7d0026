import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../ts/io/random.ts'
import { crc32c } from '../../../ts/storage/crc32c/index.ts'
import { BLOCK_HEADER_BYTES, BlockType, openBlock, sealBlock, tableSeed } from '../../../ts/storage/lsm/block.ts'
import { codeOf } from '../../support/errors.ts'
import { withAllocationLimit } from '../../support/fuzz/allocation.ts'

const SEED = tableSeed(new Uint8Array(16))
const PLACE = { seed: SEED, offset: 640 }
const TEXT = Buffer.from('key and value '.repeat(100))

describe('a block', () => {
  it('is packed where that saves an eighth, and comes back as it was', () => {
    for (const [payload, codec] of [
      [TEXT, 1],
      [seededRandom(1).bytes(1000), 0],
      [Buffer.from('short'), 0],
      [new Uint8Array(0), 0],
    ] as const) {
      const block = sealBlock(BlockType.data, payload, PLACE, 'lz4')
      expect([block[5], block.length < payload.length]).toEqual([codec, codec === 1])
      expect(Buffer.from(open(block)).equals(payload)).toBe(true)
      expect(sealBlock(BlockType.data, payload, PLACE).length).toBe(payload.length + BLOCK_HEADER_BYTES)
    }
  })

  it('of another type than data is never packed', () => {
    const block = sealBlock(BlockType.index, TEXT, PLACE, 'lz4')
    expect(codeOf(() => open(block, BlockType.index))).toBe('CORRUPTION')
  })

  it('that says what cannot be is CORRUPTION, before memory is taken for it', async () => {
    const packed = sealBlock(BlockType.data, TEXT, PLACE, 'lz4')
    await withAllocationLimit(255 * packed.length, async () => {
      for (const rawLength of [0, 1, TEXT.length - 1, TEXT.length + 1, 255 * packed.length, 2 ** 31, 2 ** 32 - 1]) {
        const block = packed.slice()
        new DataView(block.buffer).setUint32(12, rawLength, true)
        expect([rawLength, codeOf(() => open(sealed(block)))]).toEqual([rawLength, 'CORRUPTION'])
      }
    })
  })

  it('of a codec that is not known is INCOMPATIBLE', () => {
    const block = sealBlock(BlockType.data, TEXT, PLACE, 'lz4')
    block[5] = 2
    expect(codeOf(() => open(sealed(block)))).toBe('INCOMPATIBLE')
  })
})

function open(block: Uint8Array, type: BlockType = BlockType.data): Uint8Array {
  return openBlock(type, block, { seed: SEED, path: '/t' }, PLACE.offset)
}

/** With the checksum of what it holds now. */
function sealed(block: Uint8Array): Uint8Array {
  const place = Uint8Array.of(128, 2, 0, 0, 0, 0, 0, 0)
  new DataView(block.buffer).setUint32(0, crc32c(block.subarray(4), crc32c(place, SEED)), true)
  return block
}

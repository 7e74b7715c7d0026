// Not a store but the floor under one durable put: the bytes that our log writes for it, into a file that was written
// before, and one fdatasync. No store that keeps its promise can be faster than this disk.
import { closeSync, fdatasyncSync, fsyncSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { FRAME_HEADER_BYTES, PAGE_BYTES, RECORD_OVERHEAD_BYTES } from '../../../ts/storage/log/frame.ts'
import type { BenchStore, BTreeContestant } from '../types.ts'

const FILE_BYTES = 4 * 1024 * 1024
/** Kind, tree and two lengths of one byte each. */
const RECORD_HEAD_BYTES = 4

export const rawFile: BTreeContestant = {
  id: 'raw',
  label: 'raw fdatasync',
  ours: false,
  modes: { durable: 'the log frame of one put written into a recycled file, one fdatasync' },
  tasks: ['durable-1'],
  isLog: () => true,
  open: async (directory) => new RawFile(directory),
  compact: async () => {},
}

class RawFile implements BenchStore {
  private readonly file: number
  private readonly frame = Buffer.alloc(PAGE_BYTES)
  private offset = 0

  constructor(directory: string) {
    mkdirSync(directory, { recursive: true })
    this.file = openSync(join(directory, 'log'), 'w')
    writeSync(this.file, Buffer.alloc(FILE_BYTES, 1))
    fsyncSync(this.file)
  }

  /** It has no content to be made first. */
  batch(): void {}

  put(key: Buffer, value: Buffer): void {
    const bytes = FRAME_HEADER_BYTES + RECORD_OVERHEAD_BYTES + RECORD_HEAD_BYTES + key.length + value.length
    value.copy(this.frame, bytes - value.length)
    writeSync(this.file, this.frame, 0, bytes, this.offset)
    fdatasyncSync(this.file)
    this.offset = (this.offset + PAGE_BYTES) % FILE_BYTES
  }

  get(): undefined {
    return undefined
  }

  getMany(): number {
    return 0
  }

  range(): number {
    return 0
  }

  close(): void {
    closeSync(this.file)
  }
}

// The snapshots of a group on disk. A file has its name only when it is whole and synced.
//
//   <index>.snapshot             "BPRS" | u32 version = 1 | u32 CRC32C of the state | u32 0 | the state
//   <index>-<term>.incoming      the same while it comes in; left behind by a crash it is removed at the next start
//   <index>-<term>.making        the same while this node writes its own
import { BedplateError } from '../../base/errors.ts'
import { type Disk, type DiskFile, joinPath } from '../../io/disk.ts'
import { crc32c } from '../../storage/crc32c/index.ts'
import type { LogIndex, SnapshotMeta } from './types.ts'

const HEADER_BYTES = 16
const MAGIC = 0x53525042
const VERSION = 1
/** Read at once when a whole snapshot is checked. */
const PIECE_BYTES = 1024 * 1024
const WHOLE = /^(\d+)\.snapshot$/

/** What names a snapshot. */
type Named = Pick<SnapshotMeta, 'index' | 'term'>

interface Incoming {
  readonly path: string
  readonly file: DiskFile
  readonly key: string
  checksum: number
}

/** The snapshots in one directory. */
export class SnapshotFiles {
  private readonly disk: Disk
  private readonly directory: string
  private incoming: Incoming | undefined

  /** Makes the directory if it is not there; its name is the caller's to sync. */
  constructor(disk: Disk, directory: string) {
    this.disk = disk
    this.directory = directory
    if (disk.kind(directory) === undefined) disk.mkdir(directory)
  }

  /** Removes what a crash left: everything but the snapshot that the journal names. */
  clean(newest: LogIndex | undefined): void {
    for (const name of this.disk.list(this.directory)) {
      const index = WHOLE.exec(name)?.[1]
      const isOurs = index !== undefined || /\.(incoming|making)$/.test(name)
      if (isOurs && (index === undefined || Number(index) !== newest)) this.disk.unlink(joinPath(this.directory, name))
    }
  }

  /**
   * Writes a snapshot. @param turn - Awaited between two pieces; if it rejects, no more is written.
   * @returns How many bytes its state has, once it is durable under its name.
   */
  async write({ index, term }: Named, pieces: Iterable<Uint8Array>, turn: () => Promise<void>): Promise<number> {
    const path = joinPath(this.directory, `${index}-${term}.making`)
    const file = this.createFile(path)
    let sizeBytes = 0
    let checksum = 0
    try {
      for (const piece of pieces) {
        if (sizeBytes > 0) await turn()
        file.write(piece, HEADER_BYTES + sizeBytes)
        checksum = crc32c(piece, checksum)
        sizeBytes += piece.length
      }
      file.write(header(checksum), 0)
      await file.sync()
    } finally {
      file.close()
    }
    await this.publish(path, index)
    return sizeBytes
  }

  /** Keeps a piece of a snapshot that comes in; pieces come in order, and at 0 it begins anew. */
  storeChunk({ index, term }: SnapshotMeta, offset: number, data: Uint8Array): void {
    const key = `${index}-${term}`
    if (offset === 0) {
      this.incoming?.file.close()
      const path = joinPath(this.directory, `${key}.incoming`)
      this.incoming = { path, file: this.createFile(path), key, checksum: 0 }
    }
    const { incoming } = this
    if (incoming?.key !== key) throw new BedplateError('INTERNAL', `a piece of snapshot ${key} has no beginning`)
    incoming.file.write(data, HEADER_BYTES + offset)
    incoming.checksum = crc32c(data, incoming.checksum)
  }

  /**
   * Takes the snapshot that has come in out of the way of later ones.
   * @returns What makes it durable under its name.
   */
  finishIncoming({ index, term }: SnapshotMeta): () => Promise<void> {
    const { incoming } = this
    if (incoming?.key !== `${index}-${term}`) throw new BedplateError('INTERNAL', `snapshot ${index} has not come in`)
    this.incoming = undefined
    const { file, path, checksum } = incoming
    return async () => {
      try {
        file.write(header(checksum), 0)
        await file.sync()
      } finally {
        file.close()
      }
      await this.publish(path, index)
    }
  }

  /** The state in a snapshot. @throws CORRUPTION if it is missing or damaged. */
  read({ index, sizeBytes }: SnapshotMeta): Uint8Array {
    const { file, path } = this.openWhole(index)
    try {
      const head = new Uint8Array(HEADER_BYTES)
      const state = new Uint8Array(sizeBytes)
      file.read(head, 0)
      const isFull = file.read(state, HEADER_BYTES) === sizeBytes && file.size() === HEADER_BYTES + sizeBytes
      if (!isFull || Buffer.compare(head, header(crc32c(state))) !== 0) {
        throw damaged(path)
      }
      return state
    } finally {
      file.close()
    }
  }

  /** The state in a snapshot, piece by piece, once all of it was read and found whole. @throws CORRUPTION */
  async *pieces({ index }: Named, turn: () => Promise<void>): AsyncGenerator<Uint8Array> {
    await this.check(index, turn)
    const { file } = this.openWhole(index)
    try {
      for (let at = HEADER_BYTES; ; at += PIECE_BYTES) {
        const piece = new Uint8Array(PIECE_BYTES)
        const count = file.read(piece, at)
        if (count > 0) yield piece.subarray(0, count)
        if (count < PIECE_BYTES) return
        await turn()
      }
    } finally {
      file.close()
    }
  }

  /** Reads all of a snapshot: what has rotted here must not become the state of others. @throws CORRUPTION if it is missing or damaged */
  async check(index: LogIndex, turn: () => Promise<void>): Promise<void> {
    const { file, path } = this.openWhole(index)
    try {
      const head = new Uint8Array(HEADER_BYTES)
      file.read(head, 0)
      const piece = new Uint8Array(PIECE_BYTES)
      let checksum = 0
      for (let at = HEADER_BYTES, count = PIECE_BYTES; count === PIECE_BYTES; at += count) {
        if (at > HEADER_BYTES) await turn()
        count = file.read(piece, at)
        checksum = crc32c(piece.subarray(0, count), checksum)
      }
      if (Buffer.compare(head, header(checksum)) !== 0) throw damaged(path)
    } finally {
      file.close()
    }
  }

  /** A piece of a snapshot, which was checked before. @throws CORRUPTION if it is missing or too short. */
  readChunk(index: LogIndex, offset: number, lengthBytes: number): Uint8Array {
    const { file, path } = this.openWhole(index)
    try {
      const data = new Uint8Array(lengthBytes)
      if (file.read(data, HEADER_BYTES + offset) !== lengthBytes) {
        throw new BedplateError('CORRUPTION', `${path} ends before byte ${offset + lengthBytes} of its state`)
      }
      return data
    } finally {
      file.close()
    }
  }

  /** Snapshots below `index` are not needed any more. */
  removeBelow(index: LogIndex): void {
    for (const name of this.disk.list(this.directory)) {
      const found = WHOLE.exec(name)?.[1]
      if (found !== undefined && Number(found) < index) this.disk.unlink(joinPath(this.directory, name))
    }
  }

  close(): void {
    this.incoming?.file.close()
    this.incoming = undefined
  }

  private async publish(path: string, index: LogIndex): Promise<void> {
    this.disk.rename(path, joinPath(this.directory, `${index}.snapshot`))
    await this.disk.syncDirectory(this.directory)
  }

  private createFile(path: string): DiskFile {
    if (this.disk.kind(path) === 'file') this.disk.unlink(path)
    return this.disk.open(path, 'create')
  }

  private openWhole(index: LogIndex): { file: DiskFile; path: string } {
    const path = joinPath(this.directory, `${index}.snapshot`)
    if (this.disk.kind(path) !== 'file')
      throw new BedplateError('CORRUPTION', `${path}, which the journal names, is missing`)
    return { file: this.disk.open(path, 'read'), path }
  }
}

function damaged(path: string): BedplateError {
  return new BedplateError('CORRUPTION', `${path} is not the snapshot that was written there`, {
    hint: 'remove the node from the cluster and add one with a new id, whose directory is empty',
  })
}

function header(checksum: number): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, MAGIC, true)
  view.setUint32(4, VERSION, true)
  view.setUint32(8, checksum, true)
  return bytes
}

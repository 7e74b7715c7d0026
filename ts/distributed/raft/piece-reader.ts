// Takes values out of bytes that come piece by piece, and never keeps more of them than one value and one piece.
import { ByteReader } from '../../base/binary.ts'
import { BedplateError } from '../../base/errors.ts'

/** Little-endian, as `ByteReader` has it; values may lie across pieces. */
export class PieceReader {
  private readonly pieces: AsyncIterator<Uint8Array>
  private readonly what: string
  private buffer = new Uint8Array(0)
  private at = 0

  /** @param pieces - Memory of their own each. @param what - Names the bytes in errors: `snapshot`. */
  constructor(pieces: AsyncIterable<Uint8Array>, what: string) {
    this.pieces = pieces[Symbol.asyncIterator]()
    this.what = what
  }

  /** A view of the next bytes. @throws CORRUPTION if there are not so many */
  async take(count: number): Promise<Uint8Array> {
    while (this.buffer.length - this.at < count) {
      const { done, value } = await this.pieces.next()
      if (done === true) throw this.corrupt(`ends ${count - this.buffer.length + this.at} bytes too early`)
      this.append(value)
    }
    const start = this.at
    this.at += count
    return this.buffer.subarray(start, this.at)
  }

  async u8(): Promise<number> {
    return (await this.take(1))[0] as number
  }

  async u32(): Promise<number> {
    return this.reader(await this.take(4)).u32()
  }

  async u53(): Promise<number> {
    return this.reader(await this.take(8)).u53()
  }

  /** A byte below `count`. @throws CORRUPTION for another one */
  async choice(count: number): Promise<number> {
    return this.reader(await this.take(1)).choice(count)
  }

  async blob(mostBytes: number): Promise<Uint8Array> {
    const length = await this.u32()
    if (length > mostBytes) throw this.corrupt(`has a part of ${length} bytes, and ${mostBytes} are allowed`)
    return this.take(length)
  }

  async text(mostBytes: number): Promise<string> {
    return Buffer.from(await this.blob(mostBytes)).toString('utf8')
  }

  async list<T>(most: number, take: () => Promise<T>): Promise<T[]> {
    const count = await this.u32()
    if (count > most) throw this.corrupt(`has a list of ${count}, and ${most} are allowed`)
    const items: T[] = []
    while (items.length < count) items.push(await take())
    return items
  }

  /** What has not been taken, piece by piece; nothing is taken here any more. */
  async *rest(): AsyncGenerator<Uint8Array> {
    if (this.at < this.buffer.length) yield this.buffer.subarray(this.at)
    for (let next = await this.pieces.next(); next.done !== true; next = await this.pieces.next()) yield next.value
  }

  /** @throws CORRUPTION if anything follows */
  async end(): Promise<void> {
    for await (const piece of this.rest()) if (piece.length > 0) throw this.corrupt('has more than it should')
  }

  corrupt(how: string): BedplateError {
    return new BedplateError('CORRUPTION', `the ${this.what} ${how}`)
  }

  private append(piece: Uint8Array): void {
    const left = this.buffer.length - this.at
    const joined = left === 0 ? piece : new Uint8Array(left + piece.length)
    if (left > 0) {
      joined.set(this.buffer.subarray(this.at))
      joined.set(piece, left)
    }
    this.buffer = joined as Uint8Array<ArrayBuffer>
    this.at = 0
  }

  private reader(bytes: Uint8Array): ByteReader {
    return new ByteReader(bytes, this.what)
  }
}

// Takes values out of bytes that come piece by piece, and never keeps more of them than one value and one piece.
import { ByteReader } from '../../base/binary.ts'
import { BedplateError } from '../../base/errors.ts'

/** Little-endian, as `ByteReader` has it; values may lie across pieces. */
export class PieceReader {
  private readonly pieces: AsyncIterator<Uint8Array>
  private readonly what: string
  private buffer: Uint8Array = new Uint8Array(0)
  private at = 0

  /** @param pieces - Memory of their own each. @param what - Names the bytes in errors: `snapshot`. */
  constructor(pieces: AsyncIterable<Uint8Array>, what: string) {
    this.pieces = pieces[Symbol.asyncIterator]()
    this.what = what
  }

  /** A view of the next bytes. @throws CORRUPTION if there are not so many */
  async take(count: number): Promise<Uint8Array> {
    if (this.buffer.length - this.at < count) await this.gather(count)
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

  /** Joins what is left with as many pieces as it takes, once: a value may be much longer than a piece. */
  private async gather(count: number): Promise<void> {
    const parts = [this.buffer.subarray(this.at)]
    let length = this.buffer.length - this.at
    while (length < count) {
      const { done, value } = await this.pieces.next()
      if (done === true) throw this.corrupt(`ends ${count - length} bytes too early`)
      parts.push(value)
      length += value.length
    }
    this.buffer = parts.length === 2 && parts[0]?.length === 0 ? (parts[1] as Uint8Array) : Buffer.concat(parts)
    this.at = 0
  }

  private reader(bytes: Uint8Array): ByteReader {
    return new ByteReader(bytes, this.what)
  }
}

// Memory that many values are views of.

/** The class of the objects that make up `Buffer`: its constructor makes a view in half the time of `subarray`. */
const View = (Buffer as unknown as ArrayConstructor)[Symbol.species] as unknown as new (
  memory: ArrayBuffer,
  start: number,
  length: number,
) => Buffer

let markAsUntransferable: ((memory: ArrayBuffer) => void) | undefined

/** Sees to it that whoever transfers a view of `memory` to another thread does not take it away from those who have others. */
export function keepFromTransfer(memory: ArrayBufferLike): void {
  // Loaded late: it is large, and few commands need it.
  markAsUntransferable ??= process.getBuiltinModule('node:worker_threads').markAsUntransferable
  markAsUntransferable(memory as ArrayBuffer)
}

/**
 * Memory of undefined content whose views are given away, like those of Node's own pool of buffers. Whoever transfers one
 * of them to another thread does not take the memory away from all the others: Node 20 copies it, later ones refuse.
 */
export class ViewMemory {
  readonly bytes: Buffer
  private readonly memory: ArrayBuffer

  constructor(length: number) {
    const bytes = Buffer.allocUnsafeSlow(length)
    this.bytes = bytes
    this.memory = bytes.buffer
    if (length > 0) keepFromTransfer(this.memory) // nobody has bytes of an empty one
  }

  /** A view of the bytes from `start` to `end`. Not checked: they must lie inside. */
  view(start: number, end: number): Buffer {
    return new View(this.memory, start, end - start)
  }
}

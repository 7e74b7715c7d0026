// Memory that many values are views of.

let markAsUntransferable: ((memory: ArrayBufferLike) => void) | undefined

/**
 * Memory of undefined content whose views are given away, like those of Node's own pool of buffers. Whoever transfers
 * one of them to another thread gets a DataCloneError, instead of taking the memory away from all the others.
 */
export function allocateForViews(bytes: number): Buffer<ArrayBuffer> {
  // Loaded late: it is large, and few commands need it.
  markAsUntransferable ??= process.getBuiltinModule('node:worker_threads').markAsUntransferable
  const memory = Buffer.allocUnsafeSlow(bytes)
  markAsUntransferable(memory.buffer)
  return memory
}

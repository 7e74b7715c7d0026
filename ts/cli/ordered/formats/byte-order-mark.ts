const MARK = Buffer.from('\uFEFF')

/** The chunks of `input`, without the byte order mark that a file may begin with; a chunk may end within it. */
export async function* withoutByteOrderMark(input: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let head: Buffer | undefined = Buffer.alloc(0)
  for await (const chunk of input) {
    if (head === undefined) {
      yield chunk
      continue
    }
    head = Buffer.concat([head, chunk])
    if (head.length < MARK.length && MARK.subarray(0, head.length).equals(head)) continue // it may still become one
    yield head.subarray(0, MARK.length).equals(MARK) ? head.subarray(MARK.length) : head
    head = undefined
  }
  if (head !== undefined && head.length > 0) yield head
}

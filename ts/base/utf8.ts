// Text that others wrote.

/** The text; undefined if the bytes are no UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8')
  // What is none is read as this character, which may also stand there: only then the two have to be compared.
  return text.includes('\ufffd') && Buffer.compare(Buffer.from(text), bytes) !== 0 ? undefined : text
}

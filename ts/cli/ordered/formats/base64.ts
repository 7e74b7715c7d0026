/** The bytes that a field in base64 stands for; undefined if it is none (Buffer would silently stop at the error). */
export function decodeBase64(field: unknown): Uint8Array | undefined {
  if (typeof field !== 'string') return undefined
  const bytes = Buffer.from(field, 'base64')
  return bytes.toString('base64') === field ? bytes : undefined
}

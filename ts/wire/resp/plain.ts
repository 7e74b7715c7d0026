import type { Reply } from './types.ts'

/** A reply as plain values. */
type PlainReply = string | number | bigint | boolean | null | readonly PlainReply[]

/** A reply as values that programs use: texts are UTF-8, an error is its text, a map is its keys and values in turn. */
export function plainOf(reply: Reply): PlainReply {
  switch (reply.kind) {
    case 'simple':
    case 'bulk':
    case 'verbatim':
    case 'error':
      return Buffer.from(reply.text, 'latin1').toString()
    case 'null':
      return null
    case 'integer':
    case 'boolean':
    case 'double':
    case 'big number':
      return reply.value
    default:
      return reply.items.map(plainOf)
  }
}

// Replies as people and as programs read them.
import { isUtf8 } from 'node:buffer'
import type { Reply } from '../../wire/resp/index.ts'
import { toLine, toText } from '../kit/text.ts'

/**
 * A reply for people: a string as it is, `(nil)`, `(integer) 1`, elements one a line with their numbers before them.
 * @param forTerminal - Control characters are shown as escapes: what a server sends must not act on a terminal.
 */
export function toBytes(reply: Reply, forTerminal: boolean): Buffer {
  if (reply.kind === 'bulk' || reply.kind === 'verbatim') {
    const bytes = Buffer.from(reply.text, 'latin1')
    return forTerminal ? Buffer.from(toText(bytes)) : bytes
  }
  return Buffer.from(linesOf(reply).join('\n'))
}

/** A reply as JSON.stringify takes it. Strings that are no UTF-8 become `{"base64": "..."}`. */
export function toJson(reply: Reply): unknown {
  switch (reply.kind) {
    case 'simple':
    case 'error':
    case 'bulk':
    case 'verbatim':
      return jsonText(reply.text)
    case 'integer':
      return typeof reply.value === 'number' ? reply.value : String(reply.value)
    case 'big number':
      return String(reply.value)
    case 'double':
      return Number.isFinite(reply.value) ? reply.value : String(reply.value)
    case 'boolean':
      return reply.value
    case 'null':
      return null
    case 'map': {
      const pairs = pairsOf(reply.items)
      const isPlain = pairs.every(([key]) => 'text' in key && typeof jsonText(key.text) === 'string')
      if (!isPlain) return pairs.map(([key, value]) => [toJson(key), toJson(value)])
      return Object.fromEntries(pairs.map(([key, value]) => [String(toJson(key)), toJson(value)]))
    }
    default:
      return reply.items.map(toJson)
  }
}

function jsonText(text: string): string | { base64: string } {
  const bytes = Buffer.from(text, 'latin1')
  return isUtf8(bytes) ? bytes.toString('utf8') : { base64: bytes.toString('base64') }
}

function linesOf(reply: Reply): string[] {
  switch (reply.kind) {
    case 'simple':
    case 'bulk':
      return [lineOf(reply.text)]
    case 'verbatim':
      return toText(Buffer.from(reply.text, 'latin1')).split('\n')
    case 'error':
      return [`(error) ${lineOf(reply.text)}`]
    case 'integer':
    case 'big number':
      return [`(integer) ${reply.value}`]
    case 'double':
      return [`(double) ${reply.value}`]
    case 'boolean':
      return [reply.value ? '(true)' : '(false)']
    case 'null':
      return ['(nil)']
    case 'map':
      return reply.items.length === 0 ? ['(empty)'] : pairsOf(reply.items).flatMap(pairLines)
    default:
      return reply.items.length === 0
        ? ['(empty)']
        : reply.items.flatMap((item, i) => numbered(item, i, reply.items.length))
  }
}

function pairLines([key, value]: readonly [Reply, Reply]): string[] {
  const [first = '', ...rest] = linesOf(value)
  const name = linesOf(key).join(' ')
  return 'items' in value && value.items.length > 0
    ? [`${name}:`, ...[first, ...rest].map((line) => `  ${line}`)]
    : [`${name}: ${first}`]
}

function numbered(item: Reply, index: number, count: number): string[] {
  const width = String(count).length
  const [first = '', ...rest] = linesOf(item)
  return [`${String(index + 1).padStart(width)}) ${first}`, ...rest.map((line) => ' '.repeat(width + 2) + line)]
}

function pairsOf(items: readonly Reply[]): (readonly [Reply, Reply])[] {
  return Array.from({ length: items.length / 2 }, (_, i) => [items[2 * i] as Reply, items[2 * i + 1] as Reply])
}

function lineOf(text: string): string {
  return toLine(Buffer.from(text, 'latin1'))
}

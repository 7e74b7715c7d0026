// Writers that keep several requests under way on each connection, in Redis's protocol and in ours.
import { createConnection, type Socket } from 'node:net'

const HOST = '127.0.0.1'
const VALUE = 'v'.repeat(100)
const KEYS = 100_000

/** What goes out in one piece, and how its answers are counted. */
export interface Protocol {
  readonly name: string
  /** `count` writes as one piece. @param next - Numbers the keys. */
  readonly encode: (count: number, next: () => number) => string
  /** Answers to one piece. */
  readonly answersTo: (count: number) => number
  /** What each answer begins with. */
  readonly mark: string
  /** What is no such answer: a write that was refused would be waited for until nobody knows why. */
  readonly refusal: RegExp
}

/** Of HTTP, whatever was asked. */
const HTTP_ANSWERS = { mark: 'HTTP/1.1 200', refusal: /HTTP\/1\.1 (?!2)\d/ }

export const RESP: Protocol = {
  name: "Redis's protocol, a SET each",
  encode: (count, next) =>
    repeat(count, () => {
      const key = keyOf(next())
      return `*3\r\n$3\r\nSET\r\n$${key.length}\r\n${key}\r\n$${VALUE.length}\r\n${VALUE}\r\n`
    }),
  answersTo: (count) => count,
  mark: '+OK',
  refusal: /^-/m,
}

export const HTTP_SETS: Protocol = {
  name: 'HTTP, a /set each',
  encode: (count, next) =>
    repeat(count, () => `GET /set?key=${keyOf(next())}&value=${VALUE} HTTP/1.1\r\nhost: ${HOST}\r\n\r\n`),
  answersTo: (count) => count,
  ...HTTP_ANSWERS,
}

export const HTTP_BATCHES: Protocol = {
  name: 'HTTP, a /batch of 64',
  encode: (count, next) => {
    const body = JSON.stringify(Array.from({ length: count }, () => [keyOf(next()), VALUE]))
    return `POST /batch HTTP/1.1\r\nhost: ${HOST}\r\ncontent-length: ${body.length}\r\n\r\n${body}`
  },
  answersTo: () => 1,
  ...HTTP_ANSWERS,
}

/** Writes for `seconds` on so many connections, `depth` writes under way on each. @returns Writes a second */
export async function measurePipeline(
  port: number,
  protocol: Protocol,
  { connections, depth, seconds }: { connections: number; depth: number; seconds: number },
): Promise<number> {
  let written = 0
  let number = 0
  const next = (): number => number++
  const began = performance.now()
  const end = began + seconds * 1000
  const client = (socket: Socket): Promise<void> =>
    new Promise((resolve, reject) => {
      let missing = 0
      let tail = ''
      const send = (): void => {
        missing = protocol.answersTo(depth)
        socket.write(protocol.encode(depth, next))
      }
      socket.setEncoding('latin1').on('data', (chunk: string) => {
        const text = tail + chunk
        const refused = text.search(protocol.refusal)
        if (refused >= 0) socket.destroy(new Error(`a write was refused: ${text.slice(refused, refused + 200)}`))
        let at = 0
        for (let found = text.indexOf(protocol.mark); found >= 0; found = text.indexOf(protocol.mark, at)) {
          at = found + protocol.mark.length
          missing--
        }
        tail = text.slice(Math.max(at, text.length - protocol.mark.length + 1))
        if (missing > 0) return
        written += depth
        if (performance.now() < end) send()
        else socket.end()
      })
      socket.on('error', reject)
      socket.on('close', () => resolve())
      send()
    })
  await Promise.all(Array.from({ length: connections }, () => client(createConnection({ host: HOST, port }))))
  return written / ((performance.now() - began) / 1000)
}

function keyOf(number: number): string {
  return `key:${String(number % KEYS).padStart(12, '0')}`
}

function repeat(count: number, make: () => string): string {
  let text = ''
  for (let i = 0; i < count; i++) text += make()
  return text
}

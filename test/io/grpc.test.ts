import http2 from 'node:http2'
import { createConnection } from 'node:net'
import { deflateSync, gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type GrpcClient, GrpcError, type GrpcMethod } from '../../ts/io/grpc.ts'
import { connectGrpc } from '../../ts/io/grpc-client.ts'
import { frameOf, MessageReader } from '../../ts/io/grpc-messages.ts'
import { type GrpcServer, listenGrpc } from '../../ts/io/grpc-server.ts'
import { seededRandom } from '../../ts/io/random.ts'
import { NODE_CERTIFICATES } from '../support/certificates.ts'

const MAX_BYTES = 1024 * 1024
const bytes = (text: string): Uint8Array => Buffer.from(text)
const textOf = (message: Uint8Array): string => Buffer.from(message).toString()

let server: GrpcServer
let client: GrpcClient
let gaveUp: (() => void) | undefined

/** What the tests call. */
const METHODS: [string, GrpcMethod][] = [
  ['/t.T/Echo', { kind: 'unary', handle: async (request) => request }],
  ['/t.T/Token', { kind: 'unary', handle: async (_request, call) => bytes(call.metadata('token') ?? 'none') }],
  [
    '/t.T/Refuse',
    {
      kind: 'unary',
      async handle() {
        throw new GrpcError(9, '100% für\nnichts')
      },
    },
  ],
  [
    '/t.T/Break',
    {
      kind: 'unary',
      async handle() {
        throw new Error('a bug')
      },
    },
  ],
  [
    '/t.T/Wait',
    {
      kind: 'unary',
      handle: (_request, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            reject(new Error('nobody waits'))
            gaveUp?.()
          })
        }),
    },
  ],
  [
    '/t.T/Chat',
    {
      kind: 'stream',
      async handle({ requests, send }) {
        for await (const request of requests) {
          if (textOf(request) === 'bye') return
          if (textOf(request) === 'fail') throw new GrpcError(10, 'as you wish')
          await send(request)
        }
        await send(bytes('end'))
      },
    },
  ],
  [
    '/t.T/Many',
    {
      kind: 'stream',
      async handle({ requests, send, signal }) {
        for await (const _request of requests) while (!signal.aborted) await send(Buffer.alloc(60_000))
        gaveUp?.()
      },
    },
  ],
]

function listen(more = {}) {
  return listenGrpc({ host: '127.0.0.1', port: 0, maxMessageBytes: MAX_BYTES, methods: new Map(METHODS), ...more })
}

function clientOf({ address: { host, port } }: GrpcServer, tls = {}) {
  return connectGrpc(`${host}:${port}`, ...(Object.keys(tls).length === 0 ? [] : [tls]))
}

beforeAll(async () => {
  server = await listen()
  client = clientOf(server)
})
afterAll(() => {
  client.close()
  server.stop()
})

async function failureOf(promise: Promise<unknown>): Promise<[number, string]> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(GrpcError)
  return [(error as GrpcError).status, (error as GrpcError).message]
}

describe('calls with one answer', () => {
  it.each([0, 1, 5, 70_000, MAX_BYTES])('carry a message of %d bytes both ways', async (length) => {
    const message = Buffer.alloc(length, 'x')
    expect(Buffer.compare(await client.unary('/t.T/Echo', message), message)).toBe(0)
  })

  it('carry metadata', async () => {
    expect(textOf(await client.unary('/t.T/Token', bytes(''), { metadata: { token: 'abc' } }))).toBe('abc')
    expect(textOf(await client.unary('/t.T/Token', bytes('')))).toBe('none')
  })

  it('fail with the status and the words of the method, and a bug is INTERNAL', async () => {
    expect(await failureOf(client.unary('/t.T/Refuse', bytes('')))).toEqual([9, '100% für\nnichts'])
    expect(await failureOf(client.unary('/t.T/Break', bytes('')))).toEqual([13, 'a bug'])
    expect(await failureOf(client.unary('/t.T/None', bytes('')))).toEqual([12, 'there is no method /t.T/None'])
  })

  it('refuse a message that is too long before it is here, and the connection goes on', async () => {
    const [status, message] = await failureOf(client.unary('/t.T/Echo', Buffer.alloc(MAX_BYTES + 1)))
    expect([status, message]).toEqual([8, `received message larger than max (${MAX_BYTES + 1} vs. ${MAX_BYTES})`])
    expect(textOf(await client.unary('/t.T/Echo', bytes('on')))).toBe('on')
  })

  it('end at their deadline, and the method knows', async () => {
    const told = new Promise<void>((resolve) => {
      gaveUp = resolve
    })
    const failed = failureOf(client.unary('/t.T/Wait', bytes(''), { timeoutMs: 20 }))
    await told
    expect((await failed)[0]).toBe(4)
  })

  it('end when they are given up, and the method knows', async () => {
    const told = new Promise<void>((resolve) => {
      gaveUp = resolve
    })
    const controller = new AbortController()
    const failed = failureOf(client.unary('/t.T/Wait', bytes(''), { signal: controller.signal }))
    await client.unary('/t.T/Echo', bytes(''))
    controller.abort()
    expect((await failed)[0]).toBe(1)
    await told
  })
})

describe('streams', () => {
  async function chat(...words: string[]): Promise<string[]> {
    const { send, responses } = client.stream('/t.T/Chat')
    for (const word of words) send(bytes(word))
    const heard: string[] = []
    for await (const response of responses) heard.push(textOf(response))
    return heard
  }

  it('say many things both ways, and end when the server does', async () => {
    expect(await chat('a', 'b', 'bye')).toEqual(['a', 'b'])
    expect(await chat('bye')).toEqual([])
  })

  it('fail with the status of the method, also after answers', async () => {
    expect(await failureOf(chat('a', 'fail'))).toEqual([10, 'as you wish'])
    expect(await failureOf(chat('fail'))).toEqual([10, 'as you wish'])
  })

  it('let a slow client wait: the server stops writing, and hears when it has gone', async () => {
    const told = new Promise<void>((resolve) => {
      gaveUp = resolve
    })
    const { send, responses, cancel } = client.stream('/t.T/Many')
    send(bytes(''))
    for await (const response of responses) {
      expect(response.length).toBe(60_000)
      break
    }
    cancel()
    await told
  })

  it('end with UNAVAILABLE when the server drains; calls that are there are answered', async () => {
    const other = await listen()
    const guest = clientOf(other)
    const { send, responses } = guest.stream('/t.T/Chat')
    send(bytes('a'))
    const heard = responses[Symbol.asyncIterator]()
    expect(textOf((await heard.next()).value)).toBe('a')
    const drained = other.drain()
    expect(await failureOf(heard.next())).toEqual([14, 'the server stops'])
    await drained
    guest.close()
  })
})

describe('what others may send', () => {
  const POST = { ':method': 'POST', ':path': '/t.T/Echo', 'content-type': 'application/grpc', te: 'trailers' }

  /** Sends frames as they are. @returns What came back of headers, trailers and data, and how the stream was closed. */
  async function send(headers: http2.OutgoingHttpHeaders, chunks: readonly Uint8Array[], { ends = true } = {}) {
    const { host, port } = server.address
    const session = http2.connect(`http://${host}:${port}`)
    const stream = session.request({ ...POST, ...headers })
    const seen: Record<string, unknown> = {}
    const data: Buffer[] = []
    stream.on('response', (response) => Object.assign(seen, response))
    stream.on('trailers', (trailers) => Object.assign(seen, trailers))
    stream.on('data', (chunk: Buffer) => data.push(chunk))
    for (const chunk of chunks) stream.write(chunk)
    if (ends) stream.end()
    await new Promise((resolve) => stream.on('close', resolve))
    session.close()
    const { ':status': http, 'grpc-status': status, 'grpc-accept-encoding': encodings } = seen
    return { http, status, encodings, data: Buffer.concat(data).toString('latin1'), rst: stream.rstCode }
  }

  const frame = frameOf(bytes('hello'))
  const compressed = (content: Uint8Array): Buffer => Buffer.concat([Buffer.of(1), frameOf(content).subarray(1)])

  it('in pieces of any size', async () => {
    const pieces = Array.from(frame, (byte) => Buffer.of(byte))
    expect(await send({}, pieces)).toMatchObject({ http: 200, status: '0', data: '\0\0\0\0\x05hello' })
  })

  it('compressed', async () => {
    const answer = { status: '0', data: '\0\0\0\0\x05hello' }
    expect(await send({ 'grpc-encoding': 'gzip' }, [compressed(gzipSync('hello'))])).toMatchObject(answer)
    expect(await send({ 'grpc-encoding': 'deflate' }, [compressed(deflateSync('hello'))])).toMatchObject(answer)
    expect(await send({ 'grpc-encoding': 'gzip' }, [frame])).toMatchObject(answer)
  })

  it.each([
    ['by another method of HTTP', { ':method': 'GET' }, [], { http: 405, status: undefined }],
    ['as another type', { 'content-type': 'text/plain' }, [frame], { http: 415, status: undefined }],
    [
      'in an unknown encoding',
      { 'grpc-encoding': 'snappy' },
      [frame],
      { status: '12', encodings: 'identity,gzip,deflate' },
    ],
    ['with a deadline that is none', { 'grpc-timeout': '5 s' }, [frame], { status: '13' }],
    ['without a message', {}, [], { status: '13' }],
    ['with two messages', {}, [frame, frame], { status: '13' }],
    ['with a part of a message', {}, [frame.subarray(0, 7)], { status: '13' }],
    ['compressed without saying how', {}, [compressed(gzipSync('x'))], { status: '13' }],
    ['compressed as nothing is', { 'grpc-encoding': 'gzip' }, [compressed(bytes('junk'))], { status: '13' }],
    [
      'small, and large when it is unpacked',
      { 'grpc-encoding': 'gzip' },
      [compressed(gzipSync(Buffer.alloc(MAX_BYTES + 1)))],
      { status: '8' },
    ],
  ])('%s: refused', async (_what, headers, chunks, expected) => {
    expect(await send(headers, chunks)).toMatchObject(expected)
  })

  it('without an end: whoever has its answer is not listened to any more', async () => {
    const long = frameOf(Buffer.alloc(8)).fill(0xff, 1, 5)
    expect(await send({}, [long], { ends: false })).toMatchObject({ status: '8', rst: 0 })
    const chat = { ':path': '/t.T/Chat' }
    expect(await send(chat, [frame, frameOf(bytes('bye'))], { ends: false })).toMatchObject({ status: '0', rst: 0 })
  })

  it('with a deadline: it holds, whether or not the client goes', async () => {
    expect(await send({ ':path': '/t.T/Wait', 'grpc-timeout': '20m' }, [frame])).toMatchObject({ status: '4' })
    const late = { ':path': '/t.T/Echo', 'grpc-timeout': '99999999H' }
    expect(await send(late, [frame])).toMatchObject({ status: '0' })
  })

  it('that is no HTTP/2: that connection ends, and no other', async () => {
    const { host, port } = server.address
    const socket = createConnection({ host, port })
    socket.end('GET / HTTP/1.1\r\n\r\n').resume()
    await new Promise((resolve) => socket.on('close', resolve))
    expect(textOf(await client.unary('/t.T/Echo', bytes('on')))).toBe('on')
  })
})

describe('the reader of messages', () => {
  it('finds the same whatever the pieces are', () => {
    const random = seededRandom(7)
    const below = (count: number): number => Math.floor(random.next() * count)
    for (let round = 0; round < 200; round++) {
      const messages = Array.from({ length: below(6) }, () => Buffer.from(random.bytes(below(300))))
      let rest = Buffer.concat(messages.map(frameOf))
      const reader = new MessageReader({ maxBytes: 300, encoding: 'identity' })
      const found: Uint8Array[] = []
      while (rest.length > 0) {
        const length = 1 + below(rest.length)
        found.push(...reader.push(rest.subarray(0, length)))
        rest = rest.subarray(length)
      }
      expect(found.map((message) => Buffer.from(message).toString('hex'))).toEqual(
        messages.map((m) => m.toString('hex')),
      )
      expect(reader.isWithinMessage).toBe(false)
    }
  })

  it('takes bytes of any kind, or refuses them', () => {
    const random = seededRandom(8)
    const below = (count: number): number => Math.floor(random.next() * count)
    const statuses = new Set<unknown>()
    for (let round = 0; round < 3000; round++) {
      const reader = new MessageReader({ maxBytes: 64, encoding: below(2) === 0 ? 'gzip' : 'identity' })
      const noise = Buffer.from(random.bytes(below(80)))
      // Lengths that are too large would end most rounds at once.
      if (noise.length > 4 && below(4) > 0) noise.writeUInt32BE(below(70), 1)
      if (noise.length > 0 && below(4) > 0) noise[0] = below(3)
      try {
        statuses.add(reader.push(noise).length)
      } catch (error) {
        if (!(error instanceof GrpcError)) throw error
        statuses.add(error.message.slice(0, 8))
      }
    }
    expect([...statuses]).toEqual(expect.arrayContaining([0, 1, 'received', 'a messag']))
  })
})

describe('a server', () => {
  it('says that a port is taken', async () => {
    await expect(listen({ port: server.address.port })).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  })

  it('with TLS and an authority lets in who has a certificate of it, and nobody else', async () => {
    const { ca, cert, key } = NODE_CERTIFICATES
    const secure = await listen({ tls: NODE_CERTIFICATES })
    const guest = clientOf(secure, { ca, cert, key })
    expect(textOf(await guest.unary('/t.T/Echo', bytes('hello')))).toBe('hello')
    for (const stranger of [clientOf(secure, { ca }), clientOf(secure)]) {
      expect((await failureOf(stranger.unary('/t.T/Echo', bytes(''), { timeoutMs: 3000 })))[0]).toBe(14)
      stranger.close()
    }
    guest.close()
    secure.stop()
  })
})

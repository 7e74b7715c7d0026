// Ordered streams of bytes between programs, as servers and clients see them. The simulated network comes with the simulator
// that needs it.
import net from 'node:net'
import tls from 'node:tls'
import { BedplateError } from '../base/errors.ts'

/** Where something listens. */
export interface Address {
  readonly host: string
  readonly port: number
}

/** One end of an open stream of bytes. */
export interface Connection {
  /** The other side, as `host:port`. */
  readonly remote: string
  /** This side, as `host:port`. */
  readonly local: string
  /** Bytes that were written and that the operating system has not taken yet. */
  readonly waitingBytes: number
  /** Sends bytes, which must not change any more. Does nothing once the connection is closed. */
  write(bytes: Uint8Array): void
  /** Lets no more bytes come in until `resume`: the peer notices once the buffers between are full. */
  pause(): void
  resume(): void
  /** Sends what was written, then closes. */
  end(): void
  /** Closes at once; what waits is lost. */
  destroy(): void
}

/** What the owner of a connection is told. Nothing comes after `closed`. */
export interface ConnectionEvents {
  /** Bytes have come. They stay as they are. */
  data(bytes: Uint8Array): void
  /** All that was written has been taken by the operating system. */
  drained(): void
  /** The connection is gone, whoever closed it. */
  closed(): void
}

/** Certificate and key, in PEM; `ca` asks clients for a certificate that it has signed. */
export interface TlsFiles {
  readonly cert: Uint8Array
  readonly key: Uint8Array
  readonly ca?: Uint8Array | undefined
}

/** How bytes leave. */
export interface Gathering {
  /**
   * What is written in one turn of the event loop leaves at its end as one, since a call of the operating system costs more than all
   * that is around it. For those who write much in small pieces. Default: at once.
   */
  readonly gathers?: boolean
}

/** Where to listen; port 0 lets the operating system choose one. */
export interface ListenOptions extends Address, Gathering {
  /** Undefined: bytes go over the wire as they are. */
  readonly tls?: TlsFiles | undefined
}

/** What a client proves to a server that speaks TLS, and by what it knows it, in PEM. */
export interface TlsTrust {
  /** Who must have signed the server's certificate; undefined: whom the machine trusts. */
  readonly ca?: Uint8Array | undefined
  readonly cert?: Uint8Array | undefined
  readonly key?: Uint8Array | undefined
}

/** Whom to connect to. */
export interface ConnectOptions extends Address, Gathering {
  /** Undefined: bytes go over the wire as they are. */
  readonly tls?: TlsTrust | undefined
  /** Gives up after so long; default: when the operating system does, which may take minutes. */
  readonly timeoutMs?: number | undefined
}

/** Something that accepts connections. */
export interface Listener {
  /** Where it really listens. */
  readonly address: Address
  /** Accepts no more. Connections that are open stay open. */
  close(): void
}

/** Streams of bytes to and from others. */
export interface Network {
  /**
   * @param accept - Called for each new connection, with TLS once that is agreed upon.
   * @throws UNAVAILABLE if the port is taken, PERMISSION if it may not be used, INVALID_INPUT if there is no such address.
   */
  listen(options: ListenOptions, accept: (connection: Connection) => ConnectionEvents): Promise<Listener>
  /**
   * Connects to who listens there.
   * @throws UNAVAILABLE if nobody does, or not with the certificate that is wanted.
   */
  connect(options: ConnectOptions, accept: (connection: Connection) => ConnectionEvents): Promise<Connection>
}

const MAX_PORT = 65_535
/** A peer that begins TLS and does not go on is let go after this. */
const HANDSHAKE_MS = 10_000

/** The network of the machine. */
export const realNetwork: Network = {
  listen(options, accept) {
    const serve = (socket: net.Socket): void => {
      attach(socket, accept, options)
    }
    const server =
      options.tls === undefined ? net.createServer({ noDelay: true }, serve) : tlsServer(options.tls, serve)
    return listening(server, options)
  },

  connect({ host, port, tls: trust, timeoutMs, gathers = false }, accept) {
    return new Promise((resolve, reject) => {
      const socket =
        trust === undefined ? net.connect({ host, port, noDelay: true }) : connectTls({ host, port }, trust)
      const giveUp = (): void => {
        socket.destroy(new Error(`no answer within ${timeoutMs} ms`))
      }
      if (timeoutMs !== undefined) socket.setTimeout(timeoutMs, giveUp)
      socket.once('error', (cause) => reject(unreachable({ host, port }, cause)))
      socket.once(trust === undefined ? 'connect' : 'secureConnect', () => {
        socket.removeAllListeners('error')
        socket.setTimeout(0)
        socket.off('timeout', giveUp)
        resolve(attach(socket, accept, { gathers }))
      })
    })
  },
}

function connectTls({ host, port }: Address, { ca, cert, key }: TlsTrust): net.Socket {
  const files = Object.entries({ ca, cert, key }).flatMap(([name, file]) =>
    file === undefined ? [] : [[name, Buffer.from(file)]],
  )
  const name = net.isIP(host) === 0 ? { servername: host } : {} // an address is no name, and is checked as one
  const socket = tls.connect({ host, port, ...name, ...Object.fromEntries(files), minVersion: 'TLSv1.2' })
  return socket.setNoDelay(true)
}

/**
 * Waits until a server of Node's listens, and says in words why it cannot.
 * @throws UNAVAILABLE, PERMISSION, INVALID_INPUT
 */
export function listening(server: net.Server, { host, port }: Address): Promise<Listener> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(cannotListen(error, { host, port })))
    server.listen({ host, port }, () => {
      server.removeAllListeners('error')
      // Accepting may fail later, for want of file descriptors: that client is lost, the server is not.
      server.on('error', () => {})
      const bound = server.address() as net.AddressInfo
      resolve({
        address: { host: bound.address, port: bound.port },
        close: () => {
          server.close()
        },
      })
    })
  })
}

/** An address as people write it. */
export function showAddress({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** Whether a value of anybody's is an address; port 0 is any that is free. */
export function isAddress(value: unknown): value is Address {
  const { host, port } = (value ?? {}) as Partial<Address>
  return (
    typeof host === 'string' &&
    host !== '' &&
    Number.isInteger(port) &&
    (port as number) >= 0 &&
    (port as number) <= MAX_PORT
  )
}

/** Reads what `showAddress` shows. @throws INVALID_INPUT */
export function parseAddress(text: string): Address {
  const { ipv6, name, port } =
    /^(?:\[(?<ipv6>[\da-fA-F:.]+)\]|(?<name>[^\s:[\]]{1,253})):(?<port>\d{1,5})$/.exec(text)?.groups ?? {}
  const address = { host: ipv6 ?? name ?? '', port: Number(port) }
  if (address.host !== '' && address.port >= 1 && address.port <= MAX_PORT) return address
  throw new BedplateError('INVALID_INPUT', `${JSON.stringify(text.slice(0, 80))} is no address`, {
    hint: 'write host:port, such as 10.0.0.7:8001 or [::1]:8001',
  })
}

function tlsServer({ cert, key, ca }: TlsFiles, serve: (socket: net.Socket) => void): tls.Server {
  const authority = ca === undefined ? {} : { ca: Buffer.from(ca), requestCert: true, rejectUnauthorized: true }
  const options = { cert: Buffer.from(cert), key: Buffer.from(key), minVersion: 'TLSv1.2' as const }
  const server = tls.createServer({ ...options, ...authority, noDelay: true, handshakeTimeout: HANDSHAKE_MS }, serve)
  // A peer that speaks no TLS is its own affair.
  server.on('tlsClientError', (_error, socket) => socket.destroy())
  return server
}

function attach(
  socket: net.Socket,
  accept: (connection: Connection) => ConnectionEvents,
  { gathers = false }: Gathering,
): Connection {
  let isGathering = false
  const send = (): void => {
    isGathering = false
    socket.uncork()
  }
  const connection: Connection = {
    remote: showAddress({ host: socket.remoteAddress ?? '?', port: socket.remotePort ?? 0 }),
    local: showAddress({ host: socket.localAddress ?? '?', port: socket.localPort ?? 0 }),
    get waitingBytes() {
      return socket.writableLength
    },
    write(bytes) {
      if (!socket.writable) return
      if (gathers && !isGathering) {
        isGathering = true
        socket.cork()
        process.nextTick(send)
      }
      socket.write(bytes)
    },
    pause() {
      socket.pause()
    },
    resume() {
      socket.resume()
    },
    end() {
      socket.end()
    },
    destroy() {
      socket.uncork() // what the operating system takes at once is not lost
      socket.destroy()
    },
  }
  const events = accept(connection)
  // What goes wrong with a socket closes it, and that is told below.
  socket.on('error', () => {})
  socket.on('data', (bytes: Buffer) => events.data(bytes))
  socket.on('drain', () => events.drained())
  socket.on('close', () => events.closed())
  return connection
}

function cannotListen(error: NodeJS.ErrnoException, address: Address): BedplateError {
  const where = showAddress(address)
  switch (error.code) {
    case 'EADDRINUSE':
      return new BedplateError('UNAVAILABLE', `${where} is taken by another program`, {
        cause: error,
        hint: 'stop that program, choose another --port, or let --port=0 find a free one',
      })
    case 'EACCES':
      return new BedplateError('PERMISSION', `${where} may not be listened on`, {
        cause: error,
        hint: 'ports below 1024 belong to root: choose another --port',
      })
    default:
      return new BedplateError('INVALID_INPUT', `cannot listen on ${where}: ${error.message}`, { cause: error })
  }
}

function unreachable(address: Address, cause: Error): BedplateError {
  return new BedplateError('UNAVAILABLE', `nobody answers at ${showAddress(address)}`, {
    cause,
    hint: 'is the server running, and is that its port?',
  })
}

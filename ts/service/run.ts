// A server from its start to its end, as a process has it: SIGTERM and SIGINT ask it to finish, a second one ends it at once.
import type { Clock } from '../io/clock.ts'
import { listenHttp, type MaybePage, type Page } from '../io/http.ts'
import type { Address, Listener } from '../io/network.ts'
import type { Logger } from './logger.ts'
import { METRICS_TYPE, renderMetrics } from './metrics.ts'
import type { Server } from './server.ts'

/** What of the process a server needs; `process` is one. */
export interface Signals {
  on(signal: 'SIGTERM' | 'SIGINT', listener: () => void): unknown
  removeListener(signal: 'SIGTERM' | 'SIGINT', listener: () => void): unknown
}

export interface RunOptions {
  readonly server: Server
  readonly logger: Logger
  readonly clock: Clock
  readonly signals: Signals
  /** Ends the process at once. */
  readonly exit: (status: number) => void
  /** The port of the admin pages; undefined for none. */
  readonly adminPort: number | undefined
  /** Further admin pages by their path; undefined: there is none. They are served to the names of this machine alone. */
  readonly pages?: (path: string) => MaybePage
  /** Takes what is asked of them by POST, likewise: see `PageOptions.change` of io/http.ts. */
  readonly change?: (path: string, body: Uint8Array) => MaybePage
  readonly drainMs: number
  /** Told when clients may come. `admin` is where the admin pages are, if there are any. */
  readonly onReady: (address: Address, admin: Address | undefined) => void
  /** Resolves when the server is to end of its own accord, with why. */
  readonly ended?: Promise<string>
  /** Settles as soon as the server cannot go on. */
  readonly failed?: Promise<never>
}

/** 128 and the number of the signal, as shells have it. */
const STATUS = { SIGTERM: 143, SIGINT: 130 } as const

/**
 * Starts a server, waits for a signal, drains and stops it. Everything is closed when it returns, and when it throws.
 * @throws UNAVAILABLE if a port is taken, and whatever the server fails with.
 */
export async function runServer(options: RunOptions): Promise<void> {
  const { server, logger, clock, onReady } = options
  let admin: Listener | undefined
  const signal = untilSignal(options)
  try {
    const address = await server.start()
    if (options.adminPort !== undefined) admin = await startAdmin(options, options.adminPort)
    logger.info('ready', { host: address.host, port: address.port, adminPort: admin?.address.port })
    onReady(address, admin?.address)
    logger.info('draining', {
      signal: await Promise.race([
        signal.came,
        ...failures(options),
        ...(options.ended === undefined ? [] : [options.ended]),
      ]),
    })
    const isDone = await Promise.race([server.drain().then(() => true), after(clock, options.drainMs)])
    if (!isDone) logger.warn('clients were cut off', { drainMs: options.drainMs })
  } finally {
    await server.stop()
    admin?.close()
    signal.forget()
  }
  logger.info('stopped')
}

/** Serves /health, /ready and /metrics of a server on this machine. */
function startAdmin({ server, pages, change }: RunOptions, port: number): Promise<Listener> {
  const address = { host: '127.0.0.1', port }
  return listenHttp(address, async (path) => (await pages?.(path)) ?? adminPage(server, path), {
    localNamesOnly: pages !== undefined,
    change,
  })
}

/** A page about a server, for those who watch it; undefined if there is none of this name. */
export function adminPage(server: Server, path: string): Page | undefined {
  switch (path) {
    case '/health':
      return { status: 200, type: 'application/json', body: '{"status":"ok"}\n' }
    case '/ready': {
      const isReady = server.ready()
      return { status: isReady ? 200 : 503, type: 'application/json', body: `{"ready":${isReady}}\n` }
    }
    case '/metrics':
      return { status: 200, type: METRICS_TYPE, body: renderMetrics(server.metrics()) }
    case '/inspect':
      return { status: 200, type: 'application/json', body: `${JSON.stringify(server.inspect())}\n` }
    default:
      return undefined
  }
}

function untilSignal({ signals, exit }: RunOptions): { came: Promise<string>; forget: () => void } {
  let tell: (name: string) => void = () => {}
  const came = new Promise<string>((resolve) => {
    tell = resolve
  })
  let isSecond = false
  const listen = (name: keyof typeof STATUS) => (): void => {
    if (isSecond) exit(STATUS[name])
    isSecond = true
    tell(name)
  }
  const listeners = { SIGTERM: listen('SIGTERM'), SIGINT: listen('SIGINT') }
  for (const name of ['SIGTERM', 'SIGINT'] as const) signals.on(name, listeners[name])
  return {
    came,
    forget() {
      for (const name of ['SIGTERM', 'SIGINT'] as const) signals.removeListener(name, listeners[name])
    },
  }
}

function failures({ failed }: RunOptions): Promise<never>[] {
  return failed === undefined ? [] : [failed]
}

function after(clock: Clock, ms: number): Promise<false> {
  return new Promise((resolve) => {
    clock.timer(ms, () => resolve(false))
  })
}

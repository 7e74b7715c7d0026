// The command line of cache-cli: one command for a Redis-compatible server, or a prompt for many.
import { readFileSync } from 'node:fs'
import { BedplateError } from '../../base/errors.ts'
import type { Output } from '../kit/output.ts'
import { runProgram, UsageError } from '../kit/program.ts'
import { Nodes } from './cluster.ts'
import type { Target } from './connection.ts'
import { runLines } from './prompt.ts'
import { type Manner, runCommand } from './run.ts'

const DEFAULT_PORT = 6379
const MAX_CA_BYTES = 1024 * 1024

const EXAMPLES = `
Examples:
  $ cache-cli set user:1 Alice --ttl=3600
  $ cache-cli get user:1
  $ cache-cli zadd board 10 ada 8 grace
  $ cache-cli --url redis://:secret@10.0.0.7:6380/2 --json hgetall user:1
  $ cache-cli < commands.txt

Every command of the server can be given, in any case of letters; what follows -- is none of our options. Without one there is a
prompt, or commands are read from standard input, one a line. On a cache-server a command that drives keys out says so:
"OK (evicted key:1)". MOVED and ASK of a cluster are followed. The password may also come from BEDPLATE_CACHE_PASSWORD.
Exit status: 0 done, 1 failed or an error reply, 2 wrong usage.`

interface Options {
  readonly host?: string
  readonly port?: string
  readonly url?: string
  readonly user?: string
  readonly password?: string
  readonly db?: string
  readonly tls?: true
  readonly tlsCa?: string
  readonly ttl?: string
  readonly json?: true
  readonly cluster?: true
}

/** Runs `cache-cli ...args` and gives its exit status. */
export async function run(args: readonly string[]): Promise<number> {
  let isWell = true
  const status = await runProgram(args, 'cache-cli', (program, out) => {
    program
      .description('Asks a Redis-compatible server.')
      .helpOption('--help', 'display help for command')
      .argument('[command...]', 'a command and its arguments')
      .allowUnknownOption()
      .option('-h, --host <host>', 'where the server is (127.0.0.1)')
      .option('-p, --port <port>', `its port (${DEFAULT_PORT})`)
      .option('--url <url>', 'both, and who asks: redis://user:password@host:port/database; rediss:// for TLS')
      .option('--user <name>', 'who asks')
      .option('-a, --password <password>', 'its password')
      .option('-n, --db <number>', 'the database (0)')
      .option('--tls', 'use TLS')
      .option('--tls-ca <file>', 'trust this certificate authority, a PEM file')
      .option('--ttl <seconds>', 'with set: how long the key lives')
      .option('--cluster', 'say which node has the key')
      .option('--json', 'print one JSON document a command')
      .addHelpText('after', EXAMPLES)
      .action(async (words: string[], options: Options) => {
        isWell = await serve(words, options, out)
      })
  })
  return status === 0 && !isWell ? 1 : status
}

/** @returns False if a command of standard input failed. */
async function serve(words: readonly string[], options: Options, out: Output): Promise<boolean> {
  const manner: Manner = {
    json: options.json === true,
    cluster: options.cluster === true,
    forTerminal: process.stdout.isTTY === true,
  }
  const args = withTtl(words, options.ttl).map((word) => Buffer.from(word).toString('latin1'))
  const nodes = await Nodes.open(targetOf(options))
  try {
    if (args.length === 0) return await runLines(nodes, manner, out)
    await runCommand(nodes, args, manner, out)
    return true
  } finally {
    nodes.close()
  }
}

/** @throws UsageError if a time to live is given to anything but SET, or is none. */
function withTtl(words: readonly string[], ttl: string | undefined): readonly string[] {
  if (ttl === undefined) return words
  if (words[0]?.toLowerCase() !== 'set')
    throw new UsageError('--ttl is for set alone', 'expire gives a key that is there a time to live')
  if (!/^[1-9]\d{0,11}$/.test(ttl))
    throw new UsageError(`--ttl must be a whole number of seconds, got ${JSON.stringify(ttl)}`)
  return [...words, 'EX', ttl]
}

/** @throws UsageError if an option is wrong, NOT_FOUND if the certificate cannot be read */
function targetOf(options: Options): Target {
  const url = options.url === undefined ? undefined : parseUrl(options.url)
  const port = numberOf('--port', options.port ?? url?.port, DEFAULT_PORT, 65_535)
  const database = numberOf('--db', options.db ?? url?.database, 0, 1023)
  const host = options.host ?? url?.host ?? '127.0.0.1'
  const isSecure = options.tls === true || options.tlsCa !== undefined || url?.isSecure === true
  const user = options.user ?? url?.user
  const password = options.password ?? url?.password ?? process.env['BEDPLATE_CACHE_PASSWORD']
  return {
    host,
    port,
    user: latin1(user),
    password: latin1(password),
    database,
    tls: isSecure ? { ca: options.tlsCa === undefined ? undefined : readCa(options.tlsCa) } : undefined,
  }
}

function parseUrl(text: string): {
  host: string
  port: string | undefined
  user: string | undefined
  password: string | undefined
  database: string | undefined
  isSecure: boolean
} {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^rediss?:$/.test(url.protocol) || url.hostname === '') {
    throw new UsageError(`--url must be like redis://user:password@host:port/database, got ${JSON.stringify(text)}`)
  }
  const given = (part: string): string | undefined => (part === '' ? undefined : decodeURIComponent(part))
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: given(url.port),
    user: given(url.username),
    password: given(url.password),
    database: given(url.pathname.replace(/^\//, '')),
    isSecure: url.protocol === 'rediss:',
  }
}

function numberOf(name: string, text: string | undefined, fallback: number, high: number): number {
  if (text === undefined) return fallback
  const value = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN
  if (value <= high) return value
  throw new UsageError(`${name} must be a whole number from 0 to ${high}, got ${JSON.stringify(text)}`)
}

function readCa(path: string): Uint8Array {
  try {
    const bytes = readFileSync(path)
    if (bytes.length > MAX_CA_BYTES) throw new Error('it is longer than 1 MiB')
    return bytes
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause)
    throw new BedplateError('NOT_FOUND', `--tls-ca: cannot read ${path}: ${text}`, { cause })
  }
}

function latin1(text: string | undefined): string | undefined {
  return text === undefined ? undefined : Buffer.from(text).toString('latin1')
}

// Commands that need no keys: what client libraries say when they connect, and how fresh the reads of a connection have to be.
import { decodeSession } from '../../token.ts'
import { refuse, WRONG_PASSWORD } from './errors.ts'
import type { DirectCommand, ReadWish, Talker } from './types.ts'

/** The version of Redis whose clients are expected. */
const REDIS_VERSION = '7.0.15'
const ANY = Number.POSITIVE_INFINITY
/** Those that Redis runs before AUTH. */
const OPEN: ReadonlySet<string> = new Set(['AUTH', 'HELLO', 'QUIT', 'RESET'])
const MAX_STALENESS_MS = 1e12
const READS_SYNTAX =
  'ERR BEDPLATE READS takes DEFAULT, LINEARIZABLE, STALE, STALENESS milliseconds, or SESSION with or without a token'

export const CONNECTION_COMMANDS: readonly (readonly [string, DirectCommand])[] = [
  direct('PING', 1, 2, ({ reply }, [, text]) => (text === undefined ? reply.simple('PONG') : reply.bulk(text))),
  direct('ECHO', 2, 2, ({ reply }, [, text = '']) => reply.bulk(text)),
  direct('HELLO', 1, ANY, hello),
  direct('AUTH', 2, 3, (talker, [, user = '', password]) => {
    talker.authenticate(password === undefined ? user : passwordOf(user, password))
    talker.reply.ok()
  }),
  direct('SELECT', 2, 2, ({ reply }, [, number]) =>
    number === '0' ? reply.ok() : refuse('ERR DB index is out of range'),
  ),
  direct('CLIENT', 2, ANY, client),
  direct('COMMAND', 1, ANY, ({ reply }, [, word]) => (isWord(word, 'COUNT') ? reply.integer(0) : reply.array(0))),
  direct('CONFIG', 2, ANY, ({ reply }, [, word]) =>
    isWord(word, 'GET') ? reply.map(0) : refuse('ERR settings are those of the command line'),
  ),
  direct('INFO', 1, 2, (talker, [, section]) => talker.reply.verbatim('txt', talker.info(section))),
  direct('ROLE', 1, 1, (talker) => talker.role()),
  direct('QUIT', 1, ANY, (talker) => {
    talker.reply.ok()
    talker.hangUp()
  }),
  direct('RESET', 1, 1, (talker) => {
    talker.forget()
    talker.name = ''
    talker.wish = {}
    talker.session = undefined
    talker.reply.protocol = 2
    talker.reply.simple('RESET')
  }),
  // Redis's own words for a client of a cluster that may be shown old values by a replica.
  direct('READONLY', 1, 1, (talker) => wish(talker, { consistency: 'stale' })),
  direct('READWRITE', 1, 1, (talker) => wish(talker, {})),
  direct('BEDPLATE', 2, 4, bedplate),
]

function direct(name: string, least: number, most: number, answer: DirectCommand['answer']): [string, DirectCommand] {
  return [name, { kind: 'direct', isOpen: OPEN.has(name), least, most, answer }]
}

/** There is one user, who has no name but Redis's for it. */
function passwordOf(user: string, password: string): string {
  return user === 'default' ? password : refuse(WRONG_PASSWORD)
}

function isWord(text: string | undefined, word: string): boolean {
  return text?.toUpperCase() === word
}

function wish(talker: Talker, how: ReadWish): void {
  talker.wish = how
  talker.reply.ok()
}

/** HELLO [version [AUTH user password] [SETNAME name]] */
function hello(talker: Talker, args: readonly string[]): void {
  const { reply } = talker
  const [, version, ...options] = args
  if (version !== undefined && version !== '2' && version !== '3') refuse('NOPROTO unsupported protocol version')
  let name: string | undefined
  for (let rest = options; rest.length > 0; ) {
    const [word, first, second] = rest
    if (isWord(word, 'AUTH') && first !== undefined && second !== undefined) {
      talker.authenticate(passwordOf(first, second))
      rest = rest.slice(3)
    } else if (isWord(word, 'SETNAME') && first !== undefined) {
      name = nameFrom(first)
      rest = rest.slice(2)
    } else refuse(`ERR Syntax error in HELLO option '${shown(word ?? '')}'`)
  }
  if (!talker.isKnown)
    refuse(`NOAUTH HELLO must be called with the client already authenticated, or with AUTH default <password>`)
  if (name !== undefined) talker.name = name
  if (version !== undefined) reply.protocol = version === '3' ? 3 : 2
  reply.map(7)
  for (const [key, value] of [
    ['server', 'redis'],
    ['version', REDIS_VERSION],
    ['proto', reply.protocol],
    ['id', talker.id],
    ['mode', 'standalone'],
    ['role', 'master'], // whichever node it is takes writes
  ] as const) {
    reply.bulk(key)
    if (typeof value === 'number') reply.integer(value)
    else reply.bulk(value)
  }
  reply.bulk('modules')
  reply.array(0)
}

function client(talker: Talker, [, word = '', value]: readonly string[]): void {
  const { reply } = talker
  if (isWord(word, 'ID')) reply.integer(talker.id)
  else if (isWord(word, 'GETNAME')) reply.bulkOrNil(talker.name === '' ? undefined : talker.name)
  else if (isWord(word, 'SETNAME')) {
    talker.name = nameFrom(value ?? refuse("ERR wrong number of arguments for 'client|setname' command"))
    reply.ok()
  } else if (isWord(word, 'SETINFO')) {
    reply.ok() // the name and version of a client library
  } else refuse(`ERR unknown subcommand '${shown(word)}'. CLIENT has ID, GETNAME, SETNAME and SETINFO here.`)
}

function nameFrom(name: string): string {
  if (/^[!-~]{0,64}$/.test(name)) return name
  return refuse('ERR Client names cannot contain spaces, newlines or special characters.')
}

/** BEDPLATE READS [how ...], BEDPLATE SESSION */
function bedplate(talker: Talker, [, word = '', how, value]: readonly string[]): void {
  const { reply } = talker
  if (isWord(word, 'SESSION') && how === undefined) reply.bulkOrNil(talker.session)
  else if (!isWord(word, 'READS')) {
    refuse(`ERR unknown subcommand '${shown(word)}'. BEDPLATE has READS and SESSION.`)
  } else if (how === undefined) reply.simple(describeWish(talker.wish))
  else if (isWord(how, 'SESSION')) {
    if (value !== undefined) decodeSession(value) // refuses what is none
    talker.session = value
    wish(talker, { consistency: 'session' })
  } else if (isWord(how, 'STALENESS')) {
    const ms = /^\d{1,12}$/.test(value ?? '') ? Number(value) : Number.NaN
    if (!(ms <= MAX_STALENESS_MS)) refuse(READS_SYNTAX)
    wish(talker, { maxStalenessMs: ms })
  } else if (value !== undefined) refuse(READS_SYNTAX)
  else if (isWord(how, 'DEFAULT')) wish(talker, {})
  else if (isWord(how, 'LINEARIZABLE')) wish(talker, { consistency: 'linearizable' })
  else if (isWord(how, 'STALE')) wish(talker, { consistency: 'stale' })
  else refuse(READS_SYNTAX)
}

function describeWish({ consistency, maxStalenessMs }: ReadWish): string {
  return maxStalenessMs === undefined ? (consistency ?? 'default') : `staleness ${maxStalenessMs}`
}

function shown(text: string): string {
  return text.slice(0, 40).replaceAll(/[^ -~]/g, '?')
}

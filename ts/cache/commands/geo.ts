// Positions: https://redis.io/commands/?group=geo. They are members of sorted sets, whose scores are their cells.
import { formatDouble } from '../../wire/resp/index.ts'
import { parseDouble } from '../keyspace/numbers.ts'
import { SortedSet } from '../keyspace/sorted-set.ts'
import type { Call, Handler, Handlers } from './call.ts'
import { isWord } from './call.ts'
import { fail, NOT_A_FLOAT, SYNTAX_ERROR } from './errors.ts'
import {
  coveringRanges,
  decode,
  distance,
  encode,
  MAX_LATITUDE,
  MAX_LONGITUDE,
  type Position,
  toGeohash,
} from './geohash.ts'
import { addMembers } from './sorted-sets.ts'

const METRES: ReadonlyMap<string, number> = new Map([
  ['M', 1],
  ['KM', 1000],
  ['FT', 0.3048],
  ['MI', 1609.34],
])
const NO_SUCH_MEMBER = 'ERR could not decode requested zset member'

export const GEO_COMMANDS: Handlers = {
  /** GEOADD key [NX | XX] [CH] longitude latitude member... */
  geoadd(call, args) {
    let first = 2
    const flags = new Set<string>()
    while (['NX', 'XX', 'CH'].some((flag) => isWord(args[first], flag)))
      flags.add((args[first++] as string).toUpperCase())
    const count = args.length - first
    if (count === 0 || count % 3 !== 0 || (flags.has('NX') && flags.has('XX'))) fail(SYNTAX_ERROR)
    const pairs: string[] = []
    for (let i = first; i < args.length; i += 3) {
      pairs.push(String(encode(parsePosition(args, i))), args[i + 2] as string)
    }
    addMembers(call, ['ZADD', args[1] as string, ...pairs], 2, flags)
  },

  geopos: forEachMember((call, position) => {
    if (position === undefined) call.reply.nilArray()
    else replyPosition(call, position)
  }),

  geohash: forEachMember((call, position) => {
    call.reply.bulkOrNil(position === undefined ? undefined : toGeohash(position))
  }),

  /** GEODIST key member member [unit] */
  geodist(call, args) {
    const [, key = '', first = '', second = '', unitText] = args
    if (args.length > 5) fail(SYNTAX_ERROR)
    const unit = unitText === undefined ? 1 : parseUnit(unitText)
    const zset = call.zset(key)
    const [a, b] = [zset?.score(first), zset?.score(second)]
    if (a === undefined || b === undefined) return call.reply.nil()
    call.reply.bulk((distance(decode(a), decode(b)) / unit).toFixed(4))
  },

  georadius: (call, args) => radius(call, args, { isByMember: false, stores: true }),
  georadius_ro: (call, args) => radius(call, args, { isByMember: false, stores: false }),
  georadiusbymember: (call, args) => radius(call, args, { isByMember: true, stores: true }),
  georadiusbymember_ro: (call, args) => radius(call, args, { isByMember: true, stores: false }),
  geosearch: (call, args) => search(call, args, 1),
  geosearchstore: (call, args) => search(call, args, 2),
}

/** A circle or a box around a centre, in metres. */
interface Shape {
  centre: Position | undefined
  radius: number | undefined
  box: { readonly width: number; readonly height: number } | undefined
  /** Metres in the unit that distances are given and shown in. */
  unit: number
}

interface Options {
  order: 'none' | 'ascending' | 'descending'
  /** 0 for all. */
  count: number
  takesAny: boolean
  withDistance: boolean
  withHash: boolean
  withPosition: boolean
  destination: string | undefined
  storesDistance: boolean
}

interface Found {
  readonly member: string
  readonly score: number
  readonly position: Position
  readonly metres: number
}

function parsePosition(args: readonly string[], at: number): Position {
  const longitude = parseDouble(args[at] as string) ?? fail(NOT_A_FLOAT)
  const latitude = parseDouble(args[at + 1] as string) ?? fail(NOT_A_FLOAT)
  if (Math.abs(longitude) > MAX_LONGITUDE || Math.abs(latitude) > MAX_LATITUDE) {
    fail(`ERR invalid longitude,latitude pair ${fixed(longitude)},${fixed(latitude)}`)
  }
  return { longitude, latitude }
}

/** As C prints with %f. */
function fixed(value: number): string {
  return Number.isFinite(value) ? value.toFixed(6) : formatDouble(value)
}

function parseUnit(text: string | undefined): number {
  return METRES.get((text ?? '').toUpperCase()) ?? fail('ERR unsupported unit provided. please use M, KM, FT, MI')
}

function parseLength(text: string, what: string): number {
  return parseDouble(text) ?? fail(`ERR need numeric ${what}`)
}

function parseRadius(args: readonly string[], at: number, shape: Shape): void {
  const value = parseLength(args[at] as string, 'radius')
  if (value < 0) fail('ERR radius cannot be negative')
  shape.unit = parseUnit(args[at + 1])
  shape.radius = value * shape.unit
}

function parseBox(args: readonly string[], at: number, shape: Shape): void {
  const width = parseLength(args[at] as string, 'width')
  const height = parseLength(args[at + 1] as string, 'height')
  if (width < 0 || height < 0) fail('ERR height or width cannot be negative')
  shape.unit = parseUnit(args[at + 2])
  shape.box = { width: width * shape.unit, height: height * shape.unit }
}

function forEachMember(show: (call: Call, position: Position | undefined) => void): Handler {
  return (call, args) => {
    const zset = call.zset(args[1] as string)
    call.reply.array(args.length - 2)
    for (let i = 2; i < args.length; i++) {
      const score = zset?.score(args[i] as string)
      show(call, score === undefined ? undefined : decode(score))
    }
  }
}

function replyPosition({ reply }: Call, { longitude, latitude }: Position): void {
  reply.array(2)
  for (const angle of [longitude, latitude]) reply.doubleText(angle.toFixed(17).replace(/\.?0+$/, ''))
}

function memberPosition(zset: SortedSet, member: string): Position {
  return decode(zset.score(member) ?? fail(NO_SUCH_MEMBER))
}

function newOptions(): Options {
  return {
    order: 'none',
    count: 0,
    takesAny: false,
    withDistance: false,
    withHash: false,
    withPosition: false,
    destination: undefined,
    storesDistance: false,
  }
}

/** Takes an option that all searches know. @returns The index of its last argument, -1 if it is none. */
function parseCommon(call: Call, args: readonly string[], at: number, options: Options): number {
  switch ((args[at] as string).toUpperCase()) {
    case 'WITHDIST':
      options.withDistance = true
      return at
    case 'WITHHASH':
      options.withHash = true
      return at
    case 'WITHCOORD':
      options.withPosition = true
      return at
    case 'ANY':
      options.takesAny = true
      return at
    case 'ASC':
      options.order = 'ascending'
      return at
    case 'DESC':
      options.order = 'descending'
      return at
    case 'COUNT':
      if (args[at + 1] === undefined) return -1
      options.count = call.position(args[at + 1] as string)
      if (options.count <= 0) fail('ERR COUNT must be > 0')
      return at + 1
    default:
      return -1
  }
}

/** GEORADIUS key longitude latitude radius unit [option...] [STORE key | STOREDIST key]; BYMEMBER has a member for the centre. */
function radius(call: Call, args: readonly string[], form: { isByMember: boolean; stores: boolean }): void {
  const zset = call.zset(args[1] as string)
  const shape: Shape = { centre: undefined, radius: undefined, box: undefined, unit: 1 }
  const first = form.isByMember ? 5 : 6
  if (!form.isByMember) shape.centre = parsePosition(args, 2)
  else if (zset !== undefined) shape.centre = memberPosition(zset, args[2] as string)
  if (shape.centre !== undefined) parseRadius(args, first - 2, shape) // as Redis: not if there is no key to look at
  const options = newOptions()
  for (let i = first; i < args.length; i++) {
    const last = parseCommon(call, args, i, options)
    if (last !== -1) i = last
    else if (form.stores && i + 1 < args.length && (isWord(args[i], 'STORE') || isWord(args[i], 'STOREDIST'))) {
      options.storesDistance = isWord(args[i], 'STOREDIST')
      options.destination = args[++i] as string
    } else fail(SYNTAX_ERROR)
  }
  answer(call, zset, shape, options, { option: 'STORE option in GEORADIUS', event: 'georadiusstore' })
}

/** GEOSEARCH key FROMMEMBER member | FROMLONLAT longitude latitude BYRADIUS radius unit | BYBOX width height unit [option...] */
function search(call: Call, args: readonly string[], keyAt: 1 | 2): void {
  const zset = call.zset(args[keyAt] as string)
  const shape: Shape = { centre: undefined, radius: undefined, box: undefined, unit: 1 }
  const options = newOptions()
  if (keyAt === 2) options.destination = args[1] as string
  let origin: 'member' | 'position' | undefined
  for (let i = keyAt + 1; i < args.length; i++) {
    const left = args.length - i - 1
    const last = parseCommon(call, args, i, options)
    if (last !== -1) i = last
    else if (keyAt === 2 && isWord(args[i], 'STOREDIST')) options.storesDistance = true
    else if (isWord(args[i], 'FROMMEMBER') && left >= 1 && origin !== 'position') {
      origin = 'member'
      const member = args[++i] as string
      if (zset !== undefined) shape.centre = memberPosition(zset, member)
    } else if (isWord(args[i], 'FROMLONLAT') && left >= 2 && origin !== 'member') {
      origin = 'position'
      shape.centre = parsePosition(args, i + 1)
      i += 2
    } else if (isWord(args[i], 'BYRADIUS') && left >= 2 && shape.box === undefined) {
      parseRadius(args, i + 1, shape)
      i += 2
    } else if (isWord(args[i], 'BYBOX') && left >= 3 && shape.radius === undefined) {
      parseBox(args, i + 1, shape)
      i += 3
    } else fail(SYNTAX_ERROR)
  }
  refuseWithout(origin, `exactly one of FROMMEMBER or FROMLONLAT can be specified for ${args[0]}`)
  refuseWithout(shape.radius ?? shape.box, `exactly one of BYRADIUS and BYBOX can be specified for ${args[0]}`)
  answer(call, zset, shape, options, { option: 'GEOSEARCHSTORE', event: 'geosearchstore' })
}

function refuseWithout(value: unknown, text: string): void {
  if (value === undefined) fail(`ERR ${text}`)
}

/** What stores the result: how errors name it, and the keyspace event that tells of it. */
interface Storer {
  readonly option: string
  readonly event: string
}

function answer(call: Call, zset: SortedSet | undefined, shape: Shape, options: Options, storer: Storer): void {
  const { reply } = call
  const { destination, withDistance, withHash, withPosition, count, takesAny } = options
  if (destination !== undefined && (withDistance || withHash || withPosition)) {
    fail(`ERR ${storer.option} is not compatible with WITHDIST, WITHHASH and WITHCOORD options`)
  }
  if (takesAny && count === 0) fail('ERR the ANY argument requires COUNT argument')
  const found = zset === undefined ? [] : find(zset, shape, takesAny ? count : Number.POSITIVE_INFINITY)
  const order = options.order === 'none' && count > 0 && !takesAny ? 'ascending' : options.order
  if (order !== 'none') found.sort((a, b) => (order === 'ascending' ? a.metres - b.metres : b.metres - a.metres))
  const shown = count > 0 ? found.slice(0, count) : found
  if (destination !== undefined) {
    const result = new SortedSet()
    for (const { member, score, metres } of shown) {
      result.set(member, options.storesDistance ? metres / shape.unit : score, call.limits)
    }
    call.store(destination, result.size === 0 ? undefined : result, 'z', storer.event)
    reply.integer(result.size)
    return
  }
  const extras = [withDistance, withHash, withPosition].filter(Boolean).length
  reply.array(shown.length)
  for (const { member, score, position, metres } of shown) {
    if (extras > 0) reply.array(1 + extras)
    reply.bulk(member)
    if (withDistance) reply.bulk((metres / shape.unit).toFixed(4))
    if (withHash) reply.integer(Math.trunc(score))
    if (withPosition) replyPosition(call, position)
  }
}

/** The members within a shape, at most `limit`. */
function find(zset: SortedSet, shape: Shape, limit: number): Found[] {
  const centre = shape.centre as Position
  const [halfWidth, halfHeight] =
    shape.box === undefined
      ? [shape.radius as number, shape.radius as number]
      : [shape.box.width / 2, shape.box.height / 2]
  const found: Found[] = []
  for (const { from, to } of coveringRanges(centre, halfWidth, halfHeight)) {
    const start = zset.countBefore((score) => score < from)
    const end = zset.countBefore((score) => score < to)
    zset.visit(start, end, false, (member, score) => {
      if (found.length >= limit) return
      const position = decode(score)
      const metres = distance(centre, position)
      const isInside = shape.box === undefined ? metres <= halfWidth : isInBox(centre, position, halfWidth, halfHeight)
      if (isInside) found.push({ member, score, position, metres })
    })
  }
  return found
}

/** The width of a box is measured at the latitude of the position. */
function isInBox(centre: Position, position: Position, halfWidth: number, halfHeight: number): boolean {
  const north = distance(position, { longitude: position.longitude, latitude: centre.latitude })
  const east = distance(position, { longitude: centre.longitude, latitude: position.latitude })
  return north <= halfHeight && east <= halfWidth
}

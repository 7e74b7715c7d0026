// Positions on the globe as scores of sorted sets: 26 bits of latitude and 26 of longitude, interleaved, so that near positions
// mostly have near scores (Morton, 1966; Redis's geohash.c). Latitudes end where the Mercator map does.

export interface Position {
  readonly longitude: number
  readonly latitude: number
}

export const MAX_LATITUDE = 85.05112878
export const MAX_LONGITUDE = 180
const MAX_STEP = 26
const EARTH_RADIUS_M = 6372797.560856
/** Half of the equator on the map. */
const MERCATOR_MAX_M = 20037726.37
const ALPHABET = '0123456789bcdefghjkmnpqrstuvwxyz'
const HASH_CHARACTERS = 10

/** The score of a position: 52 bits. */
export function encode(position: Position): number {
  const { x, y } = cellOf(position, MAX_STEP)
  return interleave(x, y)
}

/** The middle of the cell of a score. */
export function decode(score: number): Position {
  const { x, y } = separate(score)
  const cells = 2 ** MAX_STEP
  // Half of the sum of both edges, each rounded by itself, as Redis has it: clients see all 17 digits.
  const middle = (cell: number, limit: number): number => {
    const low = -limit + (cell / cells) * (2 * limit)
    const high = -limit + ((cell + 1) / cells) * (2 * limit)
    return Math.max(-limit, Math.min(limit, (low + high) / 2))
  }
  return { longitude: middle(x, MAX_LONGITUDE), latitude: middle(y, MAX_LATITUDE) }
}

/** The eleven characters of geohash.org, whose latitudes reach to the poles; only 52 bits are known, so the last one is 0. */
export function toGeohash({ longitude, latitude }: Position): string {
  const cells = 2 ** MAX_STEP
  const x = Math.floor(((longitude + 180) / 360) * cells)
  const y = Math.floor(((latitude + 90) / 180) * cells)
  let bits = BigInt(interleave(x, y)) >> 2n
  let text = ''
  for (let i = 0; i < HASH_CHARACTERS; i++) {
    text = ALPHABET.charAt(Number(bits & 31n)) + text
    bits >>= 5n
  }
  return `${text}0`
}

/** The distance in metres, by the haversine formula on a sphere. */
export function distance(a: Position, b: Position): number {
  const [latitudeA, latitudeB] = [radians(a.latitude), radians(b.latitude)]
  const v = Math.sin((radians(b.longitude) - radians(a.longitude)) / 2)
  if (v === 0) return EARTH_RADIUS_M * Math.abs(latitudeB - latitudeA)
  const u = Math.sin((latitudeB - latitudeA) / 2)
  return 2 * EARTH_RADIUS_M * Math.asin(Math.sqrt(u * u + Math.cos(latitudeA) * Math.cos(latitudeB) * v * v))
}

/** Scores from `from` to before `to`. */
export interface ScoreRange {
  readonly from: number
  readonly to: number
}

/**
 * Ranges of scores that hold every position at most `halfWidth` metres east or west and `halfHeight` metres north or south of the
 * centre: the cell of the centre and its neighbours, in Redis's order, at the finest step at which they reach far enough.
 */
export function coveringRanges(centre: Position, halfWidth: number, halfHeight: number): ScoreRange[] {
  const step = coveringStep(centre, halfWidth, halfHeight)
  const cells = 2 ** step
  const { x, y } = cellOf(centre, step)
  const around = [
    [0, 0],
    [0, 1],
    [0, -1],
    [1, 0],
    [-1, 0],
    [1, 1],
    [-1, 1],
    [1, -1],
    [-1, -1],
  ] as const
  const size = 4 ** (MAX_STEP - step)
  const found = new Map<number, ScoreRange>()
  for (const [dx, dy] of around) {
    if (y + dy < 0 || y + dy >= cells) continue // there is nothing beyond the poles
    const from = interleave((x + dx + cells) % cells, y + dy) * size
    if (!found.has(from)) found.set(from, { from, to: from + size })
  }
  return [...found.values()]
}

function coveringStep(centre: Position, halfWidth: number, halfHeight: number): number {
  const range = Math.hypot(halfWidth, halfHeight)
  let step = range === 0 ? MAX_STEP : 1
  for (let reach = range; reach > 0 && reach < MERCATOR_MAX_M; reach *= 2) step++
  step = Math.min(MAX_STEP, Math.max(1, step - 1))
  const deltaLatitude = degrees(halfHeight / EARTH_RADIUS_M)
  const farthest = Math.min(90, Math.abs(centre.latitude) + deltaLatitude)
  const shrink = Math.cos(radians(farthest))
  const deltaLongitude = shrink < 1e-6 ? 360 : degrees(halfWidth / EARTH_RADIUS_M / shrink)
  // One neighbour to each side reaches at least the size of a cell, wherever in its cell the centre lies.
  while (step > 1 && (360 / 2 ** step < deltaLongitude || (2 * MAX_LATITUDE) / 2 ** step < deltaLatitude)) step--
  return step
}

function cellOf({ longitude, latitude }: Position, step: number): { x: number; y: number } {
  const cells = 2 ** step
  const x = Math.floor(((longitude + MAX_LONGITUDE) / (2 * MAX_LONGITUDE)) * cells)
  const y = Math.floor(((latitude + MAX_LATITUDE) / (2 * MAX_LATITUDE)) * cells)
  return { x: Math.min(x, cells - 1), y: Math.min(y, cells - 1) }
}

/** Longitude on the odd bits, latitude on the even ones, 26 of each; in two halves, since bit operations have 32. */
function interleave(x: number, y: number): number {
  const high = (spread(x >>> 13) << 1) | spread(y >>> 13)
  const low = (spread(x & 0x1fff) << 1) | spread(y & 0x1fff)
  return high * 2 ** 26 + low
}

function separate(score: number): { x: number; y: number } {
  const high = Math.floor(score / 2 ** 26)
  const low = score % 2 ** 26
  return { x: (gather(high >>> 1) << 13) | gather(low >>> 1), y: (gather(high) << 13) | gather(low) }
}

/** Puts a zero before each of 13 bits. */
function spread(bits: number): number {
  let spaced = 0
  for (let i = 0; i < 13; i++) spaced |= ((bits >>> i) & 1) << (2 * i)
  return spaced
}

function gather(bits: number): number {
  let dense = 0
  for (let i = 0; i < 13; i++) dense |= ((bits >>> (2 * i)) & 1) << i
  return dense
}

function radians(angle: number): number {
  return angle * (Math.PI / 180)
}

function degrees(angle: number): number {
  return angle / (Math.PI / 180)
}

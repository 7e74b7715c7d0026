// Ketama, as libmemcached's clients place keys on memcached servers (Jones, "libketama", 2007; libmemcached's MEMCACHED_BEHAVIOR_KETAMA_WEIGHTED).
//
//   points of a server   4 x floor(its part of all weight x 40 x servers): 160 a server if all weigh the same
//   their places         the MD5 of "NAME-0", "NAME-1", ...: four points each, of four bytes each, the lowest byte first
//   place of a key       the first four bytes of its MD5, the lowest first
//   the server of a key  that of the first point at or above its place, the circle going on at 0
//
// NAME is what the client calls the server: "10.0.1.1:11211" for most; libmemcached leaves out the port if it is 11211.
import { checkNames } from './check.ts'
import { md5 } from './md5.ts'
import { TokenIndex } from './token-index.ts'
import type { Key } from './types.ts'

const HASHES_A_SERVER = 40
const POINTS_A_HASH = 4
const SIZE = 2 ** 32
/** What libmemcached adds before it rounds down, so that parts such as 1/3 of 3 servers come out whole. */
const ROUNDING = 1e-10

const encoder = new TextEncoder()

export interface KetamaServer {
  /** As the other clients call it; 1 to 255 characters. */
  readonly name: string
  /** Above 0, at most 1000; 1 unless told. */
  readonly weight?: number
}

/**
 * Places keys where clients of memcached that know ketama look for them. For new systems `Ring` is more even, moves less and is
 * faster.
 *
 * @example
 * const servers = new KetamaRing([{ name: '10.0.1.1:11211' }, { name: '10.0.1.2:11211', weight: 2 }])
 * servers.nodeOf('user:42')
 */
export class KetamaRing {
  private readonly names: readonly string[]
  private readonly index: TokenIndex
  private readonly owners: Uint32Array

  /** @throws INVALID_INPUT for names and weights that cannot be, and for a name that stands twice. */
  constructor(servers: readonly KetamaServer[]) {
    checkNames(servers, 'KetamaRing')
    this.names = servers.map(({ name }) => name)
    const totalWeight = servers.reduce((sum, { weight = 1 }) => sum + weight, 0)
    const points: { place: number; owner: number }[] = []
    for (const [owner, { name, weight = 1 }] of servers.entries()) {
      const hashes = Math.floor((weight / totalWeight) * HASHES_A_SERVER * servers.length + ROUNDING)
      for (let i = 0; i < hashes; i++) {
        const words = md5(encoder.encode(`${name}-${i}`))
        for (let j = 0; j < POINTS_A_HASH; j++) points.push({ place: words[j] as number, owner })
      }
    }
    points.sort((a, b) => a.place - b.place)
    this.index = new TokenIndex(
      Float64Array.from(points, ({ place }) => place),
      SIZE,
    )
    this.owners = Uint32Array.from(points, ({ owner }) => owner)
  }

  /** Points of all servers. */
  get pointCount(): number {
    return this.owners.length
  }

  /** The server of a key; undefined if there is none. O(length of the key). */
  nodeOf(key: Key): string | undefined {
    const place = md5(typeof key === 'string' ? encoder.encode(key) : key)[0] as number
    // The first point at a place is the first above the place before.
    const index = place === 0 ? 0 : this.index.after(place - 1)
    const owner = this.owners[index]
    return owner === undefined ? undefined : this.names[owner]
  }
}

// A store of versions in memory: what the engine reads, in the order in which it scans.
import { positionOf, type TokenRange } from '../../../ts/distributed/ring/index.ts'
import { compareKeys, type Entry, type VersionStore, type Versions } from '../../../ts/distributed/ring/store/index.ts'

export class MapStore implements VersionStore {
  private readonly entries: Map<string, Versions>
  /** Made anew when it is needed after a key has come or gone. */
  private sorted: readonly string[] | undefined

  constructor(entries: Iterable<readonly [string, Versions]>) {
    this.entries = new Map(entries)
  }

  get(key: string): Versions | undefined {
    return this.entries.get(key)
  }

  /** Undefined versions remove the key. */
  set(key: string, versions: Versions | undefined): void {
    if (versions === undefined ? this.entries.delete(key) : !this.entries.has(key)) this.sorted = undefined
    if (versions !== undefined) this.entries.set(key, versions)
  }

  scan({ start, end }: TokenRange, after: string | undefined, limit: number): readonly Entry[] {
    this.sorted ??= [...this.entries.keys()].sort(compareKeys)
    return this.sorted
      .filter((key) => positionOf(key) >= start && positionOf(key) < end)
      .filter((key) => after === undefined || compareKeys(key, after) > 0)
      .slice(0, limit)
      .map((key) => ({ key, versions: this.entries.get(key) as Versions }))
  }
}

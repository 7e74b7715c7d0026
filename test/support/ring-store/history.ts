// What clients asked and were told, and what must hold of it.
import { covers, type Dot, type Versions, type VersionVector } from '../../../ts/distributed/ring/store/index.ts'

/** What a client saw that must not be. */
export class Violation extends Error {}

interface Told {
  readonly key: string
  readonly dot: Dot
  readonly atMs: number
  /** What it replaces. */
  readonly context: VersionVector
  readonly isDeletion: boolean
}

/** Everything that clients asked and were told. */
export class History {
  completed = 0
  private readonly told: Told[] = []
  /** What writes replaced, told or not. */
  private readonly asked: { readonly key: string; readonly context: VersionVector; readonly isDeletion: boolean }[] = []
  private readonly valueOfDot = new Map<string, string>()

  asks(key: string, context: VersionVector, isDeletion: boolean): void {
    if (context.size > 0) this.asked.push({ key, context, isDeletion })
  }

  written(told: Told, value: string | undefined): void {
    this.completed++
    this.named(told.key, told.dot, value)
    this.told.push(told)
  }

  /** The promise of R + W > N; and that nothing is lost which nobody has replaced, and nothing comes back that was. */
  found(key: string, { context, siblings }: Versions, sinceMs: number): void {
    this.completed++
    for (const { dot, value } of siblings) this.named(key, dot, text(value))
    for (const write of this.told) {
      if (write.key !== key || write.atMs > sinceMs) continue
      const { dot } = write
      const back = siblings.find((each) => covers(write.context, each.dot))
      if (back !== undefined) throw new Violation(`${nameOf(back.dot)} of ${key} is back, and was replaced before`)
      const replacing = this.asked.filter((each) => each.key === key && covers(each.context, dot))
      if (!covers(context, dot)) {
        // A deletion is forgotten when all replicas have it, and what it deleted is forgotten with it.
        if (write.isDeletion || replacing.some(({ isDeletion }) => isDeletion)) continue
        throw new Violation(`a read of ${key} misses ${nameOf(dot)}, which was told before it began`)
      }
      const lives = siblings.some((each) => each.dot.node === dot.node && each.dot.count === dot.count)
      if (!lives && replacing.length === 0 && !write.isDeletion) {
        throw new Violation(`${nameOf(dot)} of ${key} is gone, and nobody has replaced it`)
      }
    }
  }

  /** The keys that were written, and were told. */
  get keys(): ReadonlySet<string> {
    return new Set(this.told.map(({ key }) => key))
  }

  private named(key: string, dot: Dot, value: string | undefined): void {
    const name = `${key} ${nameOf(dot)}`
    const known = this.valueOfDot.get(name)
    const given = value ?? 'nothing'
    if (known !== undefined && known !== given) throw new Violation(`${name} names both ${known} and ${given}`)
    this.valueOfDot.set(name, given)
  }
}

function nameOf({ node, count }: Dot): string {
  return `write ${count} of ${node}`
}

function text(value: Uint8Array | undefined): string | undefined {
  return value === undefined ? undefined : new TextDecoder().decode(value)
}

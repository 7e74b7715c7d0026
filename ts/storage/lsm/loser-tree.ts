// A tournament of sorted sources in which every inner node remembers who lost there: the next winner costs one comparison a
// level (Knuth, TAOCP 3, §5.4.1).

/** The contestants are the numbers from 0 to `count - 1`. */
export class LoserTree {
  private readonly count: number
  /** True if contestant `a` comes before `b`. One that has ended comes after all others. */
  private readonly isBefore: (a: number, b: number) => boolean
  /** Of the inner nodes 1 to `count - 1`, who lost there; node i has the children 2 i and 2 i + 1, leaf c is `count + c`. */
  private readonly losers: Int32Array
  private best = 0

  constructor(count: number, isBefore: (a: number, b: number) => boolean) {
    this.count = count
    this.isBefore = isBefore
    this.losers = new Int32Array(Math.max(1, count))
  }

  /** Who comes first. Good between `rebuild` or `replay` and the next change of a contestant. */
  get winner(): number {
    return this.best
  }

  /** Plays every game. */
  rebuild(): void {
    this.best = this.count === 1 ? 0 : this.play(1)
  }

  /** Plays the games of the winner again, whose place has changed. */
  replay(): void {
    let best = this.best
    for (let node = (this.count + best) >> 1; node >= 1; node >>= 1) {
      const loser = this.losers[node] as number
      if (!this.isBefore(loser, best)) continue
      this.losers[node] = best
      best = loser
    }
    this.best = best
  }

  private play(node: number): number {
    if (node >= this.count) return node - this.count
    const left = this.play(2 * node)
    const right = this.play(2 * node + 1)
    const leftWins = this.isBefore(left, right)
    this.losers[node] = leftWins ? right : left
    return leftWins ? left : right
  }
}

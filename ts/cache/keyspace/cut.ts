// A database as it was at one moment, while it goes on changing: how a snapshot is made without a fork.
//
// Every entry that was there at the cut is written once: when its turn comes, from the last position to the first, or just before
// somebody lays hands on it. Whoever changes a value has looked it up before, so that looking up is where it is written. A flag for
// each position says whether what lies there is written or was added since; flags move with entries. So a cut costs a byte a key
// for as long as it lasts, and a command waits for no more than the values that it touches.

/** See the top of this file. Made by `Database.cut`. */
export class Cut<Entry extends { readonly position: number }> {
  readonly #write: (entry: Entry) => void
  /** The entries of the database; after it was cleared, those that it had. */
  readonly #entries: readonly Entry[]
  #isDone: Uint8Array
  /** What lies here and behind is done. */
  #left: number

  constructor(entries: readonly Entry[], write: (entry: Entry) => void) {
    this.#entries = entries
    this.#write = write
    this.#isDone = new Uint8Array(entries.length)
    this.#left = entries.length
  }

  /** Writes the next entry whose turn it is. @returns False if there is none left. */
  step(): boolean {
    // Entries that went have made the database shorter.
    this.#left = Math.min(this.#left, this.#entries.length)
    while (this.#left > 0) {
      const entry = this.#entries[--this.#left] as Entry
      if (this.#isDone[entry.position] === 1) continue
      this.touch(entry)
      return true
    }
    return false
  }

  /** An entry may change after this, or go. */
  touch(entry: Entry): void {
    if (this.#isDone[entry.position] === 1) return
    this.#isDone[entry.position] = 1
    this.#write(entry)
  }

  /** A new entry lies at `position`, behind all others. */
  added(position: number): void {
    if (position >= this.#isDone.length) {
      const larger = new Uint8Array(Math.max(position + 1, 2 * this.#isDone.length))
      larger.set(this.#isDone)
      this.#isDone = larger
    }
    this.#isDone[position] = 1
  }

  /** The last entry takes the place of one that is gone. */
  moved(from: number, to: number): void {
    this.#isDone[to] = this.#isDone[from] as number
  }
}

/** The cuts of a database that are under way: mostly none, which whoever has them shows as undefined, or one. */
export class Cuts<Entry extends { readonly position: number }> {
  readonly #cuts: readonly Cut<Entry>[]

  constructor(cuts: readonly Cut<Entry>[]) {
    this.#cuts = cuts
  }

  /** These and one more. */
  with(cut: Cut<Entry>): Cuts<Entry> {
    return new Cuts([...this.#cuts, cut])
  }

  /** These but for one; undefined if none is left. */
  without(cut: Cut<Entry>): Cuts<Entry> | undefined {
    const left = this.#cuts.filter((each) => each !== cut)
    return left.length === 0 ? undefined : new Cuts(left)
  }

  touch(entry: Entry): void {
    for (const cut of this.#cuts) cut.touch(entry)
  }

  added(position: number): void {
    for (const cut of this.#cuts) cut.added(position)
  }

  moved(from: number, to: number): void {
    for (const cut of this.#cuts) cut.moved(from, to)
  }
}

// From which eras there is something that may still be sent: requests, hints.

/** Counts what is under way. */
export class UnderWay {
  private readonly counts = new Map<number, number>()

  begin(era: number): void {
    this.counts.set(era, (this.counts.get(era) ?? 0) + 1)
  }

  end(era: number): void {
    const count = (this.counts.get(era) ?? 0) - 1
    if (count > 0) this.counts.set(era, count)
    else this.counts.delete(era)
  }

  /** The oldest era of them; `now` if there is none. */
  floor(now: number): number {
    let floor = now
    for (const era of this.counts.keys()) if (era < floor) floor = era
    return floor
  }
}

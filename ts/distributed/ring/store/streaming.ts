// What a newcomer does while the ring streams: copies its ranges, leg by leg and page by page, and notes how far it is.
//
// Some legs are under way at once, so that nobody waits while a page is on its way, and several sources share the work. How much comes
// in a tick is bounded, in entries and in bytes; what a page brings above that is waited off in the next ticks. The note has
// the first leg that is not whole: a crash costs what was copied behind that.
//
// A leg begins when its source has the ring that streams on its disk: a request of another epoch is not answered. From then on the source
// takes no write of a coordinator that does not know of the newcomer. So what the source has, with what both are sent meanwhile, is all.
import { lacks } from '../../../storage/mutant.ts'
import { compareKeys, sizeOf } from './entries.ts'
import type { Leg } from './layout.ts'
import { Repairing } from './repairing.ts'
import { MAX_PULLS, type Message, type Progress, type StoreOptions } from './types.ts'

/** A leg that is under way. */
interface Pull {
  readonly leg: Leg
  readonly index: number
  /** The last key that came. */
  after: string | undefined
  /** When the page behind it was asked for; undefined if it was not yet. */
  askedTick: number | undefined
}

/** A node that copies what it is to hold. */
export class Streaming extends Repairing {
  protected legs: readonly Leg[] = []
  protected progress: Progress
  private pulls: Pull[] = []
  /** Legs that are whole, behind the first one that is not. */
  private readonly ahead = new Set<number>()
  private nextLeg = 0
  /** What may still come in this tick; below 0 if more came. */
  private left = { entries: 0, bytes: 0 }

  constructor(options: StoreOptions) {
    super(options)
    this.progress = this.begun()
    const { progress } = this.options.notes
    if (progress?.epoch === this.state.epoch) this.progress = progress
    this.goOn()
    this.tellIfFilled()
  }

  protected override adopted(): void {
    super.adopted()
    this.progress = this.begun()
    this.goOn()
    if (this.legs.length > 0 && lacks(this.mutant, 'streamed before switch')) {
      this.gossip.tell({ filled: this.state.epoch })
    }
    this.tellIfFilled()
  }

  /** Legs that are whole. */
  protected get doneLegs(): number {
    return this.progress.leg + this.ahead.size
  }

  protected tickStreaming(): void {
    const { entriesPerTick, streamBytesPerTick, requestTicks } = this.options
    this.left.entries = Math.min(this.left.entries, 0) + entriesPerTick
    this.left.bytes = Math.min(this.left.bytes, 0) + streamBytesPerTick
    for (const pull of this.pulls) {
      if (pull.askedTick !== undefined && this.nowTick - pull.askedTick >= requestTicks) pull.askedTick = undefined
    }
    this.pullMore()
  }

  private pullMore(): void {
    for (const pull of this.pulls) if (pull.askedTick === undefined) this.pullNext(pull)
    while (this.pulls.length < MAX_PULLS && this.nextLeg < this.legs.length && this.mayPull()) {
      const index = this.nextLeg++
      const pull = { leg: this.legs[index] as Leg, index, after: undefined, askedTick: undefined }
      this.pulls.push(pull)
      this.pullNext(pull)
    }
  }

  private pullNext(pull: Pull): void {
    if (!this.mayPull()) return
    const { leg, after } = pull
    pull.askedTick = this.nowTick
    this.send(leg.source, { kind: 'pull', start: leg.start, end: leg.end, after })
  }

  private mayPull(): boolean {
    return this.left.entries > 0 && this.left.bytes > 0
  }

  /** @returns Whether the page belongs to what is copied. */
  protected takeStreamed(from: string, message: Message & { kind: 'page' }): boolean {
    const { start, end, after, entries, isLast } = message
    const pull = this.pulls.find(({ leg, after: before, askedTick }) => {
      const isAsked = askedTick !== undefined && before === after
      return isAsked && leg.source === from && leg.start === start && leg.end === end
    })
    if (pull === undefined) return false
    const last = entries.at(-1)?.key
    // A page that does not go on would never end.
    const goesOn = last !== undefined && (after === undefined || compareKeys(last, after) > 0)
    if (!isLast && !goesOn) return true
    let bytes = 0
    for (const entry of entries) {
      this.learnEntry(entry)
      bytes += sizeOf(entry)
    }
    this.left.entries -= Math.max(1, entries.length)
    this.left.bytes -= bytes
    pull.askedTick = undefined
    pull.after = last
    if (isLast) this.endLeg(pull)
    const { leg } = this.progress
    this.progress = {
      ...{ epoch: this.state.epoch, leg, after: this.pulls.find(({ index }) => index === leg)?.after },
      ...{ keys: this.progress.keys + entries.length, bytes: this.progress.bytes + bytes },
    }
    this.pullMore()
    this.noteProgress()
    return true
  }

  private endLeg(pull: Pull): void {
    this.pulls = this.pulls.filter((each) => each !== pull)
    this.ahead.add(pull.index)
    let { leg } = this.progress
    while (this.ahead.delete(leg)) leg++
    this.progress = { ...this.progress, leg }
  }

  private noteProgress(): void {
    const { epoch } = this.state
    const { progress } = this
    this.persistNotes({ progress }, () => {
      if (this.state.epoch === epoch) this.tellIfFilled(progress.leg)
    })
  }

  /** Only what is on disk is told. @param leg - The first leg that is not whole there. */
  private tellIfFilled(leg = this.progress.leg): void {
    if (this.legs.length > 0 && leg >= this.legs.length) this.gossip.tell({ filled: this.state.epoch })
  }

  /** Goes on where the progress is. */
  private goOn(): void {
    this.legs = this.layout.legsOf(this.name)
    const { leg: index, after } = this.progress
    const leg = this.legs[index]
    this.pulls = leg === undefined ? [] : [{ leg, index, after, askedTick: undefined }]
    this.nextLeg = index + 1
    this.ahead.clear()
  }

  private begun(): Progress {
    return { epoch: this.state.epoch, leg: 0, after: undefined, keys: 0, bytes: 0 }
  }
}

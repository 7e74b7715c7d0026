// What a newcomer does while the ring streams: copies its ranges, leg by leg and page by page, so many entries a tick, and notes how
// far it is.
//
// A leg begins when its source has the ring that streams on its disk: a request of another epoch is not answered. From then on the source
// takes no write of a coordinator that does not know of the newcomer. So what the source has, with what both are sent meanwhile, is all.
import { lacks } from '../../../storage/mutant.ts'
import { sizeOf } from './entries.ts'
import type { Leg } from './layout.ts'
import { Repairing } from './repairing.ts'
import type { Message, Progress, StoreOptions } from './types.ts'

/** A node that copies what it is to hold. */
export class Streaming extends Repairing {
  protected legs: readonly Leg[] = []
  protected progress: Progress
  /** The page that is under way was asked for then. */
  private pulledTick: number | undefined
  /** How many entries may still come in this tick. */
  private left = 0

  constructor(options: StoreOptions) {
    super(options)
    this.progress = this.begun()
    const { progress } = this.options.notes ?? {}
    if (progress?.epoch === this.state.epoch) this.progress = progress
    this.legs = this.layout.legsOf(this.name)
    this.tellIfFilled()
  }

  protected override adopted(): void {
    super.adopted()
    this.progress = this.begun()
    this.legs = this.layout.legsOf(this.name)
    this.pulledTick = undefined
    if (this.legs.length > 0 && lacks(this.mutant, 'streamed before switch')) {
      this.gossip.tell({ filled: this.state.epoch })
    }
    this.tellIfFilled()
  }

  protected tickStreaming(): void {
    this.left = this.options.entriesPerTick
    if (this.pulledTick === undefined || this.nowTick - this.pulledTick >= this.options.requestTicks) this.pullNext()
  }

  private pullNext(): void {
    const leg = this.legs[this.progress.leg]
    this.pulledTick = undefined
    if (leg === undefined || this.left <= 0) return
    this.pulledTick = this.nowTick
    this.send(leg.source, { kind: 'pull', start: leg.start, end: leg.end, after: this.progress.after })
  }

  /** @returns Whether the page belongs to what is copied. */
  protected takeStreamed(from: string, message: Message & { kind: 'page' }): boolean {
    const { start, end, after, entries, isLast } = message
    const leg = this.legs[this.progress.leg]
    if (leg?.source !== from || leg.start !== start || leg.end !== end || this.progress.after !== after) return false
    if (!isLast && entries.length === 0) return true
    let { keys, bytes } = this.progress
    for (const entry of entries) {
      this.learnEntry(entry)
      keys++
      bytes += sizeOf(entry)
    }
    const place = isLast
      ? { leg: this.progress.leg + 1, after: undefined }
      : { leg: this.progress.leg, after: entries.at(-1)?.key }
    this.progress = { epoch: this.state.epoch, ...place, keys, bytes }
    this.left -= Math.max(1, entries.length)
    this.pullNext()
    const { epoch } = this.state
    this.persistNotes({ progress: this.progress }, () => {
      if (this.state.epoch === epoch) this.tellIfFilled()
    })
    return true
  }

  /** Only what is on disk is told: it is called when the progress is. */
  private tellIfFilled(): void {
    if (this.legs.length > 0 && this.progress.leg >= this.legs.length) this.gossip.tell({ filled: this.state.epoch })
  }

  private begun(): Progress {
    return { epoch: this.state.epoch, leg: 0, after: undefined, keys: 0, bytes: 0 }
  }
}

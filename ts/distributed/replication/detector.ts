// How long silence is usual: mean and deviation of the intervals between signs of life, estimated as TCP estimates its
// retransmission timeout (Jacobson, "Congestion Avoidance and Control", SIGCOMM 1988, appendix A; RFC 6298, §2). For failure
// detectors: Bertier, Marin and Sens, "Implementation and Performance Evaluation of an Adaptable Failure Detector", DSN 2002.
//
// Signs of life that come faster than the usual beat are not counted, since rounds for reads come as often as reads do.
import type { Term, Tick } from '../raft/index.ts'

/** Weights of the newest interval (RFC 6298, §2.3). */
const MEAN_WEIGHT = 1 / 8
const DEVIATION_WEIGHT = 1 / 4
/** Deviations beyond the mean. */
const DEVIATIONS = 4
/** Signs of life in a row that may be lost. */
const LOSSES = 2

export interface Beat {
  /** What is usual if nothing disturbs it. */
  readonly beatTicks: Tick
  /** Longer intervals count as so long: an outage says little of the time after it. */
  readonly mostTicks: Tick
}

/** What is known of one peer's signs of life. */
export class Detector {
  private readonly beat: Beat
  private mean: number
  private deviation = 0
  private last: { readonly tick: Tick; readonly term: Term } | undefined

  constructor(beat: Beat) {
    this.beat = beat
    this.mean = beat.beatTicks
  }

  /** A sign of life has come. Between those of two terms lies an election, which is not waited for again. */
  heard(nowTick: Tick, term: Term): void {
    const { last, beat } = this
    if (last?.term === term) {
      const interval = nowTick - last.tick
      if (interval < beat.beatTicks) return
      const error = Math.min(interval, beat.mostTicks) - this.mean
      this.deviation += (Math.abs(error) - this.deviation) * DEVIATION_WEIGHT
      this.mean += error * MEAN_WEIGHT
    }
    this.last = { tick: nowTick, term }
  }

  /** Silence up to so many ticks is no surprise. */
  get usualTicks(): Tick {
    return Math.ceil(this.mean * (1 + LOSSES) + DEVIATIONS * this.deviation)
  }
}

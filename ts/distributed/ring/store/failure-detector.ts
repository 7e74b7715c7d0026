// How suspicious a silence is, judged by the silences before it (Hayashibara, Défago, Yared, Katayama, "The phi Accrual Failure
// Detector", SRDS 2004).
//
// phi = -log10 of the chance that a heartbeat comes later than now, if silences are distributed as the last ones were: 1 is one wrong
// suspicion in 10, 8 one in 10^8. The normal distribution's tail is approximated by a logistic curve, within 0.00014
// (Bowling et al., "A Logistic Approximation to the Cumulative Normal Distribution", JIEM 2009).

/** Silences that count. */
const WINDOW = 100

/** Watches one node. Time is in ticks. */
export class FailureDetector {
  private readonly silences: number[] = []
  private next = 0
  private lastTick: number
  private readonly leastDeviation: number
  /** Of the silences; undefined while it is not known of the last ones. */
  private rhythm: { readonly mean: number; readonly deviation: number } | undefined

  /** @param usualTicks - What a silence usually lasts, until some are known. @param nowTick - Counts as heard from now. */
  constructor(usualTicks: number, nowTick: number) {
    this.lastTick = nowTick
    this.leastDeviation = usualTicks / 2
    this.add(usualTicks / 2)
    this.add(usualTicks * 1.5)
  }

  /** It was heard. */
  beat(nowTick: number): void {
    this.add(this.silence(nowTick))
    this.lastTick = nowTick
  }

  /** How long it has not been heard. */
  silence(nowTick: number): number {
    return nowTick - this.lastTick
  }

  /** How sure it is that the node is down: above 8 it hardly ever is up. */
  phi(nowTick: number): number {
    // It is asked far more often than somebody is heard.
    this.rhythm ??= rhythmOf(this.silences)
    const { mean, deviation } = this.rhythm
    const x = (this.silence(nowTick) - mean) / Math.max(this.leastDeviation, deviation)
    const exponent = x * (1.5976 + 0.070566 * x * x)
    // log10(1 + e^exponent), which for a large one is the exponent itself.
    return exponent > 500 ? exponent / Math.LN10 : Math.log10(1 + Math.exp(exponent))
  }

  private add(silence: number): void {
    this.silences[this.next] = silence
    this.next = (this.next + 1) % WINDOW
    this.rhythm = undefined
  }
}

function rhythmOf(silences: readonly number[]): { readonly mean: number; readonly deviation: number } {
  const mean = silences.reduce((sum, each) => sum + each, 0) / silences.length
  const variance = silences.reduce((sum, each) => sum + (each - mean) ** 2, 0) / silences.length
  return { mean, deviation: Math.sqrt(variance) }
}

// Writes that are kept for nodes which did not take them, and offered until they do (DeCandia et al., "Dynamo", SOSP 2007, §4.6).
import { Replica } from './replica.ts'
import { membersOf } from './ring-state.ts'
import { type Hint, MAX_HINTS, MAX_OFFERED, type MessageBody, type StoreOptions } from './types.ts'
import { isSame, merge, type Versions } from './versions.ts'

/** A hint that was offered to the node it is for. */
interface Offer {
  readonly sinceTick: number
  readonly target: string
  readonly key: string
  readonly versions: Versions
}

/** A node with its hints. */
export class Hinting extends Replica {
  private readonly hints = new Map<string, Map<string, Hint>>()
  private readonly offers = new Map<number, Offer>()
  protected hintCount = 0
  private leastEra = 0

  constructor(options: StoreOptions) {
    super(options)
    for (const [target, kept] of options.hints ?? []) {
      this.hints.set(target, new Map(kept))
      this.hintCount += kept.size
      for (const { era } of kept.values()) this.underWay.begin(era)
    }
  }

  protected get offerCount(): number {
    return this.offers.size
  }

  /** How many hints wait for each node. */
  protected get hintsFor(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.hints].map(([target, kept]) => [target, kept.size]))
  }

  /** Another node asks to keep a hint. */
  protected keepHint(from: string, message: MessageBody & { kind: 'store' }, target: string): void {
    const { request, key, versions } = message
    const { epoch } = this.state
    const answer = (): void => this.sendIn(epoch, from, { kind: 'stored', request, hintFor: target })
    // It may be from the era before. But this node may have said that it has nothing from there, and that must stay true.
    this.hint(target, { key, versions, era: this.era }, answer)
  }

  protected hint(target: string, { key, versions, era }: Hint & { readonly key: string }, done: () => void): void {
    if (!this.layout.writesReach(target, key) || era < this.leastEra) return
    const kept = this.hints.get(target) ?? new Map<string, Hint>()
    const before = kept.get(key)
    if (before === undefined && this.hintCount >= MAX_HINTS) return
    const hint =
      before === undefined
        ? { versions, era }
        : { versions: merge(before.versions, versions), era: Math.min(before.era, era) }
    if (before === undefined) this.hintCount++
    else this.underWay.end(before.era)
    this.underWay.begin(hint.era)
    kept.set(key, hint)
    this.hints.set(target, kept)
    this.persistHint({ target, key, hint }, done)
  }

  /** A node says that it has something. @returns Whether it was a hint. */
  protected delivered(from: string, number: number): boolean {
    const offer = this.offers.get(number)
    if (offer === undefined) return false
    if (offer.target !== from) return true
    this.offers.delete(number)
    const hint = this.hints.get(from)?.get(offer.key)
    // It may have grown meanwhile.
    if (hint !== undefined && isSame(hint.versions, offer.versions)) this.drop(from, offer.key)
    return true
  }

  protected tickHints(): void {
    for (const [number, { sinceTick }] of this.offers) {
      if (this.nowTick - sinceTick >= this.options.requestTicks) this.offers.delete(number)
    }
    if (this.nowTick % this.options.offerTicks === 0) this.offerHints()
  }

  private offerHints(): void {
    const members = new Set(membersOf(this.state))
    for (const [target, kept] of this.hints) {
      if (!members.has(target)) {
        for (const key of kept.keys()) this.drop(target, key)
      } else if (this.gossip.isUp(target)) this.offerTo(target, kept)
    }
  }

  /**
   * Lets go of hints from before an era, and takes none any more: nobody has waited for this node, so nobody would take them, since
   * what they tell may be deleted and forgotten.
   */
  protected keepNothingBefore(era: number): void {
    this.leastEra = era
    for (const [target, kept] of this.hints) {
      for (const [key, hint] of kept) if (hint.era < era) this.drop(target, key)
    }
  }

  private offerTo(target: string, kept: ReadonlyMap<string, Hint>): void {
    let offered = 0
    for (const [key, { versions, era }] of kept) {
      if (offered++ >= MAX_OFFERED) return
      // The ring has changed since: others have it, if enough ever took it.
      if (!this.layout.writesReach(target, key)) {
        this.drop(target, key)
        continue
      }
      const request = this.nextRequest()
      this.offers.set(request.number, { sinceTick: this.nowTick, target, key, versions })
      this.send(target, { kind: 'store', request, key, versions, hintFor: undefined }, era)
    }
  }

  private drop(target: string, key: string): void {
    const kept = this.hints.get(target)
    const hint = kept?.get(key)
    if (kept === undefined || hint === undefined) return
    kept.delete(key)
    if (kept.size === 0) this.hints.delete(target)
    this.hintCount--
    this.underWay.end(hint.era)
    this.persistHint({ target, key, hint: undefined }, () => {})
  }
}

// Anti-entropy: replicas of a range compare their trees, and exchange what they know differently (DeCandia et al., "Dynamo", SOSP 2007,
// §4.7). What hints and read repair have missed comes together here: hints that did not fit, nodes that were down for long.
//
//   a -> b   askRoots     of many ranges at once
//   b -> a   roots        those that differ are compared one after the other:
//   a -> b   askDigests   of a tree, level by level
//   b -> a   digests      at last the leaves that differ are known, and their entries exchanged:
//   a -> b   pull         one page a tick
//   b -> a   page         a learns what it did not know
//   a -> b   push         and tells what b did not
//
// Each node compares with one other at a time. What is said of a tree waits until all it tells of is on disk.
import { isCode } from '../../../base/errors.ts'
import { type Position, RING_SIZE, type TokenRange } from '../types.ts'
import { Coordinating } from './coordinating.ts'
import { compareKeys, cutPage } from './entries.ts'
import { type MerkleTree, TreeComparison } from './merkle.ts'
import type { HeldTree } from './trees.ts'
import { type Entry, MAX_PAGE_ENTRIES, MAX_ROOTS, type Message, type PagedEntry } from './types.ts'
import { isSame, merge, NO_VERSIONS, type Versions } from './versions.ts'

type Answer = Message & { kind: 'roots' | 'digests' | 'page' }

/** A comparison with one peer. */
interface Session {
  readonly peer: string
  readonly starts: readonly Position[]
  /** Tombstones from that number on are younger than it. */
  readonly before: number
  /** Of the last message. */
  sinceTick: number
  /** Ranges whose roots differ, and are not compared yet. */
  readonly waiting: HeldTree[]
  current: { readonly held: HeldTree; readonly comparison: TreeComparison } | undefined
  /** What differs in the current range, and is not exchanged yet; the first is under way. */
  differences: TokenRange[]
  after: string | undefined
  wantsPage: boolean
}

/** Comparing everything with everybody, for an operator who asked for it. */
interface Pass {
  readonly ids: number[]
  readonly left: { readonly peer: string; readonly starts: readonly Position[] }[]
  ranges: number
  keys: number
}

/** A node that repairs. */
export class Repairing extends Coordinating {
  private session: Session | undefined
  private wholePass: Pass | undefined
  /** Which peer is next, and which of the ranges that are shared with it. */
  private turn = { peer: 0, offset: 0 }
  protected readonly repairs = { sessions: 0, keys: 0 }

  /** Compares everything, and answers then. */
  protected repairAll(id: number): void {
    if (this.wholePass !== undefined) {
      // One that is under way has begun before: what was written since may be missed, so another one follows.
      this.wholePass.ids.push(id)
      this.wholePass.left.push(...this.everything())
      return
    }
    this.wholePass = { ids: [id], left: this.everything(), ranges: 0, keys: 0 }
  }

  protected tickRepair(): void {
    this.trees.build(this.options.store, this.options.entriesPerTick)
    const { session } = this
    if (session !== undefined) {
      if (this.nowTick - session.sinceTick > this.options.requestTicks) this.end()
      else if (session.wantsPage) this.pull(session)
      return
    }
    if (this.wholePass !== undefined) this.continuePass(this.wholePass)
    else if (this.nowTick % this.options.syncTicks === 0) this.nextTurn()
  }

  protected override adopted(): void {
    super.adopted()
    this.session = undefined // its trees may be gone
    this.turn = { peer: 0, offset: 0 }
    if (this.wholePass !== undefined) this.wholePass.left.splice(0, this.wholePass.left.length, ...this.everything())
  }

  /** Takes what a peer asks. */
  protected receiveRepair(from: string, message: Message): void {
    switch (message.kind) {
      case 'askRoots':
        this.tellRoots(from, message.starts)
        return
      case 'askDigests':
        this.tellDigests(from, message)
        return
      case 'pull':
        this.tellPage(from, message)
        return
      case 'push':
        for (const entry of message.entries) this.learnEntry(entry)
        return
      case 'roots':
      case 'digests':
      case 'page':
        if (this.session?.peer === from) this.continue(this.session, message)
        return
      default:
    }
  }

  /** Merges an entry of a peer into what is known. @returns What is known then, and whether that is new. */
  protected learnEntry({ key, versions }: Entry): { readonly versions: Versions; readonly isNew: boolean } {
    const known = this.known(key) ?? NO_VERSIONS
    if (!this.layout.writesReach(this.name, key)) return { versions: known, isNew: false }
    const merged = merge(known, versions)
    const isNew = !isSame(merged, known)
    if (isNew) this.persist(key, merged, () => {})
    return { versions: merged, isNew }
  }

  // ---- Answers ----

  private tellRoots(from: string, asked: readonly Position[]): void {
    const starts = asked.slice(0, MAX_ROOTS).filter((start) => this.trees.at(start)?.holders.includes(from))
    const digests = new Uint32Array(2 * starts.length)
    for (const [index, start] of starts.entries()) digests.set(this.rootAt(start), 2 * index)
    const { epoch } = this.state
    this.whenDurable(() => this.sendIn(epoch, from, { kind: 'roots', starts, digests }))
  }

  private tellDigests(from: string, { start, nodes }: Message & { kind: 'askDigests' }): void {
    const tree = this.trees.at(start)?.tree
    if (tree === undefined) return
    const digests = unlessInvalid(() => tree.answer(nodes))
    const { epoch } = this.state
    if (digests === undefined) return
    this.whenDurable(() => this.sendIn(epoch, from, { kind: 'digests', start, nodes, digests }))
  }

  private tellPage(from: string, { start, end, after }: Message & { kind: 'pull' }): void {
    if (!(start >= 0 && start < end && end <= RING_SIZE)) return
    const limit = this.options.entriesPerTick
    const found = this.options.store.scan({ start, end }, after, limit)
    const entries = cutPage(found).map((entry) => ({ ...entry, isSettled: this.isSettled(entry.key) }))
    const isLast = found.length < limit && entries.length === found.length
    const { era, state } = this
    this.whenDurable(() => this.sendIn(state.epoch, from, { kind: 'page', start, end, after, entries, isLast }, era))
  }

  private isSettled(key: string): boolean {
    return this.trees.tombstoneOf(key)?.settledEra !== undefined
  }

  // ---- A session ----

  private nextTurn(): void {
    const peers = this.peers()
    if (peers.length === 0) return
    const peer = peers[this.turn.peer % peers.length] as string
    const shared = this.sharedWith(peer)
    const starts = shared.slice(this.turn.offset, this.turn.offset + MAX_ROOTS)
    const isEnd = this.turn.offset + MAX_ROOTS >= shared.length
    this.turn = isEnd ? { peer: this.turn.peer + 1, offset: 0 } : { ...this.turn, offset: this.turn.offset + MAX_ROOTS }
    if (starts.length > 0) this.begin(peer, starts)
  }

  private continuePass(pass: Pass): void {
    if (!this.trees.isBuilt) return
    const next = pass.left.shift()
    if (next !== undefined) {
      pass.ranges += next.starts.length
      this.begin(next.peer, next.starts)
      return
    }
    this.wholePass = undefined
    for (const id of pass.ids) this.reply(id, { kind: 'repaired', ranges: pass.ranges, keys: pass.keys })
  }

  private everything(): Pass['left'] {
    return this.peers().flatMap((peer) => {
      const shared = this.sharedWith(peer)
      const chunks: Pass['left'] = []
      for (let at = 0; at < shared.length; at += MAX_ROOTS)
        chunks.push({ peer, starts: shared.slice(at, at + MAX_ROOTS) })
      return chunks
    })
  }

  /** Those who hold something that this node holds, and seem to be up. */
  private peers(): string[] {
    return [...this.trees.holders].filter((name) => name !== this.name && this.gossip.isUp(name)).sort()
  }

  private sharedWith(peer: string): Position[] {
    return this.trees.held.filter(({ holders }) => holders.includes(peer)).map(({ start }) => start)
  }

  private begin(peer: string, starts: readonly Position[]): void {
    this.session = {
      ...{ peer, starts, before: this.trees.nextNumber, sinceTick: this.nowTick, waiting: [] },
      ...{ current: undefined, differences: [], after: undefined, wantsPage: false },
    }
    this.repairs.sessions++
    this.send(peer, { kind: 'askRoots', starts })
  }

  private end(): void {
    this.session = undefined
  }

  private continue(session: Session, answer: Answer): void {
    session.sinceTick = this.nowTick
    if (answer.kind === 'roots') this.takeRoots(session, answer)
    else if (answer.kind === 'digests') this.takeDigests(session, answer)
    else this.takePage(session, answer)
  }

  private takeRoots(session: Session, { starts, digests }: Message & { kind: 'roots' }): void {
    if (session.current !== undefined || session.waiting.length > 0 || digests.length !== 2 * starts.length) return
    for (const [index, start] of starts.entries()) {
      const held = this.trees.at(start)
      if (held === undefined || !session.starts.includes(start)) continue
      const [high, low] = this.rootAt(start)
      if (high === digests[2 * index] && low === digests[2 * index + 1]) this.agree(session, held, [])
      else session.waiting.push(held)
    }
    this.nextRange(session)
  }

  private nextRange(session: Session): void {
    const held = session.waiting.pop()
    session.current = undefined
    if (held?.tree === undefined) {
      this.end()
      return
    }
    session.current = { held, comparison: new TreeComparison(held.tree as MerkleTree) }
    this.askDigests(session)
  }

  private askDigests(session: Session): void {
    if (session.current === undefined) return
    const { held, comparison } = session.current
    const nodes = comparison.ask()
    if (nodes.length > 0) {
      this.send(session.peer, { kind: 'askDigests', start: held.start, nodes })
      return
    }
    session.differences = comparison.differences.filter(({ start, end }) => start < end)
    this.agree(session, held, session.differences)
    session.after = undefined
    if (session.differences.length === 0) this.nextRange(session)
    else session.wantsPage = true
  }

  private takeDigests(session: Session, { start, nodes, digests }: Message & { kind: 'digests' }): void {
    const { current } = session
    if (current?.held.start !== start || session.differences.length > 0) return
    unlessInvalid(() => current.comparison.take(nodes, digests))
    this.askDigests(session)
  }

  private pull(session: Session): void {
    const [range] = session.differences
    if (range === undefined) return
    session.wantsPage = false
    session.sinceTick = this.nowTick
    this.send(session.peer, { kind: 'pull', start: range.start, end: range.end, after: session.after })
  }

  private takePage(session: Session, { start, end, after, entries, isLast }: Message & { kind: 'page' }): void {
    const [range] = session.differences
    if (range?.start !== start || range.end !== end || session.after !== after || session.wantsPage) return
    const last = entries.at(-1)?.key
    // A page that does not go on would never end.
    if (after !== undefined && last !== undefined && compareKeys(last, after) <= 0) return
    const { upTo, ours, theirs } = this.align({ start, end }, after, entries, isLast)
    const pushed: Entry[] = []
    for (const entry of theirs) {
      // Here it is gone, as all replicas had it: who still has it will let it go too.
      if (entry.isSettled && this.known(entry.key) === undefined) continue
      const { versions, isNew } = this.learnEntry(entry)
      if (isNew || !isSame(versions, entry.versions)) this.countRepaired()
      if (!isSame(versions, entry.versions)) pushed.push({ key: entry.key, versions })
    }
    const named = new Set(theirs.map(({ key }) => key))
    for (const entry of ours) {
      if (named.has(entry.key) || this.isSettled(entry.key)) continue
      this.countRepaired()
      pushed.push(entry)
    }
    this.push(session.peer, pushed)
    session.wantsPage = true
    session.after = upTo
    if (upTo !== undefined) return
    session.differences.shift()
    if (session.differences.length > 0) return
    session.wantsPage = false
    this.nextRange(session)
  }

  /** What both have up to where both were read. @returns `upTo` is the last key of that; undefined if it is the end of the range. */
  private align(
    range: TokenRange,
    after: string | undefined,
    page: readonly PagedEntry[],
    isLast: boolean,
  ): { upTo: string | undefined; ours: Entry[]; theirs: PagedEntry[] } {
    const limit = this.options.entriesPerTick
    const read = this.options.store.scan(range, after, limit)
    const ends = [isLast ? undefined : page.at(-1)?.key, read.length < limit ? undefined : read.at(-1)?.key]
    const upTo = ends.filter((key) => key !== undefined).sort(compareKeys)[0]
    const isIn = ({ key }: Entry): boolean => upTo === undefined || compareKeys(key, upTo) <= 0
    return { upTo, ours: read.filter(isIn), theirs: page.filter(isIn) }
  }

  /** What this node has just written itself may be among them, and is not told before it is on disk. */
  private push(peer: string, entries: Entry[]): void {
    const { era, state } = this
    while (entries.length > 0) {
      const page = cutPage(entries.slice(0, MAX_PAGE_ENTRIES))
      this.whenDurable(() => this.sendIn(state.epoch, peer, { kind: 'push', entries: page }, era))
      entries.splice(0, page.length)
    }
  }

  private countRepaired(): void {
    this.repairs.keys++
    if (this.wholePass !== undefined) this.wholePass.keys++
  }

  /** A peer has what this node has, but for some places. */
  private agree(session: Session, held: HeldTree, but: readonly TokenRange[]): void {
    this.trees.agree(held, { peer: session.peer, but, before: session.before, era: this.era })
  }

  private rootAt(start: Position): readonly [number, number] {
    const [high = 0, low = 0] = this.trees.at(start)?.tree.answer([1]) ?? []
    return [high, low]
  }
}

/** What a peer sends may fit nothing: then it is not heard. */
function unlessInvalid<T>(act: () => T): T | undefined {
  try {
    return act()
  } catch (error) {
    if (isCode(error, 'INVALID_INPUT')) return undefined
    throw error
  }
}

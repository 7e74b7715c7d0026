// What handles that write and handles that read have in common: reading and following.
import { BedplateError } from '../../base/errors.ts'
import type { Clock } from '../../io/clock.ts'
import type { SegmentHeader } from '../log/segment.ts'
import type { LogStats } from '../log/types.ts'
import { BlockReader, type LogPlace, type LogView } from './block-reader.ts'
import { checkFollowOptions, checkMaxBytes, checkOffset, checkTime } from './check-options.ts'
import { Follower, Followers } from './followers.ts'
import type { AppendLog, AppendLogStats, FollowOptions, LogBlock, LogVerifyReport } from './types.ts'

/** After so many bytes of blocks, others get their turn. */
const BYTES_A_TURN = 1024 * 1024

/** An open log; each kind says what there is to read. */
export abstract class LogHandle implements AppendLog, LogView {
  readonly path: string
  protected readonly followers = new Followers()
  protected readonly clock: Clock
  private readonly blocks: BlockReader
  private isClosed = false

  constructor(place: LogPlace) {
    this.path = place.directory
    this.clock = place.clock
    this.blocks = new BlockReader(place, this)
  }

  abstract readonly segments: readonly SegmentHeader[]
  abstract readonly firstOffset: number
  abstract readonly readableOffset: number
  abstract readonly durableOffset: number
  abstract readonly nextOffset: number
  abstract append(records: Uint8Array | readonly Uint8Array[]): Promise<number>
  abstract flushed(): Promise<void>
  abstract truncateBefore(offset: number): Promise<void>
  abstract truncateAfter(offset: number): Promise<void>
  abstract refresh(): void
  abstract close(): Promise<void>

  /** Why this handle can do no more, if so. */
  abstract readonly failure: Error | undefined
  protected abstract readonly logStats: LogStats
  /** Somebody waits for more. */
  protected abstract followerWaits(): void
  /** Runs a reading call; again if what it failed on has changed meanwhile. */
  protected abstract attempt<T>(read: () => T): T

  read(from: number, maxBytes?: number): LogBlock {
    checkOffset(from, 'read: from')
    const most = checkMaxBytes(maxBytes, 'read')
    this.assertUsable()
    return this.attempt(() => this.blocks.read(from, most))
  }

  scan(from: number, options: FollowOptions = {}): AsyncIterableIterator<LogBlock> {
    checkOffset(from, 'scan: from')
    const { signal, maxBytes } = checkFollowOptions(options, 'scan')
    this.assertUsable()
    return this.scanTo(this.readableOffset, { from, maxBytes, signal })
  }

  follow(from: number, options: FollowOptions = {}): AsyncIterableIterator<LogBlock> {
    checkOffset(from, 'follow: from')
    const { signal, maxBytes } = checkFollowOptions(options, 'follow')
    this.assertUsable()
    return this.followFrom(new Follower(from), { maxBytes, signal })
  }

  offsetAt(timeMs: number): number {
    checkTime(timeMs)
    this.assertUsable()
    return this.attempt(() => this.blocks.offsetAt(timeMs))
  }

  async verify(): Promise<LogVerifyReport> {
    this.assertUsable()
    return await this.blocks.verify()
  }

  stats(): AppendLogStats {
    const { firstOffset, readableOffset, durableOffset, nextOffset } = this
    return {
      ...this.logStats,
      ...{ firstOffset, readableOffset, durableOffset, nextOffset, followers: this.followers.size },
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** Ends all iterations and gives back what reading holds. */
  protected endReading(): void {
    this.isClosed = true
    this.blocks.close()
    this.followers.wakeAll()
  }

  /** @throws the failure, CLOSED */
  protected assertUsable(): void {
    if (this.isClosed) throw new BedplateError('CLOSED', `the log ${this.path} was closed`)
    if (this.failure !== undefined) throw this.failure
  }

  private async *scanTo(
    end: number,
    { from, maxBytes, signal }: { from: number; maxBytes: number; signal: AbortSignal | undefined },
  ): AsyncGenerator<LogBlock, void, void> {
    let bytes = 0
    for (let next = from; next < end && !this.isClosed && !signal?.aborted; ) {
      const block = this.read(next, maxBytes)
      if (block.count === 0) return // a truncation took the rest
      next = block.nextOffset
      bytes += block.bytes.length
      yield block
      if (bytes < BYTES_A_TURN) continue
      bytes = 0
      await this.clock.turn()
    }
  }

  private async *followFrom(
    follower: Follower,
    { maxBytes, signal }: { maxBytes: number; signal: AbortSignal | undefined },
  ): AsyncGenerator<LogBlock, void, void> {
    this.followers.add(follower)
    try {
      let bytes = 0
      while (!this.isClosed && !signal?.aborted) {
        if (follower.error !== undefined) throw follower.error
        const block = this.read(follower.nextOffset, maxBytes)
        if (block.count === 0) {
          const waiting = this.followers.wait(follower, signal)
          this.followerWaits()
          await waiting
          continue
        }
        follower.nextOffset = block.nextOffset
        bytes += block.bytes.length
        yield block
        if (bytes < BYTES_A_TURN) continue
        bytes = 0
        await this.clock.turn()
      }
    } finally {
      this.followers.delete(follower)
    }
  }
}

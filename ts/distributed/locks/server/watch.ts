// The service Watch: many watches on one stream.
//
//   client                             server
//   create(key, from revision) ->      <- created(watch id)      <- events (watch id) ...
//   cancel(watch id) ->                <- canceled(watch id)
//   progress ->                        <- a header: all changes up to its revision have been sent
import { BedplateError } from '../../../base/errors.ts'
import type { Cancel, Clock } from '../../../io/clock.ts'
import {
  EVENT_TYPE,
  type Event,
  type WatchCreateRequest,
  WatchRequest,
  WatchResponse,
} from '../../../wire/etcd/messages.ts'
import { Refusal } from '../errors.ts'
import { type Span, spanOf } from '../mvcc/key-index.ts'
import { MAX_WATCHES_A_STREAM, PROGRESS_INTERVAL_MS } from '../types.ts'
import type { Watch } from '../watches.ts'
import { headerFor, type MessageStream, type Methods, type ServiceContext, streaming } from './service.ts'

/** The id in responses that belong to no watch. */
const NO_WATCH = -1

type Response = Parameters<typeof WatchResponse.encode>[0]

/** The method of etcdserverpb.Watch. */
export function watchMethods(context: ServiceContext, clock: Clock): Methods {
  return [
    streaming(
      context,
      '/etcdserverpb.Watch/Watch',
      { request: WatchRequest, response: WatchResponse },
      async (stream) => {
        const watching = new WatchStream(context, clock, stream)
        try {
          await Promise.all([watching.read(), watching.write()])
        } finally {
          watching.close()
        }
      },
    ),
  ]
}

interface OpenWatch {
  readonly id: number
  readonly watch: Watch
  readonly isFragmented: boolean
  /** Runs while it wants to hear that nothing happened. */
  progress: Cancel | undefined
}

/** The watches of one stream, and what is to be sent about them. */
class WatchStream {
  readonly #context: ServiceContext
  readonly #clock: Clock
  readonly #stream: MessageStream<WatchRequest, Response>
  readonly #watches = new Map<number, OpenWatch>()
  /** Watches that may have something, in the order in which that came. */
  readonly #ready = new Set<OpenWatch>()
  /** What the client asked for, answered before anything else. */
  #replies: Response[] = []
  #wantsProgress = false
  #nextId = 0
  #isEnded = false
  #wake: () => void = () => {}

  constructor(context: ServiceContext, clock: Clock, stream: MessageStream<WatchRequest, Response>) {
    this.#context = context
    this.#clock = clock
    this.#stream = stream
  }

  /** Follows what the client says, until it is done. */
  async read(): Promise<void> {
    try {
      for await (const { create, cancel, progress } of this.#stream.requests) {
        if (create !== undefined) this.#create(create)
        else if (cancel !== undefined) this.#cancel(cancel.watchId)
        else if (progress !== undefined) this.#wantsProgress = true
        this.#wake()
      }
    } finally {
      this.#isEnded = true
      this.#wake()
    }
  }

  /** Sends what there is to say, one response after the other, each once the client has room for it. */
  async write(): Promise<void> {
    while (!this.#isEnded) {
      const reply = this.#replies.shift()
      if (reply !== undefined) await this.#stream.send(reply)
      else if (this.#ready.size > 0) await this.#sendFrom(this.#ready.values().next().value as OpenWatch)
      else if (this.#wantsProgress) {
        this.#wantsProgress = false
        const { revision } = this.#context.node.watches
        await this.#stream.send({ header: headerFor(this.#context, revision), watchId: NO_WATCH })
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      }
    }
  }

  close(): void {
    this.#isEnded = true
    for (const { watch, progress } of this.#watches.values()) {
      watch.close()
      progress?.()
    }
    this.#watches.clear()
  }

  #create(request: WatchCreateRequest): void {
    const { watchId, startRevision, filters, prevKv, fragment } = request
    const problem = this.#problemWith(request)
    if (problem !== undefined) {
      this.#reply({ watchId: NO_WATCH, created: true, canceled: true, cancelReason: problem })
      return
    }
    const id = watchId === 0 ? this.#freeId() : watchId
    const wake = (): void => {
      this.#ready.add(open)
      this.#wake()
    }
    const span = spanOfWatch(request)
    const watch = this.#context.node.watches.add({ span, startRevision, filters, prevKv, wake })
    const open: OpenWatch = { id, watch, isFragmented: fragment, progress: undefined }
    this.#watches.set(id, open)
    this.#reply({ watchId: id, created: true })
    if (watch.hasMore) this.#ready.add(open)
    if (request.progressNotify) this.#keepTelling(open)
  }

  /** Why a watch cannot be, in etcd's words. */
  #problemWith({ watchId, key, rangeEnd, ...rest }: WatchCreateRequest): string | undefined {
    if (this.#watches.size >= MAX_WATCHES_A_STREAM)
      return `bedplate: a stream has at most ${MAX_WATCHES_A_STREAM} watches`
    if (watchId !== 0 && this.#watches.has(watchId)) return 'mvcc: duplicate watch ID provided on the WatchStream'
    const span = spanOfWatch({ watchId, key, rangeEnd, ...rest })
    if (span.end !== 'one' && span.end !== 'all' && span.end <= span.key) return 'mvcc: watcher range is empty'
    try {
      this.#context.node.state.users.require(this.#stream.user, span, 'read')
    } catch (error) {
      if (error instanceof Refusal) return `rpc error: code = PermissionDenied desc = ${error.message}`
      throw error
    }
    return undefined
  }

  #cancel(id: number): void {
    const open = this.#watches.get(id)
    if (open === undefined) return
    this.#forget(open)
    this.#reply({ watchId: id, canceled: true })
  }

  #forget(open: OpenWatch): void {
    open.watch.close()
    open.progress?.()
    this.#watches.delete(open.id)
    this.#ready.delete(open)
  }

  async #sendFrom(open: OpenWatch): Promise<void> {
    this.#ready.delete(open)
    const batch = open.watch.take()
    if (batch.kind === 'compacted') {
      this.#forget(open)
      const { compactRevision } = batch
      await this.#stream.send({ header: headerFor(this.#context), watchId: open.id, canceled: true, compactRevision })
      return
    }
    // There is more, for the next turn: others get theirs in between.
    if (open.watch.hasMore) this.#ready.add(open)
    if (batch.events.length === 0) return
    if (open.progress !== undefined) this.#keepTelling(open)
    const header = headerFor(this.#context, batch.revision)
    const parts = open.isFragmented ? fragments(batch.events, this.#context.maxRequestBytes) : [batch.events]
    for (const [index, events] of parts.entries()) {
      await this.#stream.send({ header, watchId: open.id, events, fragment: index < parts.length - 1 })
    }
  }

  /** Tells a watch how far it is whenever it has heard nothing for long. */
  #keepTelling(open: OpenWatch): void {
    open.progress?.()
    open.progress = this.#clock.timer(PROGRESS_INTERVAL_MS, () => {
      if (!open.watch.hasMore) {
        const { revision } = this.#context.node.watches
        this.#replies.push({ header: headerFor(this.#context, revision), watchId: open.id })
        this.#wake()
      }
      this.#keepTelling(open)
    })
  }

  #reply(response: Response): void {
    this.#replies.push({ header: headerFor(this.#context), ...response })
  }

  #freeId(): number {
    while (this.#watches.has(this.#nextId)) this.#nextId++
    if (this.#nextId >= Number.MAX_SAFE_INTEGER) throw new BedplateError('INVALID_INPUT', 'no more ids of watches')
    return this.#nextId++
  }
}

/** A watch without a key is of all keys from the first. */
function spanOfWatch({ key, rangeEnd }: WatchCreateRequest): Span {
  return spanOf(key === '' ? '\0' : key, rangeEnd)
}

/** Cuts events into lists of so many bytes each, or a single larger event. */
function fragments(events: readonly Event[], maxBytes: number): Event[][] {
  const parts: Event[][] = []
  let bytes = 0
  for (const event of events) {
    const size = sizeOf(event)
    const part = parts.at(-1)
    if (part === undefined || bytes + size > maxBytes) {
      parts.push([event])
      bytes = size
    } else {
      part.push(event)
      bytes += size
    }
  }
  return parts
}

/** About what an event takes on the wire. */
function sizeOf({ type, kv, prevKv }: Event): number {
  const of = (value: Event['kv']): number => (value === undefined ? 0 : value.key.length + value.value.length + 48)
  return of(kv) + of(prevKv) + (type === EVENT_TYPE.put ? 0 : 2)
}

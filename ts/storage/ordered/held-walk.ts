// Walks in the hands of callers, who may finish them, leave them by `return`, or forget them, also before their first step.

/** What has to be given back at the end of a walk. */
interface Closable {
  close(): void
}

/** Gives back the snapshots of walks that were dropped without being finished. */
const forgottenWalks = new FinalizationRegistry<Closable>((walk) => walk.close())

abstract class HeldWalk<W extends Closable> {
  /** Undefined once it has ended. */
  protected walk: W | undefined

  constructor(walk: W) {
    this.walk = walk
    forgottenWalks.register(this, walk, this)
  }

  protected end(): IteratorReturnResult<undefined> {
    this.walk?.close()
    this.walk = undefined
    forgottenWalks.unregister(this)
    return { done: true, value: undefined }
  }
}

/** An iterator over what `take` gives of a walk. */
export abstract class SyncWalk<W extends Closable, T> extends HeldWalk<W> implements IterableIterator<T> {
  [Symbol.iterator](): this {
    return this
  }

  next(): IteratorResult<T> {
    if (this.walk === undefined) return { done: true, value: undefined }
    try {
      const value = this.take(this.walk)
      return value === undefined ? this.end() : { done: false, value }
    } catch (error) {
      this.end()
      throw error
    }
  }

  return(): IteratorResult<T> {
    return this.end()
  }

  /** What comes next of the walk, undefined at its end. */
  protected abstract take(walk: W): T | undefined
}

/** The same for `for await`. */
export abstract class AsyncWalk<W extends Closable, T> extends HeldWalk<W> implements AsyncIterableIterator<T> {
  /** Calls are answered one after the other, however they come: a walk is never closed under a read. */
  private previous: Promise<unknown> = Promise.resolve()

  next(): Promise<IteratorResult<T>> {
    return this.inTurn(() => this.advance())
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  return(): Promise<IteratorResult<T>> {
    return this.inTurn(() => this.end())
  }

  /** What comes next of the walk, undefined at its end. */
  protected abstract take(walk: W): Promise<T | undefined>

  private inTurn<R>(work: () => R | Promise<R>): Promise<R> {
    const answer = this.previous.then(work)
    this.previous = answer.catch(() => {})
    return answer
  }

  private async advance(): Promise<IteratorResult<T>> {
    if (this.walk === undefined) return { done: true, value: undefined }
    try {
      const value = await this.take(this.walk)
      if (value !== undefined) return { done: false, value }
    } catch (error) {
      this.end()
      throw error
    }
    return this.end()
  }
}

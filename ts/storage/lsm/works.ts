/** What is under way on a store, which is not let go before it has ended. */
export class Works {
  private readonly running = new Set<Promise<unknown>>()

  async during<T>(work: () => Promise<T>): Promise<T> {
    const promise = work()
    this.running.add(promise)
    try {
      return await promise
    } finally {
      this.running.delete(promise)
    }
  }

  /** Resolves once what is under way now has ended, however. */
  async ended(): Promise<void> {
    await Promise.allSettled(this.running)
  }
}

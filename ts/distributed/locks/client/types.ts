// What users of locks see.

/** Whom to trust when TLS is spoken, and who we are; PEM. */
export interface TlsOptions {
  readonly ca?: Uint8Array
  readonly cert?: Uint8Array
  readonly key?: Uint8Array
}

/** Where the locks are. */
export interface LocksOptions {
  /** `host:port` of each member of the cluster. Default `127.0.0.1:2379`. */
  endpoints?: string | readonly string[]
  /** Who asks, if the service wants to know. */
  user?: string
  password?: string
  /** TLS: whom to trust, and who we are; PEM. Default: no TLS. */
  tls?: TlsOptions
  /** A call that takes longer fails with UNAVAILABLE. Default 5,000. */
  timeoutMs?: number
}

/** How to take a lock. */
export interface AcquireOptions {
  /** How long the lock outlives a holder that is not heard of any more; rounded up to whole seconds. Default 10,000. */
  ttlMs?: number
  /** Gives up waiting. */
  signal?: AbortSignal
}

/** A lock that is held, until it is released or `lost` aborts. */
export interface Lock extends AsyncDisposable {
  readonly name: string
  /**
   * The fencing token: of all holders of this lock, each one's is larger than those of all before it. Send it along with
   * whatever the lock protects, and let that refuse a token smaller than one it has seen.
   */
  readonly token: number
  /** Aborts before anybody else can have the lock. Pass it to what is done under the lock. */
  readonly lost: AbortSignal
  /** False once the lock may be lost, by the clock, even if the event loop was too busy for `lost` to abort. */
  isHeld(): boolean
  /** Lets the next one have it. Releasing a lock that was released or lost is fine. */
  release(): Promise<void>
}

/** A connection to a lock service. */
export interface Locks extends AsyncDisposable {
  /**
   * Waits for the lock `name`, first come, first served, and keeps it until it is released.
   * @param name - Any text; locks of one name exclude each other, whoever takes them.
   * @throws CLOSED if `signal` aborts; UNAVAILABLE if the service does not answer, PERMISSION, INVALID_INPUT. The place in
   *   the queue is given up then.
   */
  acquire(name: string, options?: AcquireOptions): Promise<Lock>
  /** The same without waiting. @returns Undefined if somebody else has it or waits for it. */
  tryAcquire(name: string, options?: AcquireOptions): Promise<Lock | undefined>
  /** Releases all locks that were taken here, and disconnects. */
  close(): Promise<void>
}

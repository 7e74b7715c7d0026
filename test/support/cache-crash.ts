// A cache server on a disk that loses its power: what was promised is there after any crash, also one while it starts again, and what
// is there was whole at some time.
//
// Every change is a transaction that also sets `sequence` to its number. So what a server shows after a crash says which changes it
// has, and has to be what another server shows that ran exactly these.

import type { FsyncPolicy } from '../../ts/cache/persistence/aof-writer.ts'
import type { Mutant } from '../../ts/cache/persistence/mutant.ts'
import { CRASH_VARIANTS, type CrashVariant } from '../../ts/io/crash-image.ts'
import type { Random } from '../../ts/io/random.ts'
import { SimulatedDisk } from '../../ts/io/simulated-disk.ts'
import { CacheLife, contentOf, type LifeClient } from './cache-life.ts'
import { anyChange, below } from './cache-workload.ts'
import { ManualClock } from './manual-clock.ts'
import type { Tally } from './workload-suite.ts'

const CHANGES = 40
const COMPOUND_CHANCE = 0.3
/** How many crashes fall into a rewrite of files, which takes a small part of a history and so many effects, about. */
const REWRITE_CHANCE = 0.4
const REWRITE_EFFECTS = 40
/** So much beside the changes that a rewrite takes several turns, in which changes are acknowledged; in a database that is not compared. */
const BALLAST_BYTES = 320 * 1024
const BALLAST_DATABASE = '5'
/** Far enough away that no key expires. */
const EXPIRES_AFTER_MS = 1e9
const UNWANTED = /^(?:SELECT|SWAPDB|FLUSHDB|MULTI|EXEC|PEXPIREAT)$/

export interface CrashSettings {
  /** Undefined: snapshots alone. */
  readonly policy: FsyncPolicy | undefined
  readonly mutant: Mutant | undefined
  /** Whether there is so much that a rewrite takes several turns. */
  readonly hasBallast: boolean
}

/** How long the disk's history was when changes up to a number had been sent, or promised to outlive a crash. */
interface Mark {
  readonly at: number
  readonly sequence: number
}

/** What was run, and what a crash may leave of it. */
export class CrashWorkload {
  readonly disk: SimulatedDisk
  readonly settings: CrashSettings
  readonly #random: Random
  readonly #clock = new ManualClock(1_700_000_000_000)
  readonly #contents = new Map<number, string>([[0, '']])
  readonly #sent: Mark[] = []
  /** What survives a power cut, and what survives the end of the process alone. */
  readonly #durable: Mark[] = []
  readonly #written: Mark[] = []
  /** How long the disk's history was when a rewrite began. */
  readonly #rewrites: number[] = []

  constructor(random: Random, settings: CrashSettings) {
    this.#random = random
    this.settings = settings
    // Redis's format appends right behind what is durable, in the same sector: it cannot survive a medium that loses a sector of
    // which a part is written.
    this.disk = new SimulatedDisk({ sectorBytes: random.next() < 0.5 ? 512 : 4096 })
  }

  /** Runs the changes, in one life or two, which end in order. */
  async run(): Promise<void> {
    const shadow = await CacheLife.start({}, this.#clock)
    const mirror = shadow.client()
    let sequence = 0
    // The end of one that saves snapshots alone forgets what was not saved.
    const lives = this.settings.policy === undefined ? 1 : 1 + below(this.#random, 2)
    for (let life = 0; life < lives; life++) {
      const server = await this.#start(this.disk)
      const client = server.client()
      if (life === 0 && this.settings.hasBallast) await this.#load(client)
      while (sequence < (CHANGES * (life + 1)) / lives) {
        const first = sequence + 1
        sequence += 1 + below(this.#random, 3)
        await this.#change(client, mirror, { first, last: sequence })
        await this.#upkeep(server, client, sequence)
      }
      await server.stop()
      if (this.settings.policy !== undefined) this.#durable.push({ at: this.disk.history.length, sequence })
    }
    await shadow.stop()
  }

  async #load(client: LifeClient): Promise<void> {
    await client.ask('SELECT', BALLAST_DATABASE)
    await client.ask('SET', 'ballast', Buffer.from(this.#random.bytes(BALLAST_BYTES)).toString('latin1'))
  }

  /** Cuts the power at a random point, or ends the process, and starts again. @throws if what is there then is wrong. */
  async crash(tally: Tally): Promise<void> {
    const random = this.#random
    const { length } = this.disk.history
    const variant = CRASH_VARIANTS[below(random, CRASH_VARIANTS.length)] as CrashVariant
    const point = this.#crashPoint(length)
    const least = Math.max(sequenceAt(this.#durable, point), variant === 'all' ? sequenceAt(this.#written, point) : 0)
    const most = sequenceAt(this.#sent, point)
    const where = `${variant}, after effect ${point} of ${length}`
    await this.#check(
      new SimulatedDisk({ image: this.disk.crashImage(point, variant, random) }),
      { least, most, where },
      tally,
      1,
    )
    tally.byVariant[variant]++
  }

  #crashPoint(length: number): number {
    const random = this.#random
    if (this.#rewrites.length === 0 || random.next() > REWRITE_CHANCE) return below(random, length + 1)
    const rewrite = this.#rewrites[below(random, this.#rewrites.length)] as number
    return Math.min(length, rewrite + below(random, REWRITE_EFFECTS))
  }

  async #check(
    disk: SimulatedDisk,
    { least, most, where }: { readonly least: number; readonly most: number; readonly where: string },
    tally: Tally,
    depth: number,
  ): Promise<void> {
    tally.images++
    if (depth > 1) tally.compoundImages++
    let server: CacheLife
    try {
      server = await this.#start(disk)
    } catch (error) {
      throw new Error(`crash ${depth} (${where}): it does not start: ${(error as Error).message}`, { cause: error })
    }
    const startedAt = disk.history.length
    const client = server.client()
    const shown = await client.ask('GET', 'sequence')
    const sequence = shown === 'nil' ? 0 : Number(shown)
    if (sequence < least || sequence > most) {
      throw new Error(`crash ${depth} (${where}): ${sequence} changes are there, must be ${least} to ${most}`)
    }
    const content = await contentOf(client)
    if (content !== this.#contents.get(sequence)) {
      throw new Error(`crash ${depth} (${where}): what is there is not what was after change ${sequence}`)
    }
    const answer = await client.ask('SET', 'after', 'the crash')
    if (answer !== 'OK') throw new Error(`crash ${depth} (${where}): a write is answered by ${answer}`)
    await server.stop()
    if (depth > 2 || this.#random.next() > COMPOUND_CHANCE) return
    // The start itself is interrupted. What it has shown must still be there.
    const variant = CRASH_VARIANTS[below(this.#random, CRASH_VARIANTS.length)] as CrashVariant
    const point = below(this.#random, startedAt + 1)
    const image = disk.crashImage(point, variant, this.#random)
    const bounds = {
      least: point === startedAt ? sequence : least,
      most,
      where: `${where}; then ${variant} at ${point}`,
    }
    await this.#check(new SimulatedDisk({ image }), bounds, tally, depth + 1)
  }

  #start(disk: SimulatedDisk): Promise<CacheLife> {
    const { policy, mutant } = this.settings
    const appendFsync = policy ?? 'everysec'
    return CacheLife.start({ disk, mutant, appendOnly: policy !== undefined, appendFsync }, this.#clock)
  }

  /** Sends changes at once, to both, and notes when they were replied to. */
  async #change(
    client: LifeClient,
    mirror: LifeClient,
    { first, last }: { first: number; last: number },
  ): Promise<void> {
    const changes = Array.from({ length: last - first + 1 }, (_, i) => this.#transaction(first + i))
    let taken = 0
    client.heard = () => {
      let heard = client.replies.length + taken
      let sequence = first - 1
      for (const { length } of changes) {
        heard -= length
        if (heard >= 0) sequence++
      }
      const mark = { at: this.disk.history.length, sequence }
      // A snapshot has promised nothing of what came after it.
      if (this.settings.policy !== undefined) this.#written.push(mark)
      if (this.settings.policy === 'always') this.#durable.push(mark)
    }
    this.#sent.push({ at: this.disk.history.length, sequence: last })
    for (const args of changes.flat()) client.send(...args)
    for (const [i, change] of changes.entries()) {
      for (const args of change) await mirror.ask(...args)
      this.#contents.set(first + i, await contentOf(mirror))
    }
    for (; taken < changes.flat().length; taken++) await client.next()
    client.heard = () => {}
  }

  #transaction(sequence: number): string[][] {
    const random = this.#random
    const database = below(random, 3)
    const changes = anyChange(random, this.#clock.now()).filter(([name = '']) => !UNWANTED.test(name))
    const expiry = ['PEXPIREAT', `s${below(random, 6)}`, String(this.#clock.now() + EXPIRES_AFTER_MS + sequence)]
    const clear = database > 0 && random.next() < 0.05 ? [['FLUSHDB']] : []
    const work = [['SET', 'sequence', String(sequence)], ['SELECT', String(database)], ...clear, ...changes, expiry]
    return [['MULTI'], ['SELECT', '0'], ...work, ['EXEC']]
  }

  /** What else happens to a server: seconds pass, files are written anew, snapshots are saved. */
  async #upkeep(server: CacheLife, client: LifeClient, sequence: number): Promise<void> {
    const random = this.#random
    const isAppending = this.settings.policy !== undefined
    const chance = random.next()
    if (chance < 0.15) {
      this.#clock.advance(1000)
      for (let i = 0; i < 4; i++) await this.#clock.turn()
      if (this.settings.policy === 'everysec') this.#durable.push({ at: this.disk.history.length, sequence })
    } else if (chance < 0.3 && isAppending) {
      // Nobody waits for it: changes go on meanwhile.
      this.#rewrites.push(this.disk.history.length)
      await client.ask('BGREWRITEAOF')
      for (let i = below(random, 6); i > 0; i--) await this.#clock.turn()
    } else if (chance < 0.5 && !isAppending) {
      await client.ask(random.next() < 0.2 ? 'SAVE' : 'BGSAVE')
      await server.until(client, 'rdb_bgsave_in_progress', '0')
      this.#durable.push({ at: this.disk.history.length, sequence })
      this.#written.push({ at: this.disk.history.length, sequence })
    }
  }
}

/** The largest number that was noted by then. */
function sequenceAt(marks: readonly Mark[], point: number): number {
  let sequence = 0
  for (const mark of marks) if (mark.at <= point) sequence = Math.max(sequence, mark.sequence)
  return sequence
}

/** Settings at random, those among them with which the mutant can be noticed. */
export function crashSettings(random: Random, mutant: Mutant | undefined): CrashSettings {
  const isSnapshot = mutant?.without.startsWith('snapshot')
  if (isSnapshot === true || (mutant === undefined && random.next() < 0.2))
    return { policy: undefined, mutant, hasBallast: false }
  const policies =
    mutant?.without === 'reply after sync' ? (['always'] as const) : (['always', 'everysec', 'no'] as const)
  const policy = policies[below(random, policies.length)] as FsyncPolicy
  return { policy, mutant, hasBallast: mutant?.without === 'manifest before increment' || random.next() < 0.2 }
}

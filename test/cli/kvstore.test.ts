import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { openSync, readFileSync, statSync, symlinkSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type BTree, openBTree } from '../../ts/storage/btree/index.ts'
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

function kvstore(args: string[], input?: string | Uint8Array): Ended {
  return runCommand('kvstore', args, { cwd: directory.path, ...(input === undefined ? {} : { input }) })
}

/** Runs a command that must succeed. @returns What it printed. */
function ok(args: string[], input?: string | Uint8Array): string {
  const { status, stdout, stderr } = kvstore(args, input)
  expect({ status, stderr }, args.join(' ')).toEqual({ status: 0, stderr: '' })
  return stdout
}

function pathOf(name: string): string {
  return join(directory.path, name)
}

/** Fills `db` without starting a process. */
async function fill(entries: Iterable<readonly [string | Uint8Array, string | Uint8Array]>, tree = ''): Promise<void> {
  const store = await openBytes(db)
  const target = tree === '' ? store : store.tree<Uint8Array, Uint8Array>(tree, BYTES)
  for (const [key, value] of entries) void target.put(Buffer.from(key), Buffer.from(value))
  await store.close()
}

const BYTES = { keyEncoding: 'buffer', valueEncoding: 'buffer' } as const

function openBytes(name: string): Promise<BTree<Uint8Array, Uint8Array>> {
  return openBTree<Uint8Array, Uint8Array>(pathOf(name), { create: true, ...BYTES })
}

async function entriesOf(name: string, tree = ''): Promise<[string, string][]> {
  const store = await openBytes(name)
  const source = tree === '' ? store : store.tree<Uint8Array, Uint8Array>(tree, BYTES)
  const entries = [...source.range()].map(([key, value]): [string, string] => [hex(key), hex(value)])
  await store.close()
  return entries
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

describe('the transcript of project 1', () => {
  const steps = readFileSync(new URL('./transcripts/kvstore.txt', import.meta.url), 'utf8')
    .split(/^(?=[$+#])/m)
    .filter((step) => !step.startsWith('#'))
    .map((step) => ({ command: step.slice(2, step.indexOf('\n')), said: step.slice(step.indexOf('\n') + 1), step }))
  const home = temporaryDirectory()
  beforeAll(() => symlinkSync(binary('kvstore'), join(home.path, 'kvstore')))
  afterAll(() => home.remove())

  it('prints what the transcript prints', () => {
    const printed = steps.map(({ command, step }) => {
      const { status, stdout, stderr } = spawnSync('sh', ['-c', command], { cwd: home.path, encoding: 'utf8' })
      expect({ status, stderr }, command).toEqual({ status: 0, stderr: '' })
      return step.startsWith('+') ? step : `$ ${command}\n${stdout}`
    })
    expect(printed.join('')).toBe(steps.map(({ step }) => step).join(''))
    expect(steps.length).toBe(6)
  })
})

describe('create', () => {
  it('makes a database with the page size that was asked for', () => {
    expect(JSON.parse(ok(['create', db, '--page-size', '4096', '--json']))).toEqual({
      created: db,
      pageSizeBytes: 4096,
    })
  })

  it('leaves what is there alone', async () => {
    await fill([['a', '1']])
    const { status, stderr } = kvstore(['create', db])
    expect(status).toBe(1)
    expect(stderr).toBe(`kvstore: ${db} exists already\nhint: choose another name\n`)
    expect(ok(['get', db, 'a'])).toBe('1\n')
  })
})

describe('set, get and delete', () => {
  it('keep any bytes, given as text, in hexadecimal, by file or on standard input', () => {
    ok(['create', db])
    expect(ok(['set', db, 'greeting', 'héllo'])).toBe('OK\n')
    expect(ok(['get', db, 'greeting'])).toBe('héllo\n')
    expect(ok(['get', db, 'greeting', '--raw'])).toBe('héllo')
    expect(ok(['get', db, '6772656574696e67', '--hex'])).toBe(`${hex(Buffer.from('héllo'))}\n`)
    writeFileSync(pathOf('photo'), Uint8Array.of(0, 255, 10, 13))
    ok(['set', db, 'photo', '--file', 'photo'])
    ok(['set', db, 'token', '-'], 'from standard input\n')
    expect(JSON.parse(ok(['get', db, 'photo', '--json']))).toEqual({ key: 'photo', value64: 'AP8KDQ==' })
    expect(ok(['get', db, 'token', '--raw'])).toBe('from standard input\n')
    expect(JSON.parse(ok(['delete', db, 'photo', '--json']))).toEqual({ ok: true, existed: true })
    expect(JSON.parse(ok(['delete', db, 'photo', '--json']))).toEqual({ ok: true, existed: false })
  })

  it('get means the same with its options before and behind, and wherever it is called from', async () => {
    await fill([
      ['-dash', '1'],
      ['a', '2'],
    ])
    expect(ok(['get', db, '--raw', '--', '-dash'])).toBe('1')
    expect(ok(['get', '--json', db, 'a'])).toBe('{"key":"a","value":"2"}\n')
    expect(ok(['--json', 'get', db, 'a'])).toBe('{"key":"a","value":"2"}\n')
    expect(kvstore(['get', db, 'a', '--tree=b'])).toMatchObject({ status: 1, stdout: '' })
    expect(kvstore(['get', db, 'a', '--tree'])).toMatchObject({ status: 2, stdout: '' })
    expect(ok(['get', db, 'a', '--help'])).toContain('Usage: kvstore get ')
  })

  it('get ends with 1 and prints nothing if there is no such key', async () => {
    await fill([])
    expect(kvstore(['get', db, 'nobody'])).toEqual({
      status: 1,
      stdout: '',
      stderr: `kvstore: ${db} has no key nobody\n`,
    })
    const { status, stderr } = kvstore(['get', db, 'nobody', '--json'])
    expect(status).toBe(1)
    expect(JSON.parse(stderr)).toEqual({ error: { code: 'NOT_FOUND', message: `${db} has no key nobody` } })
  })

  it('say how to make a database that is missing', () => {
    for (const args of [
      ['get', db, 'a'],
      ['set', db, 'a', '1'],
      ['range', db],
      ['verify', db],
      ['stats', db],
    ]) {
      const { status, stderr } = kvstore(args)
      expect({ status, stderr }, args[0]).toEqual({
        status: 1,
        stderr: `kvstore: there is no database ${db}\nhint: kvstore create ${db}\n`,
      })
    }
  })

  it('refuse a key that is too long, and name the option that allows longer ones', () => {
    ok(['create', db])
    const { status, stdout, stderr } = kvstore(['set', db, 'k'.repeat(2049), 'v'])
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
    expect(stderr).toMatch(/^kvstore: the key has 2,049 bytes, more than the 2,048 .*\nhint: .*--page-size/)
  })

  it('write to named trees and list them', async () => {
    await fill([['a', '1']])
    ok(['set', db, 'b', '2', '--tree', 'other'])
    expect(ok(['get', db, 'b', '--tree', 'other'])).toBe('2\n')
    expect(kvstore(['get', db, 'b']).status).toBe(1)
    expect(ok(['trees', db])).toBe('(default): 1 key, depth 1\nother: 1 key, depth 1\n')
    const { status, stderr } = kvstore(['get', db, 'b', '--tree', 'othr'])
    expect(status).toBe(1)
    expect(stderr).toContain(`has no tree "othr"\nhint: kvstore trees ${db}`)
  })
})

describe('range', () => {
  beforeEach(() => fill([...'abcde'].map((key) => [key, key.toUpperCase()] as const)))

  it.each([
    [[], 'a: A\nb: B\nc: C\nd: D\ne: E\n'],
    [['b', 'd'], 'b: B\nc: C\n'],
    [['d'], 'd: D\ne: E\n'],
    [['--reverse', '--limit', '2'], 'e: E\nd: D\n'],
    [['--limit', '0'], ''],
    [['b', 'd', '--keys'], 'b\nc\n'],
    [['b', 'd', '--values'], 'B\nC\n'],
    [['62', '63', '--hex'], '62: 42\n'],
    [['b', 'c', '--json'], '{"key":"b","value":"B"}\n'],
    [['d', 'b'], ''],
  ])('%j', (args, expected) => {
    expect(ok(['range', db, ...args])).toBe(expected)
  })

  it.each([
    ['when it has seen enough', ['range']],
    ['when it has seen enough', ['export']],
    ['when it has seen enough', ['get', 'large']],
    ['when it has seen enough', ['get', 'large', '--json']],
    ['before anything is printed', ['inspect', 'page', '3', '--json']],
    ['before anything is printed', ['inspect', 'meta', '--json']],
    ['before anything is printed', ['trees']],
  ])('stops quietly when the reader goes %s: %j', async (when, [name, ...args]) => {
    await fill([['large', 'x'.repeat(1_000_000)]])
    await fill(Array.from({ length: 5000 }, (_, i) => [`key${i}`, 'x'.repeat(500)] as const))
    const child = spawn(process.execPath, [binary('kvstore'), name as string, db, ...args], { cwd: directory.path })
    let stderr = ''
    child.stderr.setEncoding('utf8').on('data', (text) => {
      stderr += text
    })
    if (when === 'when it has seen enough') await once(child.stdout, 'data')
    child.stdout.destroy()
    const [status] = await once(child, 'close')
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  })
})

describe('import and export', () => {
  const entries = [
    ['', 'the empty key'],
    ['plain', 'value'],
    ['quotes "and", commas', 'line one\nline two\r\n'],
    ['tab\there', ' leading and trailing '],
    ['ünïcødé ☃', '{"json":[1,2]}'],
    [Uint8Array.of(0, 255, 254), Uint8Array.of(128, 0, 10)],
    ['empty', ''],
    ['=1+1', '\uFEFFmark'],
  ] as const

  it.each(['ndjson', 'csv', 'tsv'])('bring everything back through %s', async (format) => {
    await fill(entries)
    const file = `${db}.${format}`
    expect(ok(['export', db, file])).toBe(`Exported ${entries.length} records to ${file}\n`)
    const printed = ok(['export', db, '--format', format])
    expect(printed).toBe(readFileSync(pathOf(file), 'utf8'))
    ok(['create', `${db}-copy`])
    ok(['import', `${db}-copy`, file])
    expect(await entriesOf(`${db}-copy`)).toEqual(await entriesOf(db))
    ok(['import', `${db}-copy`, '--format', format, '--tree', 'again'], printed)
    expect(await entriesOf(`${db}-copy`, 'again')).toEqual(await entriesOf(db))
  })

  it('import takes columns of its own, or the whole row', () => {
    writeFileSync(pathOf('cities.csv'), 'id,name,people\n1,Lyon,522228\n2,"Nice, Côte d\'Azur",342669\n')
    ok(['create', db])
    ok(['import', db, 'cities.csv', '--key', 'id', '--value', 'name'])
    expect(ok(['range', db])).toBe("1: Lyon\n2: Nice, Côte d'Azur\n")
    ok(['import', db, 'cities.csv', '--key', 'id', '--json-rows', '--tree', 'rows'])
    expect(ok(['get', db, '1', '--tree', 'rows'])).toBe('{"id":"1","name":"Lyon","people":"522228"}\n')
  })

  it.each([
    ['ndjson', '{"key":"a","value":"1"}\nnot json\n{"key":"c","value":"3"}\n'],
    ['csv', 'key,value\na,1\nb,"2\n'],
    ['csv', 'key,value\na,1\nb,2,3\n'],
    ['tsv', 'a\t1\nb\n'],
  ])('import names the bad line of %s, and what is before it is in', (format, text) => {
    ok(['create', db])
    const { status, stdout, stderr } = kvstore(['import', db, '--format', format], text)
    expect(status).toBe(1)
    expect(stdout).toMatch(/^Imported 1 record in /)
    expect(stderr).toMatch(/^kvstore: line [23]: .+\nhint: the lines before it are imported; --skip-bad /)
    expect(ok(['range', db])).toBe('a: 1\n')
  })

  it.each([
    ['ndjson', '{"key":"bom","value":"yes"}\r\n'],
    ['csv', 'key,value\r\nbom,yes\r\n'],
    ['tsv', 'bom\tyes\r\n'],
  ])('import reads a %s file that begins with a byte order mark', (format, text) => {
    ok(['create', db])
    writeFileSync(pathOf(`bom.${format}`), `\uFEFF${text}`)
    ok(['import', db, `bom.${format}`])
    expect(ok(['range', db])).toBe('bom: yes\n')
  })

  it('import keeps values of NDJSON that are no strings as they are written', () => {
    const values = ['12345678901234567890', '1.0', '-1E+2', '{ "b":[1, {"a":"}\\"],"}], "2":0,"1":0, "b":1 }', 'null']
    ok(['create', db])
    const lines = values.map((value, i) => ` { "value" : 0, "x":"\\\\", "value":${value} , "key":"${i}"}\n`)
    ok(['import', db], lines.join(''))
    ok(['import', db, '--key', 'n'], '{"n":1.50,"value":"a number as key"}\n')
    expect(ok(['range', db, '--values'])).toBe(
      `${[values[0], values[1], 'a number as key', ...values.slice(2)].join('\n')}\n`,
    )
  })

  it('import says that a file is missing before it asks for its format', () => {
    ok(['create', db])
    const { status, stderr } = kvstore(['import', db, 'nofile'])
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: 'kvstore: cannot read nofile: no such file or directory (ENOENT)\n',
    })
  })

  it('import leaves out bad lines where it is told to', () => {
    ok(['create', db])
    const text = '{"key":"a","value":"1"}\nnot json\n{"key":"c","value":"3"}\n'
    const { status, stdout, stderr } = kvstore(['import', db, '--skip-bad', '--json'], text)
    expect(status).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ imported: 2, skipped: 1 })
    expect(stderr).toMatch(/^kvstore: line 2 left out: /)
    expect(ok(['range', db])).toBe('a: 1\nc: 3\n')
  })

  it('export leaves no half-written file', () => {
    const { status } = kvstore(['export', db, 'never.csv'])
    expect(status).toBe(1)
    expect(() => statSync(pathOf('never.csv'))).toThrow('ENOENT')
  })

  it('import stops in order at Ctrl-C: what was acknowledged is in, and the database is whole', async () => {
    ok(['create', db])
    const child = spawn(process.execPath, [binary('kvstore'), 'import', db, '--batch', '1'], { cwd: directory.path })
    let stdout = ''
    child.stdout.setEncoding('utf8').on('data', (text) => {
      stdout += text
    })
    for (let i = 0; i < 200; i++) child.stdin.write(`{"key":"k${i}","value":"v"}\n`)
    await statsShow((keyCount) => keyCount > 0)
    child.kill('SIGINT')
    const [status] = await once(child, 'close')
    expect(status).toBe(130)
    const imported = Number(/^Imported (\d+) records? in /.exec(stdout)?.[1])
    expect(imported).toBeGreaterThan(0)
    expect(JSON.parse(ok(['verify', db, '--json']))).toMatchObject({ ok: true, keys: imported })
  })
})

/** Waits until the owner's figures of `db` satisfy `holds`. */
async function statsShow(holds: (keyCount: number) => boolean): Promise<void> {
  for (;;) {
    const { status, stdout } = kvstore(['stats', db, '--json'])
    if (status === 0 && holds((JSON.parse(stdout) as { keyCount: number }).keyCount)) return
  }
}

describe('work on a database as a whole', () => {
  beforeEach(() => fill(Array.from({ length: 2000 }, (_, i) => [`key${i}`, 'v'.repeat(100)] as const)))

  it('stats prints figures, from the owner if it is open elsewhere', async () => {
    expect(JSON.parse(ok(['stats', db, '--json']))).toMatchObject({
      source: 'store',
      keyCount: 2000,
      engine: expect.stringMatching(/^(native|typescript)$/),
    })
    expect(ok(['stats', db])).toMatch(/^store {7}.*\nkeys {8}2,000 in 1 tree\n/)
    const owner = await openBytes(db)
    expect(JSON.parse(ok(['stats', db, '--json']))).toMatchObject({ source: 'owner', keyCount: 2000 })
    const { status, stderr } = kvstore(['set', db, 'a', '1'])
    await owner.close()
    expect(status).toBe(1)
    expect(stderr).toContain(`${db} is in use by process ${process.pid}`)
  })

  it('verify says what it has checked, and names the pages that are damaged', () => {
    expect(ok(['verify', db])).toMatch(/^OK: 2,000 keys in 1 tree, \d+ leaves, 1 branch/)
    const file = openSync(pathOf(`${db}/data`), 'r+')
    const page = 5
    writeSync(file, 'damage', 16_384 * page + 9000)
    const { status, stdout, stderr } = kvstore(['verify', db])
    expect(status).toBe(1)
    expect(stdout).toContain(`page ${page} (offset ${16_384 * page}): checksum does not match`)
    expect(stderr).toMatch(/^kvstore: .* is damaged: .*\nhint: restore a backup/)
  })

  it('compact gives space back and keeps everything', async () => {
    const store = await openBytes(db)
    for (let i = 0; i < 1900; i++) void store.delete(Buffer.from(`key${i}`))
    await store.close()
    const before = await entriesOf(db)
    const { beforeBytes, afterBytes } = JSON.parse(ok(['compact', db, '--json'])) as Record<string, number>
    expect(afterBytes).toBeLessThan(beforeBytes as number)
    expect(await entriesOf(db)).toEqual(before)
  })

  it('backup writes a database of its own, once', async () => {
    expect(ok(['backup', db, `${db}-backup`])).toBe(`Backup written: ${db}-backup (2,000 keys)\n`)
    expect(await entriesOf(`${db}-backup`)).toEqual(await entriesOf(db))
    expect(kvstore(['backup', db, `${db}-backup`])).toMatchObject({ status: 1, stdout: '' })
  })

  it('inspect shows metas and pages, bytes beside their meaning', () => {
    expect(ok(['inspect', db, 'meta'])).toMatch(/page 0: meta.*\n[\s\S]*magic "BPBT"[\s\S]*page 1: meta/)
    expect(ok(['inspect', db, 'page', '3'])).toMatch(/^page 3: (leaf|branch).*checksum right\n/)
    const page = JSON.parse(ok(['inspect', db, 'page', '3', '--json']))
    expect(page).toMatchObject({ pageNumber: 3, checksumOk: true })
    expect(page.bytes).toHaveLength(2 * 16_384)
    expect(kvstore(['inspect', db, 'page', '999999'])).toMatchObject({ status: 1, stdout: '' })
  })
})

describe('usage', () => {
  it('has help at every level', () => {
    const help = ok([])
    const names = [...help.matchAll(/^ {2}([a-z]+) .*</gm)].map(([, name]) => name as string)
    expect(names.length).toBeGreaterThanOrEqual(13)
    for (const name of names) {
      const text = ok([name, '--help'])
      expect(text, name).toContain(`Usage: kvstore ${name} `)
      expect(text, name).toContain('--json')
    }
    expect(runCommand('bedplate', ['kvstore', '--help']).stdout).toBe(help)
  })

  it.each([
    [['gett', 'db', 'a'], /did you mean get\?/],
    [['range', 'db', '--revers'], /did you mean --reverse\?/],
    [['get', 'db'], /missing required argument 'key'/],
    [['get', 'db', 'a', 'b'], /too many arguments/],
    [['get', 'db', 'xyz', '--hex'], /is not hexadecimal/],
    [['range', 'db', '--limit', '-1'], /whole number/],
    [['range', 'db', '--keys', '--values'], /cannot be used with/],
    [['get', 'db', 'a', '--hex', '--raw'], /exclude each other/],
    [['get', 'db', 'a', '--json', '--raw'], /--json and --raw exclude each other/],
    [['set', 'db', 'a'], /value is missing/],
    [['inspect', 'db', 'leaf'], /there is no leaf to inspect/],
    [['inspect', 'db', 'page', 'x'], /'x' is invalid for argument 'number'. It must be a whole number/],
    [['get', '', 'x'], /invalid for argument 'database'. It must not be empty/],
    [['create', ''], /invalid for argument 'database'. It must not be empty/],
    [['backup', 'db', ''], /invalid for argument 'destination'/],
    [['create', 'db', '--tree', 'a'], /unknown option '--tree'\nhint: kvstore create --help lists/],
    [['get', 'db', 'a', '--durability', 'os'], /unknown option '--durability'\nhint: kvstore get --help lists/],
    [['create', 'db', '--page-size', '5000'], /Allowed choices are 4096/],
  ])('ends with 2 for %j', (args, expected) => {
    const { status, stdout, stderr } = kvstore(args)
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toMatch(expected)
  })

  it('prints no escape sequences unless it writes to a terminal', async () => {
    await fill([['a', '1']])
    const printed = ok(['stats', db]) + ok(['inspect', db, 'page', '2']) + kvstore(['get', db, 'x']).stderr
    expect(printed).not.toContain('\u001b')
  })
})

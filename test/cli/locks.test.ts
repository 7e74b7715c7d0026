import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { afterEach, describe, expect, it } from 'vitest'
import { binary, runCommand } from '../support/run-command.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const children: ChildProcess[] = []

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})

/** A command that runs on; its lines can be waited for one by one. */
function start(name: string, args: readonly string[]) {
  const child = spawn(process.execPath, [binary(name), ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  children.push(child)
  const lines = createInterface({ input: child.stdout as NonNullable<typeof child.stdout> })[Symbol.asyncIterator]()
  let errors = ''
  child.stderr?.on('data', (bytes: Buffer) => {
    errors += bytes
  })
  return {
    child,
    async line(): Promise<string> {
      const { value, done } = await lines.next()
      return done === true ? `(ended) ${errors}` : (value as string)
    },
    /** Where a server listens that says so in its log. */
    async portOfLog(): Promise<number> {
      for (;;) {
        const port = /"port":(\d+),"adminPort"/.exec(errors)?.[1]
        if (port !== undefined) return Number(port)
        await once(child.stderr as NonNullable<typeof child.stderr>, 'data')
      }
    },
    async end(signal?: NodeJS.Signals): Promise<[number | null, string | null]> {
      const ended = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : undefined
      if (signal !== undefined) child.kill(signal)
      return ended === undefined
        ? [child.exitCode, child.signalCode]
        : ((await ended) as [number | null, string | null])
    },
  }
}

async function startService(args: readonly string[] = ['--memory']) {
  const service = start('lock-service', ['--port=0', '--json', ...args])
  const { event, port } = JSON.parse(await service.line())
  expect(event).toBe('ready')
  const endpoint = `--endpoints=127.0.0.1:${port}`
  const client = (...words: string[]) => runCommand('lock-client', [words[0] as string, endpoint, ...words.slice(1)])
  return { ...service, port, endpoint, client }
}

describe('the transcript of project 15', () => {
  it('runs as it is written', async () => {
    const directory = temporaryDirectory()
    const printed: string[] = []
    const names = new Map<string, string>()
    const print = (line: string): void => {
      const name = (id: string): string => {
        if (!names.has(id)) names.set(id, `lock-id-${'AB'[names.size]}`)
        return names.get(id) as string
      }
      printed.push(line.replaceAll(/lock-id-\d+/g, name))
    }
    const idNow = () => [...names.keys()].at(-1) as string
    // The port of the transcript may be taken on this machine.
    const service = start('lock-service', ['--port=0', `--data-dir=${directory.path}/data`, '--admin-port=0'])
    print('$ ./lock-service --port=2379 &')
    print(await service.line())
    const port = await service.portOfLog()
    const client = (...words: string[]) => [words[0] as string, `--endpoints=127.0.0.1:${port}`, ...words.slice(1)]
    const run = (...words: string[]): void => {
      print(`$ ./lock-client ${words.join(' ')}`)
      const { stdout, stderr } = runCommand('lock-client', client(...words))
      for (const line of `${stdout}${stderr}`.trimEnd().split('\n')) print(line)
    }
    run('acquire', 'my-lock', '--ttl=30s')
    const first = idNow()
    run('renew', first, '--ttl=30s')
    const second = start('lock-client', client('acquire', 'my-lock', '--ttl=5s'))
    print('$ ./lock-client acquire my-lock --ttl=5s &')
    print(await second.line())
    run('release', first)
    print(await second.line())
    expect(await second.end()).toEqual([0, null])
    print('# and after its time')
    print(await service.line())
    const transcript = readFileSync(new URL('transcripts/locks.txt', import.meta.url), 'utf8').split('\n')
    expect(printed).toEqual(transcript.slice(2, -1))
    expect(await service.end('SIGTERM')).toEqual([0, null])
    directory.remove()
  })
})

describe('lock-client', () => {
  it('renews with another time under a new lease, and the id stays', async () => {
    const { client } = await startService()
    const { id, token } = JSON.parse(client('acquire', 'a', '--ttl=300s', '--json').stdout)
    expect(id).toBe(`lock-id-${token}`)
    expect(client('renew', id, '--ttl=600s').stdout).toBe('Lock renewed, new TTL: 600s\n')
    expect(client('list').stdout).toMatch(new RegExp(`^a: ${id}, TTL: [56]\\d\\ds, waiting: 0\n$`))
    expect(client('release', id).stdout).toBe('Lock released\n')
    for (const words of [
      ['renew', id],
      ['release', id],
    ]) {
      const { status, stderr } = client(...(words as [string, string]))
      expect({ status, stderr }).toEqual({
        status: 1,
        stderr: `lock-client: there is no ${id}\nhint: it was released, or it expired\n`,
      })
    }
  })

  it('runs a command under the lock, gives its status, and releases it', async () => {
    const { client } = await startService()
    const { status, stdout } = client('acquire', 'a', '--exec', 'echo "$LOCK_NAME $LOCK_ID"; exit 3')
    expect(status).toBe(3)
    expect(stdout).toMatch(/^Lock acquired: lock-id-(\d+)\nTTL: 30s\na lock-id-\1\n$/)
    expect(client('list').stdout).toBe('')
  })

  it('does not wait if it should not, and gives up at a signal without holding others up', async () => {
    const { client, endpoint } = await startService()
    const { id } = JSON.parse(client('acquire', 'a', '--json').stdout)
    const refused = client('acquire', 'a', '--no-wait')
    expect(refused.status).toBe(1)
    expect(refused.stderr).toContain('somebody else has "a"')
    const waiting = start('lock-client', ['acquire', endpoint, 'a'])
    expect(await waiting.line()).toBe('Lock unavailable, waiting...')
    expect(await waiting.end('SIGINT')).toEqual([130, null])
    client('release', id)
    expect(client('acquire', 'a').stdout).toContain('Lock acquired: ')
  })

  it('watches who holds a lock', async () => {
    const { client, endpoint } = await startService()
    const watch = start('lock-client', ['watch', endpoint, 'a', '--count=3'])
    expect(await watch.line()).toBe('a: free')
    const { id } = JSON.parse(client('acquire', 'a', '--json').stdout)
    expect(await watch.line()).toBe(`a: held by ${id}`)
    client('release', id)
    expect(await watch.line()).toBe('a: free')
    expect(await watch.end()).toEqual([0, null])
  })

  it('elects one leader, and the next when that steps down', async () => {
    const { endpoint } = await startService()
    const one = start('lock-client', ['elect', endpoint, 'e', 'one'])
    expect(await one.line()).toBe('Elected: one')
    const two = start('lock-client', ['elect', endpoint, 'e', 'two'])
    expect(await one.end('SIGTERM')).toEqual([0, null])
    expect(await two.line()).toBe('Elected: two')
  })

  it.each([
    [['acquire', 'a', '--ttl=soon'], 2, /--ttl must be a time such as 30s, 500ms or 5m, got "soon"/],
    [['renew', 'my-lock'], 2, /the id of a lock is lock-id-N, got "my-lock"/],
    [['acquire', 'a', '--endpoints=nowhere'], 2, /--endpoints takes host:port, got "nowhere"/],
    [['acquire', 'a', '--endpoints=127.0.0.1:1'], 1, /the lock service does not answer: .*\nhint: is it running/],
  ])('refuses %j', (args, status, message) => {
    const ended = runCommand('lock-client', args)
    expect(ended.stderr).toMatch(message)
    expect({ status: ended.status, stdout: ended.stdout }).toEqual({ status, stdout: '' })
  })
})

describe('lock-service', () => {
  it('has what was acknowledged after kill -9', async () => {
    const directory = temporaryDirectory()
    const args = [`--data-dir=${directory.path}/data`]
    const first = await startService(args)
    const { id } = JSON.parse(first.client('acquire', 'a', '--ttl=600s', '--json').stdout)
    expect(await first.end('SIGKILL')).toEqual([null, 'SIGKILL'])
    const again = await startService(args)
    expect(again.client('list', '--json').stdout).toContain(`"id":"${id}"`)
    expect(again.client('renew', id, '--ttl=600s').stdout).toBe('Lock renewed, new TTL: 600s\n')
    const { status, stderr } = runCommand('lock-service', ['--port=0', ...args])
    expect(status).toBe(1)
    expect(stderr).toContain('is in use by process')
    expect(await again.end('SIGTERM')).toEqual([0, null])
    directory.remove()
  })

  it('listens where others reach it if it is told that anybody may come in', async () => {
    const service = await startService(['--host=0.0.0.0', '--memory', '--insecure'])
    expect(await service.end('SIGTERM')).toEqual([0, null])
  })

  it.each([
    [['--port=x'], 2, /--port must be a whole number from 0 to 65535, got "x"/],
    [['--auto-compaction=often', '--memory'], 2, /--auto-compaction must be a time/],
    [['--host=0.0.0.0', '--port=0', '--memory'], 1, /refusing to listen on 0\.0\.0\.0 without authentication\nhint: /],
  ])('refuses %j', (args, status, message) => {
    const ended = runCommand('lock-service', args)
    expect(ended.stderr).toMatch(message)
    expect({ status: ended.status, stdout: ended.stdout }).toEqual({ status, stdout: '' })
  })
})

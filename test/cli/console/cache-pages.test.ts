// What the console answers where a server refuses: the error of the server, with a status that says whose fault it is.
import { describe, expect, it } from 'vitest'
import type { CacheView } from '../../../ts/cli/console/cache-node.ts'
import { cacheChanges, cachePages } from '../../../ts/cli/console/cache-pages.ts'

/** One server that replies to commands by their name; to others with OK. */
function serverThat(replies: Readonly<Record<string, string>>): CacheView {
  const run = async (commands: readonly (readonly string[])[]) =>
    commands.map(([name = '']) => Buffer.from(replies[name] ?? '+OK\r\n', 'latin1'))
  return { nodes: () => [{ name: 'cache', address: '', state: 'running', run }] }
}

async function answered(
  page: Promise<{ status: number; body: string } | undefined> | unknown,
): Promise<[number | undefined, unknown]> {
  const given = (await page) as { status: number; body: string } | undefined
  return [given?.status, given && JSON.parse(given.body)]
}

const show = (path: string, replies: Readonly<Record<string, string>>) =>
  answered(cachePages(serverThat(replies))(path))

describe('the console of a cache', () => {
  it('says why a key could not be deleted', async () => {
    const refusal = "READONLY You can't write against a read only replica."
    const change = cacheChanges(serverThat({ DEL: `-${refusal}\r\n` }))
    for (const db of [0, 3]) {
      expect(await answered(change('0/delete', Buffer.from(`{"db":${db},"id":"a"}`)))).toEqual([
        400,
        { error: { code: 'INVALID_INPUT', message: refusal } },
      ])
    }
  })

  it('says why a value cannot be shown, such as that it is of another type by now', async () => {
    const wrong = 'WRONGTYPE Operation against a key holding the wrong kind of value'
    const replies = { TYPE: '+list\r\n', PTTL: ':-1\r\n', LLEN: `-${wrong}\r\n` }
    expect(await show('0/key/0/a', replies)).toEqual([400, { error: { code: 'INVALID_INPUT', message: wrong } }])
  })

  it('says that a server which cannot answer now may later', async () => {
    const loading = 'LOADING Redis is loading the dataset in memory'
    expect(await show('0/keys/0/0//', { SCAN: `-${loading}\r\n` })).toEqual([
      503,
      { error: { code: 'UNAVAILABLE', message: loading } },
    ])
  })

  it('says that there is no such database', async () => {
    const outOfRange = 'ERR DB index is out of range'
    expect(await show('0/memory/9999', { SELECT: `-${outOfRange}\r\n` })).toEqual([
      400,
      { error: { code: 'INVALID_INPUT', message: outOfRange } },
    ])
  })
})

import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { afterEach, describe, expect, it } from 'vitest'
import { Output } from '../../../ts/cli/kit/output.ts'
import { abort, addNode, loseNode, repair } from '../../../ts/cli/partitioned-kv/change.ts'
import type { ConnectionArguments } from '../../../ts/cli/partitioned-kv/connection.ts'
import { BedplateError } from '../../../ts/index.ts'
import { listenHttp } from '../../../ts/io/http.ts'
import { type Listener, showAddress } from '../../../ts/io/network.ts'
import { failurePage, jsonPage } from '../../../ts/service/json-pages.ts'
import { freePort } from '../../support/ports.ts'

let listener: Listener | undefined

afterEach(() => listener?.close())

/** What a command prints that is told of these places. */
async function saidBy(
  act: (out: Output, options: ConnectionArguments) => Promise<void>,
  urls: string[],
): Promise<string> {
  const stream = new PassThrough()
  const out = new Output(stream)
  await act(out, { url: urls.join(', ') })
  await out.flush()
  stream.end()
  return text(stream)
}

/** A node that takes part in what it is asked, and where nobody is. */
async function nodeAndNobody(refusal?: BedplateError): Promise<{ node: string; nobody: string; asked: string[] }> {
  const asked: string[] = []
  listener = await listenHttp({ host: '127.0.0.1', port: 0 }, () => undefined, {
    change: (path, body) => {
      asked.push(`${path} ${Buffer.from(body)}`)
      return refusal === undefined ? jsonPage({ epoch: 7, ranges: 1, keys: 2 }) : failurePage(refusal)
    },
  })
  return { node: `http://${showAddress(listener.address)}/`, nobody: `http://127.0.0.1:${await freePort()}`, asked }
}

describe('what any node can do', () => {
  it.each([
    ['abort', abort, '/change {"kind":"abort"}', 'Change given up: the nodes hold what they held before\n'],
    [
      'lose-node',
      (out: Output, options: ConnectionArguments) => loseNode(out, 'd', options),
      ...['/change {"kind":"lose","name":"d"}', 'The change goes on without d\n'],
    ],
    ['repair', repair, '/repair {}', 'Compared 1 range, 2 keys differed\n'],
  ] as const)('is asked of the next one where nobody answers: %s', async (_, act, request, said) => {
    const { node, nobody, asked } = await nodeAndNobody()
    expect(await saidBy(act, [nobody, node])).toBe(said)
    expect(asked).toEqual([request])
  })

  it('is not asked again once a node has refused it', async () => {
    const { node, nobody, asked } = await nodeAndNobody(new BedplateError('CONFLICT', 'there is no change'))
    await expect(saidBy(abort, [node, nobody])).rejects.toMatchObject({
      code: 'CONFLICT',
      message: 'there is no change',
    })
    expect(asked).toHaveLength(1)
  })

  it('fails where nobody answers at all', async () => {
    const { nobody } = await nodeAndNobody()
    await expect(saidBy(abort, [nobody, nobody])).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  })
})

it.each([['foo'], ['http://127.0.0.1:1,foo'], ['ftp://127.0.0.1']])(
  'a URL that is none is refused: %s',
  async (url) => {
    await expect(saidBy(abort, [url])).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    await expect(saidBy((out, options) => addNode(out, 'd', options), [url])).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    })
  },
)

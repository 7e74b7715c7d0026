import { expect, it } from 'vitest'
import { isCode } from '../../../ts/base/errors.ts'
import { parseNodesConf, renderNodesConf } from '../../../ts/cache/cluster/nodes-conf.ts'
import { seededRandom } from '../../../ts/io/random.ts'

const [A, B, C] = ['a', 'b', 'c'].map((letter) => letter.repeat(40)) as [string, string, string]
// As redis-server 7.0.15 writes it.
const FILE = `${A} 127.0.0.1:7000@17000 myself,master - 0 0 5 connected 0-5 7 [6-<-${B}] [7->-${B}]
${B} 127.0.0.1:7001@17001,host.example master - 0 1700000000000 6 connected 8-16383
${C} :0@0 slave,fail,noaddr ${B} 1700000000000 1700000000000 6 disconnected
vars currentEpoch 7 lastVoteEpoch 6
`
const NOW_MS = 1_800_000_000_000

it('nodes.conf of Redis is read and written', () => {
  const topology = parseNodesConf(FILE, NOW_MS)
  const [a, b, c] = [A, B, C].map((name) => topology.nodes.get(name))
  expect(topology.myself).toBe(a)
  expect([topology.currentEpoch, topology.lastVoteEpoch, topology.assignedCount]).toEqual([7, 6, 16_383])
  expect([topology.importing.get(6), topology.migrating.get(7), c?.master]).toEqual([b, b, b])
  const written = renderNodesConf(topology)
  expect(written).toBe(
    FILE.replace(' connected 8', ' disconnected 8')
      .replace(',host.example', '')
      .replace(`${B} 1700000000000 1700000000000`, `${B} 0 1700000000000`)
      .replace(`[6-<-${B}] [7->-${B}]`, `[7->-${B}] [6-<-${B}]`),
  )
  expect(renderNodesConf(parseNodesConf(written, NOW_MS))).toBe(written)
})

it('a damaged nodes.conf is refused by name', () => {
  const random = seededRandom(3)
  const characters = ' -[]<>:@,0123456789abcmyselfvars\n\0'
  let refusals = 0
  for (let round = 0; round < 300; round++) {
    const chars = [...FILE]
    for (let i = 1 + Math.floor(random.next() * 4); i > 0; i--) {
      chars[Math.floor(random.next() * chars.length)] = characters[
        Math.floor(random.next() * characters.length)
      ] as string
    }
    const text =
      random.next() < 0.2 ? chars.join('').slice(0, Math.floor(random.next() * chars.length)) : chars.join('')
    try {
      parseNodesConf(text, NOW_MS)
    } catch (error) {
      if (!isCode(error, 'CORRUPTION')) throw error
      refusals++
    }
  }
  expect(refusals).toBeGreaterThan(150)
  expect(() => parseNodesConf('', NOW_MS)).toThrow('exactly one line with the flag myself')
})

import { describe, expect, it } from 'vitest'
import { Ear } from '../../../ts/cli/local-cluster/ear.ts'
import { RAFT } from '../../../ts/cli/raft/cluster.ts'
import { encodeHello, encodeMessage, type Message, PREAMBLE } from '../../../ts/distributed/raft/index.ts'
import { encodeAside } from '../../../ts/distributed/raft/message-codec.ts'
import { seededRandom } from '../../../ts/io/random.ts'

const HELLO = encodeHello({
  ...{ clusterId: 'c', from: 2, to: 1, members: [1, 2], basePort: 0, incarnation: 'i' },
  nonce: new Uint8Array(16),
})
const PROOF = encodeAside(0, { kind: 'proof', bytes: new Uint8Array(32) })
const MESSAGES: Message[] = [
  { kind: 'heartbeat', term: 3, commit: 1, round: 7 },
  { kind: 'vote', term: 3, isPre: false, granted: true },
]
const STREAM = Buffer.concat([PREAMBLE, HELLO, PROOF, ...MESSAGES.map((message) => encodeMessage(1, message))])

describe('an ear', () => {
  it.each([1, 3, 8, 1000])('hears the messages of a stream in pieces of %i bytes', (size) => {
    const ear = new Ear(RAFT)
    const heard: unknown[] = []
    for (let at = 0; at < STREAM.length; at += size)
      heard.push(...ear.hear(new Uint8Array(STREAM.subarray(at, at + size))))
    expect(heard).toEqual([{ kind: 'proof', bytes: new Uint8Array(32) }, ...MESSAGES])
    expect(ear.hello?.from).toBe(2)
  })

  it('hears nothing more once something came that no node sends', () => {
    const ear = new Ear(RAFT)
    expect(ear.hear(Buffer.from('GET / HTTP/1.1\r\n\r\n'))).toEqual([])
    expect(ear.hear(new Uint8Array(STREAM))).toEqual([])
    expect([ear.isDeaf, ear.hello]).toEqual([true, undefined])
  })

  it('never throws, whatever comes', () => {
    const random = seededRandom(42)
    for (let round = 0; round < 500; round++) {
      const ear = new Ear(RAFT)
      const bytes = new Uint8Array(STREAM)
      for (let i = 0; i < 3; i++) bytes[Math.floor(random.next() * bytes.length)] = Math.floor(random.next() * 256)
      const cut = Math.floor(random.next() * bytes.length)
      expect(() => [...ear.hear(bytes.subarray(0, cut)), ...ear.hear(bytes.subarray(cut))]).not.toThrow()
    }
  })
})

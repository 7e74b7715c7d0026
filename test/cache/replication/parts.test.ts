import { describe, expect, it } from 'vitest'
import { isCode } from '../../../ts/base/errors.ts'
import { Backlog } from '../../../ts/cache/replication/backlog.ts'
import { ByteQueue } from '../../../ts/cache/replication/byte-queue.ts'
import { Handshake } from '../../../ts/cache/replication/handshake.ts'
import { History } from '../../../ts/cache/replication/history.ts'
import { type MasterItem, MasterStream } from '../../../ts/cache/replication/master-stream.ts'
import { type Random, seededRandom } from '../../../ts/io/random.ts'
import { RespProtocolError } from '../../../ts/wire/resp/index.ts'
import { below } from '../../support/cache-workload.ts'

const ID = 'a'.repeat(40)
const OTHER = 'b'.repeat(40)

function bytes(text: string): Buffer {
  return Buffer.from(text, 'latin1')
}

/** Cuts bytes at random. */
function pieces(whole: Uint8Array, random: Random): Uint8Array[] {
  const parts: Uint8Array[] = []
  for (let at = 0; at < whole.length; ) {
    const count = random.next() < 0.3 ? 1 : 1 + below(random, 60)
    parts.push(Uint8Array.from(whole.subarray(at, at + count)))
    at += count
  }
  return parts
}

describe('a backlog', () => {
  it.each([1, 2])('keeps the last bytes of what was appended (seed %i)', (seed) => {
    const random = seededRandom(seed)
    let limit = 50
    const backlog = new Backlog(limit)
    let model = Buffer.alloc(0)
    for (let i = 0; i < 800; i++) {
      if (random.next() < 0.05) {
        limit = 1 + below(random, 300)
        backlog.resize(limit)
      } else {
        const more = random.bytes(below(random, random.next() < 0.1 ? 500 : 20))
        backlog.append(more)
        model = Buffer.concat([model, more])
      }
      model = model.subarray(Math.max(0, model.length - limit))
      expect(backlog.length).toBe(model.length)
      const count = below(random, model.length + 1)
      expect(backlog.last(count).equals(model.subarray(model.length - count))).toBe(true)
    }
  })
})

describe('a history', () => {
  it('goes on from any offset that it has kept, under its own id and up to a point under the one before', () => {
    const history = new History(ID)
    expect(history.since(ID, 1)).toBeUndefined()
    history.keep(10)
    history.append(bytes('0123456789ab'))
    expect([history.firstOffset, history.offset]).toEqual([3, 12])
    expect(history.since(ID, 3)).toEqual(bytes('23456789ab'))
    expect(history.since(ID, 13)).toEqual(bytes(''))
    expect([history.since(ID, 2), history.since(ID, 14), history.since(OTHER, 13)]).toEqual([
      undefined,
      undefined,
      undefined,
    ])
    history.branch(OTHER)
    history.append(bytes('xy'))
    expect(history.since(ID, 13)).toEqual(bytes('xy'))
    expect(history.since(OTHER, 14)).toEqual(bytes('y'))
    // What the old id names after that point is something else.
    expect(history.since(ID, 14)).toBeUndefined()
    history.replace(ID, 100)
    expect([history.since(ID, 100), history.since(OTHER, 101)]).toEqual([undefined, undefined])
    expect(history.since(ID, 101)).toEqual(bytes(''))
  })
})

describe('a queue of bytes', () => {
  it.each([1, 2])('gives them back as they came (seed %i)', (seed) => {
    const random = seededRandom(seed)
    const queue = new ByteQueue()
    let model = ''
    for (let i = 0; i < 800; i++) {
      const action = below(random, 4)
      if (action < 2) {
        const text = ['abc', '\n', 'x\r\n', '', 'long '.repeat(below(random, 9))][below(random, 5)] as string
        queue.push(bytes(text))
        model += text
      } else if (action === 2) {
        const count = below(random, model.length + 1)
        expect(queue.take(count).toString('latin1')).toBe(model.slice(0, count))
        model = model.slice(count)
      } else {
        const end = model.indexOf('\n')
        const line = end === -1 || end >= 20 ? undefined : model.slice(0, end).trimEnd()
        expect(queue.takeLine(20)).toBe(line)
        if (line !== undefined) model = model.slice(end + 1)
      }
      expect(queue.length).toBe(model.length)
    }
  })
})

describe('a handshake', () => {
  const introduction = {
    user: '',
    password: '',
    listeningPort: 7,
    announcedHost: '',
    known: undefined,
    handsOver: false,
  }

  it('says who it is, step by step', () => {
    const handshake = new Handshake({
      user: 'u',
      password: 'p',
      listeningPort: 7,
      announcedHost: 'h',
      known: { id: ID, from: 5 },
      handsOver: true,
    })
    const said = [handshake.begin()]
    for (const answer of ['-NOAUTH', '+OK', '-ERR unknown', '+OK', '+OK']) {
      const step = handshake.answer(answer)
      if (step.kind === 'send') said.push(step.args)
    }
    expect(said.map((args) => args.join(' '))).toEqual([
      'PING',
      'AUTH u p',
      'REPLCONF listening-port 7',
      'REPLCONF ip-address h',
      'REPLCONF capa eof capa psync2',
      `PSYNC ${ID} 5 FAILOVER`,
    ])
    expect(handshake.answer(`+CONTINUE ${OTHER}`)).toEqual({ kind: 'continue', id: OTHER })
  })

  it.each([
    [`+FULLRESYNC ${ID} 12`, { kind: 'resync', id: ID, offset: 12 }],
    ['+CONTINUE', { kind: 'continue', id: undefined }],
    ['+CONTINUE short', { kind: 'fail', why: 'PSYNC was answered with "+CONTINUE short"' }],
    [`+FULLRESYNC ${ID} -1`, { kind: 'fail', why: `PSYNC was answered with "+FULLRESYNC ${ID} -1"` }],
    ['-NOMASTERLINK no', { kind: 'fail', why: 'PSYNC was answered with "-NOMASTERLINK no"' }],
  ])('takes %j for what it is', (answer, step) => {
    const handshake = new Handshake({ ...introduction, known: { id: ID, from: 5 } })
    for (let i = 0; i < 3; i++) expect(handshake.answer('+OK').kind).toBe('send')
    expect(handshake.answer(answer)).toEqual(step)
  })

  it('does not take a master at its word that goes on with what the replica never had', () => {
    const handshake = new Handshake(introduction)
    for (let i = 0; i < 3; i++) handshake.answer('+OK')
    expect(handshake.answer(`+CONTINUE ${ID}`).kind).toBe('fail')
  })

  it('ends at a master that does not let it in', () => {
    expect(new Handshake(introduction).answer('-LOADING')).toEqual({
      kind: 'fail',
      why: 'PING was answered with "-LOADING"',
    })
  })
})

describe('what a master sends', () => {
  const SET = '*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n'
  const MARK = 'm'.repeat(20) + 'n'.repeat(20)

  function readAll(stream: MasterStream, parts: readonly Uint8Array[]): MasterItem[] {
    const items: MasterItem[] = []
    for (const part of parts) {
      stream.push(part)
      for (let item = stream.next(); item !== undefined; item = stream.next()) {
        items.push(item)
        if (item.kind === 'line' && item.text.startsWith('+FULL')) stream.expect('snapshot')
        if (item.kind === 'line' && item.text.startsWith('+CONT')) stream.expect('commands')
      }
    }
    return items
  }

  it.each([
    ['of known length', (body: string) => `$${body.length}\r\n${body}`],
    ['with a mark', (body: string) => `$EOF:${MARK}\r\n${body}${MARK}`],
  ])('is the same however it is cut: a snapshot %s', (_, frame) => {
    const random = seededRandom(3)
    const body = `RDB ${MARK.slice(0, 39)}${'m'.repeat(25)}\n\r\n${'x'.repeat(3000)}`
    const whole = bytes(`\n\n+FULL\r\n\n\n${frame(body)}${SET}*1\r\n$4\r\nPING\r\n${SET}`)
    for (let round = 0; round < 60; round++) {
      const [line, snapshot, ...commands] = readAll(new MasterStream(), pieces(whole, random))
      expect(line).toEqual({ kind: 'line', text: '+FULL' })
      expect(snapshot?.kind === 'snapshot' && Buffer.concat(snapshot.pieces).toString('latin1')).toBe(body)
      const said = commands.map((each) => (each.kind === 'command' ? Buffer.from(each.bytes).toString('latin1') : ''))
      expect(said).toEqual([SET, '*1\r\n$4\r\nPING\r\n', SET])
    }
  })

  it.each([
    '+FULL\r\n$-1\r\n',
    '+FULL\r\n$99999999999999\r\n',
    '+FULL\r\n-ERR no\r\n',
    '+FULL\r\n$EOF:short\r\n',
    '+CONT\r\n*1\r\n!1\r\n',
  ])('is refused where no master says it: %j', (text) => {
    expect(() => readAll(new MasterStream(), [bytes(text)])).toThrow(/the master cannot be understood|Protocol error/)
  })

  it('is refused where a line has no end', () => {
    expect(() => readAll(new MasterStream(), [bytes('x'.repeat(2000))])).toThrow('a line is too long')
  })

  it.each([1, 2, 3])('never breaks who reads it (seed %i)', (seed) => {
    const random = seededRandom(seed)
    const whole = bytes(`+FULL\r\n$EOF:${MARK}\r\n0123456789${MARK}${SET}${SET}`)
    for (let round = 0; round < 400; round++) {
      const broken = Buffer.from(whole)
      for (let i = 1 + below(random, 4); i > 0; i--) broken[below(random, broken.length)] = below(random, 256)
      try {
        readAll(new MasterStream(), pieces(broken, random))
      } catch (error) {
        if (!(error instanceof RespProtocolError) && !isCode(error, 'CORRUPTION')) throw error
      }
    }
  })
})

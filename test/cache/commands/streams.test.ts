import { describe, expect, it } from 'vitest'
import { CacheBed, expectReplies, SYNTAX_ERROR, WRONG_TYPE } from '../../support/cache.ts'

const NO_GROUP = (key: string, group: string): string =>
  `Error: NOGROUP No such key '${key}' or consumer group '${group}'`
const BAD_ID = 'Error: ERR Invalid stream ID specified as stream command argument'
const TOO_SMALL = 'Error: ERR The ID specified in XADD is equal or smaller than the target stream top item'

describe('streams', () => {
  it('append entries with IDs that grow', () => {
    expectReplies(
      new CacheBed(),
      ['XADD x * a 1', '1700000000000-0'],
      ['XADD x * a 2', '1700000000000-1'],
      ['XADD x 1700000000005-* a 3', '1700000000005-0'],
      ['XADD x 1700000000005-* a 4', '1700000000005-1'],
      ['XADD x 1 a 5', TOO_SMALL],
      ['XADD x * a', "Error: ERR wrong number of arguments for 'xadd' command"],
      ['XADD x a-b a 1', BAD_ID],
      ['XADD y 0-0 a 1', 'Error: ERR The ID specified in XADD must be greater than 0-0'],
      ['XADD y 0-* a 1', '0-1'],
      ['XADD none NOMKSTREAM * a 1', null],
      ['XLEN x', 4],
      ['XADD y 18446744073709551615-18446744073709551615 a 1', '18446744073709551615-18446744073709551615'],
      ['XADD y * a 1', 'Error: ERR The stream has exhausted the last possible ID, unable to add more items'],
      ['SET s 1', 'OK'],
      ['XADD s * a 1', WRONG_TYPE],
    )
  })

  it('are read in ranges', () => {
    const bed = new CacheBed()
    for (let i = 1; i <= 5; i++) bed.run(`XADD x ${i}-${i} n ${i}`)
    const entry = (i: number) => [`${i}-${i}`, ['n', String(i)]]
    expectReplies(
      bed,
      ['XRANGE x - +', [1, 2, 3, 4, 5].map(entry)],
      ['XRANGE x 2 4', [2, 3, 4].map(entry)],
      ['XRANGE x (2-2 (4-4', [entry(3)]],
      ['XRANGE x - + COUNT 2', [1, 2].map(entry)],
      ['XREVRANGE x + 4', [5, 4].map(entry)],
      ['XRANGE x - + COUNT', SYNTAX_ERROR],
      ['XRANGE x ( +', BAD_ID],
      ['XRANGE none - +', []],
      ['XDEL x 2-2 9-9', 1],
      ['XRANGE x - 3', [1, 3].map(entry)],
      ['XTRIM x MAXLEN 2', 2],
      ['XRANGE x - +', [4, 5].map(entry)],
      ['XTRIM x MINID 5', 1],
      ['XLEN x', 1],
      ['XTRIM x MAXLEN -1', 'Error: ERR The MAXLEN argument must be >= 0.'],
      ['XTRIM x LIMIT 1', `${SYNTAX_ERROR}, LIMIT cannot be used without specifying a trimming strategy`],
      ['XTRIM x LIMIT 0', `${SYNTAX_ERROR}, XTRIM must be called with a trimming strategy`],
      ['XADD x MAXLEN = 1 * a 1', '1700000000000-0'],
      ['XLEN x', 1],
      ['XSETID x 1', 'Error: ERR The ID specified in XSETID is smaller than the target stream top item'],
      ['XSETID x 1800000000000-1', 'OK'],
      ['XADD x * a 1', '1800000000000-2'],
    )
  })

  it('trim whole nodes where that is enough', () => {
    const bed = new CacheBed({ propagates: true })
    for (let i = 1; i <= 350; i++) bed.run(`XADD x ${i} n ${i}`)
    expect(bed.run('XTRIM x MAXLEN ~ 120')).toBe(200)
    expect(bed.propagated()).toEqual(['XTRIM x MAXLEN = 150'])
    bed.run('XADD x * a 1')
    expect(bed.propagated()).toEqual(['XADD x 1700000000000-0 a 1'])
  })

  it('are trimmed by whole nodes where that is enough, which lie where they were filled', () => {
    const bed = new CacheBed()
    for (let i = 0; i < 1000; i++) bed.run('XADD x * f v')
    expectReplies(
      bed,
      ['XTRIM x MAXLEN 555', 445],
      ['XTRIM x MAXLEN ~ 444', 55],
      ['XTRIM x MAXLEN ~ 400', 100],
      ['COPY x y', 1],
      ['XTRIM y MAXLEN ~ 399', 0],
    )
    const small = new CacheBed({ encodingLimits: { streamNodeMaxEntries: 10 } })
    for (let i = 0; i < 100; i++) small.run('XADD x * f v')
    small.run('XADD x MAXLEN ~ 55 LIMIT 30 * f v')
    expect(small.run('XLEN x')).toBe(71)
    const one = new CacheBed({ encodingLimits: { streamNodeMaxEntries: 0 } })
    for (let i = 0; i < 100; i++) one.run('XADD x * f v')
    expectReplies(one, ['XTRIM x MAXLEN ~ 1', 0], ['XTRIM x MAXLEN ~ 0', 100])
  })

  it('let clients wait for what comes', () => {
    const bed = new CacheBed()
    const waiting = bed.engine.connect()
    bed.run('XADD x 1 a 1')
    expectReplies(
      bed,
      ['XREAD STREAMS x y 0 0', [['x', [['1-0', ['a', '1']]]]]],
      ['XREAD STREAMS x $', null],
      [
        'XREAD STREAMS x y 0',
        "Error: ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.",
      ],
      ['XREAD BLOCK -1 STREAMS x 0', 'Error: ERR timeout is negative'],
    )
    expect(bed.run('XREAD BLOCK 0 STREAMS x y $ $', waiting)).toBeUndefined()
    bed.run('XADD x 2 a 2')
    expect(bed.received(waiting)).toEqual([[['x', [['2-0', ['a', '2']]]]]])
    expect(bed.run('XREAD BLOCK 100 STREAMS y 0', waiting)).toBeUndefined()
    bed.wait(100)
    expect(bed.received(waiting)).toEqual([null])
  })
})

describe('consumer groups', () => {
  it('give each entry to one consumer, until it is acknowledged', () => {
    const bed = new CacheBed()
    for (let i = 1; i <= 4; i++) bed.run(`XADD x ${i} n ${i}`)
    const entry = (i: number) => [`${i}-0`, ['n', String(i)]]
    expectReplies(
      bed,
      ['XGROUP CREATE none g 0', expect.stringMatching(/^Error: ERR The XGROUP subcommand requires the key to exist/)],
      ['XGROUP CREATE x g 0', 'OK'],
      ['XGROUP CREATE x g 0', 'Error: BUSYGROUP Consumer Group name already exists'],
      ['XREADGROUP GROUP g alice COUNT 2 STREAMS x >', [['x', [entry(1), entry(2)]]]],
      ['XREADGROUP GROUP g bob STREAMS x >', [['x', [entry(3), entry(4)]]]],
      ['XREADGROUP GROUP g bob STREAMS x >', null],
      ['XREADGROUP GROUP g alice STREAMS x 0', [['x', [entry(1), entry(2)]]]],
      ['XREADGROUP GROUP none bob STREAMS x >', `${NO_GROUP('x', 'none')} in XREADGROUP with GROUP option`],
      ['XREADGROUP GROUP g bob STREAMS x $', expect.stringMatching(/^Error: ERR The \$ ID is meaningless/)],
      [
        'XPENDING x g',
        [
          4,
          '1-0',
          '4-0',
          [
            ['alice', '2'],
            ['bob', '2'],
          ],
        ],
      ],
      ['XACK x g 1 1 9', 1],
      ['XACK x none 1', 0],
      ['XPENDING x g - + 10 alice', [['2-0', 'alice', 0, 2]]],
      ['XDEL x 2', 1],
      ['XREADGROUP GROUP g alice STREAMS x 0', [['x', [['2-0', null]]]]],
      ['XPENDING x none', NO_GROUP('x', 'none')],
    )
  })

  it('hand over what was left lying', () => {
    const bed = new CacheBed({ propagates: true })
    for (let i = 1; i <= 4; i++) bed.run(`XADD x ${i} n ${i}`)
    bed.run('XGROUP CREATE x g 0')
    bed.run('XREADGROUP GROUP g alice STREAMS x >')
    bed.wait(1000)
    bed.run('XDEL x 3')
    expectReplies(
      bed,
      ['XPENDING x g IDLE 1001 - + 10', []],
      ['XCLAIM x g bob 2000 1', []],
      ['XCLAIM x g bob 500 1', [['1-0', ['n', '1']]]],
    )
    expect(bed.propagated()).toContain(`XCLAIM x g bob 0 1-0 TIME ${bed.now} RETRYCOUNT 2 FORCE JUSTID LASTID 4-0`)
    expectReplies(
      bed,
      ['XAUTOCLAIM x g carol 500 0 COUNT 1', ['3-0', [['2-0', ['n', '2']]], []]],
      ['XAUTOCLAIM x g carol 500 3 JUSTID', ['0-0', ['4-0'], ['3-0']]],
      [
        'XPENDING x g - + 10',
        [
          ['1-0', 'bob', 0, 2],
          ['2-0', 'carol', 0, 2],
          ['4-0', 'carol', 0, 1],
        ],
      ],
      ['XGROUP DELCONSUMER x g carol', 2],
      ['XPENDING x g', [1, '1-0', '1-0', [['bob', '1']]]],
      ['XGROUP CREATECONSUMER x g dave', 1],
      ['XGROUP CREATECONSUMER x g dave', 0],
      ['XGROUP DESTROY x g', 1],
      ['XGROUP DESTROY x g', 0],
    )
  })

  it('serve those who wait, and tell them if the stream is gone', () => {
    const bed = new CacheBed()
    const [first, second] = [bed.engine.connect(), bed.engine.connect()]
    bed.run('XGROUP CREATE x g $ MKSTREAM')
    bed.run('XREADGROUP GROUP g alice BLOCK 0 STREAMS x >', first)
    bed.run('XREADGROUP GROUP g bob BLOCK 0 STREAMS x >', second)
    bed.run('XADD x 1 a 1')
    expect(bed.received(first)).toEqual([[['x', [['1-0', ['a', '1']]]]]])
    expect(bed.received(second)).toEqual([])
    bed.run('DEL x')
    expect(bed.received(second)).toEqual(['Error: UNBLOCKED the stream key no longer exists'])
  })

  it('are described', () => {
    const bed = new CacheBed()
    for (let i = 1; i <= 3; i++) bed.run(`XADD x ${i} n ${i}`)
    bed.run('XGROUP CREATE x g 0')
    bed.run('XREADGROUP GROUP g alice COUNT 2 STREAMS x >')
    bed.wait(7)
    expectReplies(
      bed,
      [
        'XINFO GROUPS x',
        [['name', 'g', 'consumers', 1, 'pending', 2, 'last-delivered-id', '2-0', 'entries-read', 2, 'lag', 1]],
      ],
      ['XINFO CONSUMERS x g', [['name', 'alice', 'pending', 2, 'idle', 7]]],
      ['XINFO CONSUMERS x h', "Error: NOGROUP No such consumer group 'h' for key name 'x'"],
      ['XINFO STREAM none', 'Error: ERR no such key'],
      ['COPY x y', 1],
      ['XPENDING y g', [2, '1-0', '2-0', [['alice', '2']]]],
    )
    const full = bed.run('XINFO STREAM x FULL') as unknown[]
    expect(full.slice(0, 2)).toEqual(['length', 3])
    expect(bed.run('XINFO STREAM x')).toHaveLength(20)
  })
})

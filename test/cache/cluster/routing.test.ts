import { describe, expect, it } from 'vitest'
import { SLOT_COUNT, slotOf } from '../../../ts/cache/cluster/slots.ts'
import { CacheBed, expectReplies } from '../../support/cache.ts'
import { RoutedBed } from '../../support/cluster/routed-bed.ts'

const [A, B] = [slotOf('a'), slotOf('b')]
const ALL = Array.from({ length: SLOT_COUNT }, (_, slot) => slot)
const CROSSSLOT = "Error: CROSSSLOT Keys in request don't hash to the same slot"
const TRYAGAIN = 'Error: TRYAGAIN Multiple keys request during rehashing of slot'
const MOVED = `Error: MOVED ${B} 10.0.0.2:7001`

/** A master that owns every slot but that of `b`. */
function master(): RoutedBed {
  const bed = new RoutedBed()
  bed.own(bed.topology.myself, ...ALL)
  bed.own(bed.other, B)
  return bed
}

describe('a master of a cluster', () => {
  it('serves its slots and says who serves the others', () => {
    expectReplies(
      master(),
      ['SET a 1', 'OK'],
      ['SET b 1', MOVED],
      ['GET b', MOVED],
      ['MGET {b}1 {b}2', MOVED],
      ['MGET a b', CROSSSLOT],
      ['MSET {a}1 x {a}2 y', 'OK'],
      ['EXISTS {a}1 {a}2', 2],
      ['LMPOP 2 b {b}x LEFT', MOVED],
      ['ZUNIONSTORE a 2 {a}1 b', CROSSSLOT],
      ['XREAD STREAMS b 0', MOVED],
      ['SORT {a}1 STORE b', CROSSSLOT],
      ['WATCH a b', CROSSSLOT],
      ['PING', 'PONG'],
      ['DBSIZE', 3],
    )
  })

  it('says that nobody serves a slot, and that the cluster is down', () => {
    const bed = master()
    bed.topology.unassign(A)
    expectReplies(bed, ['GET a', 'Error: CLUSTERDOWN Hash slot not served'])
    bed.topology.isUp = false
    expectReplies(bed, ['GET b', 'Error: CLUSTERDOWN The cluster is down'], ['SPUBLISH x m', 0], ['PING', 'PONG'])
  })

  it('asks for the keys of a slot that is going where they are', () => {
    const bed = master()
    expectReplies(bed, ['SET {a}1 here', 'OK'])
    bed.topology.migrating.set(A, bed.other)
    expectReplies(
      bed,
      ['GET {a}1', 'here'],
      ['GET {a}2', `Error: ASK ${A} 10.0.0.2:7001`],
      ['SET {a}2 x', `Error: ASK ${A} 10.0.0.2:7001`],
      ['MGET {a}1 {a}2', TRYAGAIN],
      ['MGET {a}2 {a}3', `Error: ASK ${A} 10.0.0.2:7001`],
    )
  })

  it('takes keys of a slot that is coming from who asks, for one command', () => {
    const bed = master()
    bed.topology.importing.set(B, bed.other)
    expectReplies(
      bed,
      ['SET b 1', MOVED],
      ['ASKING', 'OK'],
      ['SET b 1', 'OK'],
      ['GET b', MOVED],
      ['ASKING', 'OK'],
      ['MGET b {b}2', TRYAGAIN],
      ['ASKING', 'OK'],
      ['ASKING', 'OK'],
      ['MGET b b', ['1', '1']],
      ['ASKING', 'OK'],
      ['PING', 'PONG'],
      ['GET b', MOVED],
    )
  })

  it('redirects transactions before they do anything, and runs them whole', () => {
    const bed = master()
    expectReplies(
      bed,
      ['MULTI', 'OK'],
      ['SET b 1', MOVED],
      ['SET a 1', 'QUEUED'],
      ['EXEC', 'Error: EXECABORT Transaction discarded because of previous errors.'],
      ['MULTI', 'OK'],
      ['SET a 1', 'QUEUED'],
      ['SET {x}a 1', 'QUEUED'],
      ['EXEC', CROSSSLOT],
      ['EXISTS a', 0],
      ['SET a 1', 'OK'],
      ['MULTI', 'OK'],
      ['DEL a', 'QUEUED'],
      ['GET a', 'QUEUED'],
      ['SET a 2', 'QUEUED'],
    )
    // The slot begins to go while the transaction waits: what DEL takes away does not send SET elsewhere.
    bed.topology.migrating.set(A, bed.other)
    expectReplies(bed, ['EXEC', [1, null, 'OK']])
    bed.run('MULTI')
    bed.run('GET a')
    bed.own(bed.other, A)
    expectReplies(bed, ['EXEC', `Error: MOVED ${A} 10.0.0.2:7001`], ['EXEC', 'Error: ERR EXEC without MULTI'])
  })

  it('keeps asking through a transaction', () => {
    const bed = master()
    bed.topology.importing.set(B, bed.other)
    expectReplies(
      bed,
      ['ASKING', 'OK'],
      ['MULTI', 'OK'],
      ['SET b 1', 'QUEUED'],
      ['INCR b', 'QUEUED'],
      ['EXEC', ['OK', 2]],
      ['GET b', MOVED],
    )
  })

  it('has sharded channels in slots and the others everywhere', () => {
    const bed = master()
    expectReplies(
      bed,
      ['SPUBLISH b m', MOVED],
      ['SSUBSCRIBE b', MOVED],
      ['SSUBSCRIBE a b', CROSSSLOT],
      ['PUBLISH b m', 0],
      ['SPUBLISH a m', 0],
    )
    expect(bed.published).toEqual([
      { channel: 'b', message: 'm', isSharded: false },
      { channel: 'a', message: 'm', isSharded: true },
    ])
  })

  it('has one database, and no patterns that lead elsewhere', () => {
    const bed = master()
    bed.run('RPUSH a 1')
    expectReplies(
      bed,
      ['SELECT 0', 'OK'],
      ['SELECT 1', 'Error: ERR SELECT is not allowed in cluster mode'],
      ['SWAPDB 0 1', 'Error: ERR SWAPDB is not allowed in cluster mode'],
      ['MOVE a 1', 'Error: ERR MOVE is not allowed in cluster mode'],
      ['COPY a {a}2 DB 1', 'Error: ERR Copying to another database is not allowed in cluster mode'],
      ['SORT a BY w_*', 'Error: ERR BY option of SORT denied in cluster mode.'],
      ['SORT a GET #', 'Error: ERR GET option of SORT denied in cluster mode.'],
      ['SORT a BY nosort', ['1']],
    )
  })

  it('counts and lists the keys of a slot', () => {
    const bed = master()
    bed.run('MSET {a}1 x {a}2 y')
    expectReplies(
      bed,
      ['CLUSTER KEYSLOT {a}1', A],
      [`CLUSTER COUNTKEYSINSLOT ${A}`, 2],
      [`CLUSTER GETKEYSINSLOT ${A} 1`, ['{a}1']],
      [`CLUSTER GETKEYSINSLOT ${A} 10`, ['{a}1', '{a}2']],
      ['CLUSTER COUNTKEYSINSLOT 16384', 'Error: ERR Invalid slot'],
      ['CLUSTER GETKEYSINSLOT 1 -1', 'Error: ERR Invalid slot or number of keys'],
    )
  })
})

describe('a replica', () => {
  it('sends clients to its master, and serves reads to those who say READONLY', () => {
    const bed = new RoutedBed('replica')
    bed.own(bed.other, ...ALL)
    bed.own(bed.topology.myself, A)
    bed.own(bed.other, A)
    const moved = `Error: MOVED ${A} 10.0.0.2:7001`
    expectReplies(
      bed,
      ['GET a', moved],
      ['READONLY', 'OK'],
      ['GET a', null],
      ['SET a 1', moved],
      ['MULTI', 'OK'],
      ['GET a', 'QUEUED'],
      ['EXEC', [null]],
      ['READWRITE', 'OK'],
      ['GET a', moved],
      ['SPUBLISH a m', 0],
    )
  })
})

describe('an engine that is no node', () => {
  it('knows no cluster', () => {
    const disabled = 'Error: ERR This instance has cluster support disabled'
    const bed = new CacheBed()
    for (const line of ['ASKING', 'READONLY', 'READWRITE', 'CLUSTER KEYSLOT a', 'CLUSTER COUNTKEYSINSLOT 1']) {
      expectReplies(bed, [line, disabled])
    }
    expectReplies(bed, ['MGET a b', [null, null]])
  })
})

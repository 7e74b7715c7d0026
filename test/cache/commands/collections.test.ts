import { describe, expect, it } from 'vitest'
import { CacheBed, expectReplies, NOT_AN_INTEGER, SYNTAX_ERROR, WRONG_TYPE } from '../../support/cache.ts'

const NOT_POSITIVE = 'Error: ERR value is out of range, must be positive'

describe('hashes', () => {
  it('hold fields', () => {
    expectReplies(
      new CacheBed(),
      ['HSET h a 1 b 2', 2],
      ['HSET h a 3 c 4', 1],
      ['HSET h a', "Error: ERR wrong number of arguments for 'hset' command"],
      ['HSET h a 1 b', "Error: ERR wrong number of arguments for 'hset' command"],
      ['HMSET h d 5', 'OK'],
      ['HSETNX h a 9', 0],
      ['HGET h a', '3'],
      ['HGET h x', null],
      ['HGET none x', null],
      ['HMGET h a x b', ['3', null, '2']],
      ['HGETALL h', ['a', '3', 'b', '2', 'c', '4', 'd', '5']],
      ['HKEYS h', ['a', 'b', 'c', 'd']],
      ['HVALS h', ['3', '2', '4', '5']],
      ['HLEN h', 4],
      ['HSTRLEN h a', 1],
      ['HEXISTS h a', 1],
      ['HDEL h a x b', 2],
      ['HDEL h c d', 2],
      ['EXISTS h', 0],
      ['SET s 1', 'OK'],
      ['HSET s a 1', WRONG_TYPE],
      ['HGET s a', WRONG_TYPE],
    )
  })

  it('count in fields', () => {
    expectReplies(
      new CacheBed(),
      ['HINCRBY h a 5', 5],
      ['HINCRBY h a -7', -2],
      ['HSET h b x c 9223372036854775807', 2],
      ['HINCRBY h b 1', 'Error: ERR hash value is not an integer'],
      ['HINCRBY h c 1', 'Error: ERR increment or decrement would overflow'],
      ['HINCRBY h a x', NOT_AN_INTEGER],
      ['HINCRBYFLOAT h a 0.5', '-1.5'],
      ['HINCRBYFLOAT h b 1', 'Error: ERR hash value is not a float'],
      ['HINCRBYFLOAT h a inf', 'Error: ERR value is NaN or Infinity'],
    )
  })

  it('give fields at random', () => {
    const bed = new CacheBed()
    bed.run('HSET h a 1 b 2 c 3')
    expect(['a', 'b', 'c']).toContain(bed.run('HRANDFIELD h'))
    expect(new Set(bed.run('HRANDFIELD h 2') as string[]).size).toBe(2)
    expect(bed.run('HRANDFIELD h 10 WITHVALUES')).toEqual(['a', '1', 'b', '2', 'c', '3'])
    expect(bed.run('HRANDFIELD h -10')).toHaveLength(10)
    expectReplies(bed, ['HRANDFIELD none', null], ['HRANDFIELD none 2', []], ['HRANDFIELD h 1 X', SYNTAX_ERROR])
  })
})

describe('lists', () => {
  it('grow and shrink at both ends', () => {
    expectReplies(
      new CacheBed(),
      ['LPUSH l b a', 2],
      ['RPUSH l c', 3],
      ['LPUSHX none x', 0],
      ['RPUSHX l d', 4],
      ['LRANGE l 0 -1', ['a', 'b', 'c', 'd']],
      ['LRANGE l -2 10', ['c', 'd']],
      ['LRANGE l 3 1', []],
      ['LRANGE l 0 99999999999999999999', NOT_AN_INTEGER],
      ['LRANGE l 0 9223372036854775807', ['a', 'b', 'c', 'd']],
      ['LPOP l', 'a'],
      ['RPOP l 2', ['d', 'c']],
      ['LPOP l 0', []],
      ['LPOP l -1', NOT_POSITIVE],
      ['LPOP l x', NOT_POSITIVE],
      ['LPOP l 10', ['b']],
      ['LPOP l', null],
      ['LPOP l 1', null],
      ['EXISTS l', 0],
      ['SET s 1', 'OK'],
      ['LPUSH s a', WRONG_TYPE],
      ['LPOP s', WRONG_TYPE],
    )
  })

  it('are read and changed at any index', () => {
    expectReplies(
      new CacheBed(),
      ['RPUSH l a b c b a', 5],
      ['LINDEX l -1', 'a'],
      ['LINDEX l 5', null],
      ['LSET l 0 x', 'OK'],
      ['LSET l 9 x', 'Error: ERR index out of range'],
      ['LSET none 0 x', 'Error: ERR no such key'],
      ['LINSERT l BEFORE c 1', 6],
      ['LINSERT l AFTER c 2', 7],
      ['LINSERT l AFTER none 2', -1],
      ['LINSERT none AFTER a 2', 0],
      ['LINSERT l NEAR c 2', SYNTAX_ERROR],
      ['LRANGE l 0 -1', ['x', 'b', '1', 'c', '2', 'b', 'a']],
      ['LPOS l b', 1],
      ['LPOS l b RANK -1', 5],
      ['LPOS l b COUNT 0', [1, 5]],
      ['LPOS l b RANK 2 COUNT 1', [5]],
      ['LPOS l a MAXLEN 3', null],
      ['LPOS l none COUNT 1', []],
      ['LPOS l b COUNT -1', "Error: ERR COUNT can't be negative"],
      ['LREM l -1 b', 1],
      ['LREM l 0 none', 0],
      ['LTRIM l 1 3', 'OK'],
      ['LRANGE l 0 -1', ['b', '1', 'c']],
      ['LTRIM l 5 9', 'OK'],
      ['EXISTS l', 0],
    )
  })

  it('pass elements on', () => {
    expectReplies(
      new CacheBed(),
      ['RPUSH a 1 2 3', 3],
      ['LMOVE a b LEFT RIGHT', '1'],
      ['RPOPLPUSH a b', '3'],
      ['LRANGE b 0 -1', ['3', '1']],
      ['RPOPLPUSH b b', '1'],
      ['LRANGE b 0 -1', ['1', '3']],
      ['LMOVE none b LEFT LEFT', null],
      ['LMOVE a b UP DOWN', SYNTAX_ERROR],
      ['SET s 1', 'OK'],
      ['LMOVE a s LEFT LEFT', WRONG_TYPE],
      ['LLEN a', 1],
      ['LMPOP 2 none b RIGHT COUNT 5', ['b', ['3', '1']]],
      ['LMPOP 1 none LEFT', null],
      ['LMPOP 0 b LEFT', 'Error: ERR numkeys should be greater than 0'],
      ['LMPOP 1 b LEFT COUNT 0', 'Error: ERR count should be greater than 0'],
      ['LMPOP 2 a LEFT', SYNTAX_ERROR],
    )
  })
})

describe('sets', () => {
  it('hold members', () => {
    expectReplies(
      new CacheBed(),
      ['SADD s 3 1 2 1', 3],
      ['SMEMBERS s', ['1', '2', '3']],
      ['SISMEMBER s 1', 1],
      ['SMISMEMBER s 1 9', [1, 0]],
      ['SCARD s', 3],
      ['SREM s 1 9', 1],
      ['SMOVE s t 2', 1],
      ['SMOVE s t 9', 0],
      ['SMEMBERS t', ['2']],
      ['SMOVE t t 2', 1],
      ['SREM s 3', 1],
      ['EXISTS s', 0],
      ['SMEMBERS none', []],
      ['SET x 1', 'OK'],
      ['SADD x 1', WRONG_TYPE],
    )
  })

  it('order whole numbers of 64 bits', () => {
    expectReplies(
      new CacheBed(),
      ['SADD s 9223372036854775807 -9223372036854775808 0 -1 10 9', 6],
      ['SMEMBERS s', ['-9223372036854775808', '-1', '0', '9', '10', '9223372036854775807']],
    )
  })

  it('are intersected, united and subtracted', () => {
    const bed = new CacheBed()
    bed.run('SADD a 1 2 3 4')
    bed.run('SADD b 2 4 6')
    bed.run('SADD c 4')
    expectReplies(
      bed,
      ['SINTER a b', ['2', '4']],
      ['SINTER a b c', ['4']],
      ['SINTER a none', []],
      ['SUNION b c', ['2', '4', '6']],
      ['SDIFF a b', ['1', '3']],
      ['SINTERSTORE d a b', 2],
      ['SUNIONSTORE d b c', 3],
      ['SDIFFSTORE d a b', 2],
      ['SMEMBERS d', ['1', '3']],
      ['SINTERSTORE d a none', 0],
      ['EXISTS d', 0],
      ['SINTERCARD 2 a b', 2],
      ['SINTERCARD 2 a b LIMIT 1', 1],
      ['SINTERCARD 0 a', 'Error: ERR numkeys should be greater than 0'],
      ['SINTERCARD 3 a b', "Error: ERR Number of keys can't be greater than number of args"],
      ['SINTERCARD 1 a LIMIT -1', "Error: ERR LIMIT can't be negative"],
      ['SET s 1', 'OK'],
      ['SINTER none s', WRONG_TYPE],
    )
  })

  it('give members at random', () => {
    const bed = new CacheBed({ propagates: true })
    bed.run('SADD s a b c d')
    expect(new Set(bed.run('SRANDMEMBER s 3') as string[]).size).toBe(3)
    expect(bed.run('SRANDMEMBER s -9')).toHaveLength(9)
    expect(['a', 'b', 'c', 'd']).toContain(bed.run('SRANDMEMBER s'))
    const popped = bed.run('SPOP s') as string
    expect(bed.propagated()).toEqual([`SREM s ${popped}`])
    expect(bed.run('SPOP s 2')).toHaveLength(2)
    expectReplies(bed, ['SPOP s -1', NOT_POSITIVE], ['SPOP s 0', []], ['SPOP none', null], ['SPOP none 1', []])
    expect(bed.run('SPOP s 10')).toHaveLength(1)
    expect(bed.propagated()).toEqual(['DEL s'])
    bed.run('SADD s a')
    bed.run('SPOP s')
    expect(bed.propagated()).toEqual(['SREM s a'])
  })
})

describe('SORT', () => {
  it('orders numbers and texts', () => {
    const bed = new CacheBed()
    bed.run('RPUSH l 3 10 1 2.5')
    bed.run('RPUSH t b c a')
    expectReplies(
      bed,
      ['SORT l', ['1', '2.5', '3', '10']],
      ['SORT l DESC LIMIT 1 2', ['3', '2.5']],
      ['SORT l ALPHA', ['1', '10', '2.5', '3']],
      ['SORT t', "Error: ERR One or more scores can't be converted into double"],
      ['SORT t ALPHA DESC', ['c', 'b', 'a']],
      ['SORT none', []],
      ['SET s 1', 'OK'],
      ['SORT s', WRONG_TYPE],
      ['SORT l STORE d', 4],
      ['LRANGE d 0 -1', ['1', '2.5', '3', '10']],
      ['SORT_RO l STORE d', SYNTAX_ERROR],
      ['SORT none STORE d', 0],
      ['EXISTS d', 0],
    )
  })

  it('follows patterns to keys and fields', () => {
    const bed = new CacheBed()
    bed.run('RPUSH l 1 2 3')
    bed.run('MSET w_1 30 w_2 20 w_3 10 name_1 one name_3 three')
    bed.run('HSET h_1 f x')
    expectReplies(
      bed,
      ['SORT l BY w_*', ['3', '2', '1']],
      ['SORT l BY w_* GET # GET name_* GET h_*->f', ['3', 'three', null, '2', null, null, '1', 'one', 'x']],
      ['SORT l BY nosort DESC', ['3', '2', '1']],
      ['SORT l BY w_* GET name_* STORE d', 3],
      ['LRANGE d 0 -1', ['three', '', 'one']],
    )
  })
})

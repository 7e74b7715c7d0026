import { describe, expect, it } from 'vitest'
import { CacheBed, expectReplies, SYNTAX_ERROR, WRONG_TYPE } from '../../support/cache.ts'

const NOT_A_FLOAT = 'Error: ERR value is not a valid float'

describe('sorted sets', () => {
  it('add and update by flags', () => {
    expectReplies(
      new CacheBed(),
      ['ZADD z 1 a 2 b', 2],
      ['ZADD z 5 a 3 c', 1],
      ['ZADD z CH 6 a 3 c', 1],
      ['ZADD z NX 9 a 1 d', 1],
      ['ZADD z XX 9 a 1 e', 0],
      ['ZSCORE z a', '9'],
      ['ZSCORE z e', null],
      ['ZADD z GT CH 8 a 10 b', 1],
      ['ZADD z LT CH 8 a 11 b', 1],
      ['ZMSCORE z a b x', ['8', '10', null]],
      ['ZADD z INCR 2 a', '10'],
      ['ZADD z NX INCR 2 a', null],
      ['ZINCRBY z 0.5 new', '0.5'],
      ['ZADD z inf i', 1],
      ['ZADD z INCR -inf i', 'Error: ERR resulting score is not a number (NaN)'],
      ['ZADD z nan a', NOT_A_FLOAT],
      ['ZADD z x a', NOT_A_FLOAT],
      ['ZADD z 1', "Error: ERR wrong number of arguments for 'zadd' command"],
      ['ZADD z 1 a 2', SYNTAX_ERROR],
      ['ZADD z NX XX 1 a', 'Error: ERR XX and NX options at the same time are not compatible'],
      ['ZADD z GT LT 1 a', 'Error: ERR GT, LT, and/or NX options at the same time are not compatible'],
      ['ZADD z INCR 1 a 2 b', 'Error: ERR INCR option supports a single increment-element pair'],
      ['ZADD none XX 1 a', 0],
      ['EXISTS none', 0],
      ['SET s 1', 'OK'],
      ['ZADD s 1 a', WRONG_TYPE],
    )
  })

  it('rank and range', () => {
    const bed = new CacheBed()
    bed.run('ZADD z 1 a 2 b 2 c 3 d 0.1 e')
    expectReplies(
      bed,
      ['ZCARD z', 5],
      ['ZRANK z a', 1],
      ['ZREVRANK z a', 3],
      ['ZRANK z x', null],
      ['ZRANGE z 0 -1', ['e', 'a', 'b', 'c', 'd']],
      ['ZRANGE z 0 1 WITHSCORES', ['e', '0.10000000000000001', 'a', '1']],
      ['ZRANGE z 0 1 REV', ['d', 'c']],
      ['ZREVRANGE z -2 -1', ['a', 'e']],
      ['ZRANGE z (1 3 BYSCORE', ['b', 'c', 'd']],
      ['ZRANGE z 3 (1 BYSCORE REV LIMIT 1 1', ['c']],
      ['ZRANGEBYSCORE z -inf +inf LIMIT 1 2', ['a', 'b']],
      ['ZREVRANGEBYSCORE z 2 1 WITHSCORES', ['c', '2', 'b', '2', 'a', '1']],
      ['ZRANGEBYSCORE z 1 2 LIMIT -1 2', []],
      ['ZRANGEBYSCORE z x 2', 'Error: ERR min or max is not a float'],
      ['ZCOUNT z 1 2', 3],
      ['ZCOUNT z 5 1', 0],
      [
        'ZRANGE z 0 1 LIMIT 0 1',
        `${SYNTAX_ERROR}, LIMIT is only supported in combination with either BYSCORE or BYLEX`,
      ],
      ['ZRANGE none 0 -1', []],
      ['ZRANGESTORE d z 1 2', 2],
      ['ZRANGE d 0 -1 WITHSCORES', ['a', '1', 'b', '2']],
      ['ZRANGESTORE d none 0 -1', 0],
      ['EXISTS d', 0],
      ['ZREMRANGEBYRANK z 0 0', 1],
      ['ZREMRANGEBYSCORE z 2 2', 2],
      ['ZREM z a x d', 2],
      ['EXISTS z', 0],
    )
  })

  it('range by members', () => {
    const bed = new CacheBed()
    bed.run('ZADD z 0 a 0 b 0 c 0 d')
    expectReplies(
      bed,
      ['ZRANGEBYLEX z - [c', ['a', 'b', 'c']],
      ['ZRANGEBYLEX z (a (d', ['b', 'c']],
      ['ZREVRANGEBYLEX z + [c', ['d', 'c']],
      ['ZRANGE z + - BYLEX REV LIMIT 0 2', ['d', 'c']],
      ['ZRANGE z - + BYLEX WITHSCORES', `${SYNTAX_ERROR}, WITHSCORES not supported in combination with BYLEX`],
      ['ZLEXCOUNT z [b +', 3],
      ['ZRANGEBYLEX z + -', []],
      ['ZRANGEBYLEX z a b', 'Error: ERR min or max not valid string range item'],
      ['ZREMRANGEBYLEX z - (c', 2],
      ['ZRANGE z 0 -1', ['c', 'd']],
    )
  })

  it('combine', () => {
    const bed = new CacheBed()
    bed.run('ZADD a 1 x 2 y')
    bed.run('ZADD b 10 y 20 z')
    bed.run('SADD s y')
    expectReplies(
      bed,
      ['ZUNION 2 a b WITHSCORES', ['x', '1', 'y', '12', 'z', '20']],
      ['ZINTER 2 a b WEIGHTS 2 3 WITHSCORES', ['y', '34']],
      ['ZINTER 3 a b s AGGREGATE MIN WITHSCORES', ['y', '1']],
      ['ZDIFF 2 a b WITHSCORES', ['x', '1']],
      ['ZUNIONSTORE d 2 a b AGGREGATE MAX', 3],
      ['ZRANGE d 0 -1 WITHSCORES', ['x', '1', 'y', '10', 'z', '20']],
      ['ZINTERSTORE d 2 a none', 0],
      ['EXISTS d', 0],
      ['ZDIFFSTORE d 2 a b', 1],
      ['ZINTERCARD 2 a b', 1],
      ['ZUNION 0 a', "Error: ERR at least 1 input key is needed for 'zunion' command"],
      ['ZUNIONSTORE d 3 a b', SYNTAX_ERROR],
      ['ZUNION 2 a b WEIGHTS 1 x', 'Error: ERR weight value is not a float'],
      ['ZDIFF 2 a b WEIGHTS 1 2', SYNTAX_ERROR],
    )
  })

  it('pop at both ends', () => {
    const bed = new CacheBed()
    bed.run('ZADD z 1 a 2 b 3 c 4 d 5 e')
    expectReplies(
      bed,
      ['ZPOPMIN z', ['a', '1']],
      ['ZPOPMAX z 2', ['e', '5', 'd', '4']],
      ['ZPOPMIN none', []],
      ['ZPOPMIN z -1', 'Error: ERR value is out of range, must be positive'],
      ['ZMPOP 2 none z MIN COUNT 1', ['z', [['b', '2']]]],
      ['ZMPOP 1 none MAX', null],
      ['BZPOPMIN none z 0', ['z', 'c', '3']],
      ['EXISTS z', 0],
    )
    bed.run('ZADD z 1 a 2 b')
    expect(bed.run('ZRANDMEMBER z 5 WITHSCORES')).toEqual(['b', '2', 'a', '1'])
    expect(bed.run('ZRANDMEMBER z -5')).toHaveLength(5)
    bed.run('HELLO 3')
    expectReplies(
      bed,
      [
        'ZRANGE z 0 -1 WITHSCORES',
        [
          ['a', 1],
          ['b', 2],
        ],
      ],
      ['ZPOPMIN z', ['a', 1]],
      ['ZPOPMIN z 1', [['b', 2]]],
      ['ZSCORE z a', null],
    )
  })
})

import { describe, it } from 'vitest'
import { CacheBed, expectReplies, NOT_AN_INTEGER, SYNTAX_ERROR, WRONG_TYPE } from '../../support/cache.ts'

describe('strings', () => {
  it('are set under conditions', () => {
    expectReplies(
      new CacheBed(),
      ['SET a 1 XX', null],
      ['SET a 1 NX', 'OK'],
      ['SET a 2 NX', null],
      ['SET a 2 XX GET', '1'],
      ['SET a 3 NX GET', '2'],
      ['SET b 1 GET', null],
      ['SET a 2 NX XX', SYNTAX_ERROR],
      ['SET a 2 EX 10 PX 10', SYNTAX_ERROR],
      ['SET a 2 EX 10 KEEPTTL', SYNTAX_ERROR],
      ['SET a 2 EX', SYNTAX_ERROR],
      ['SET a 2 EX 10', 'OK'],
      ['SET a 3 KEEPTTL', 'OK'],
      ['TTL a', 10],
      ['SET a 3', 'OK'],
      ['TTL a', -1],
      ['SETNX a 1', 0],
      ['SETNX c 1', 1],
      ['RPUSH l a', 1],
      ['SET l 1 GET', WRONG_TYPE],
      ['SET l 1', 'OK'],
      ['GETSET a 4', '3'],
      ['GETDEL a', '4'],
      ['GETDEL a', null],
      ['MSETNX b 1 z 2', 0],
      ['MSETNX y 1 z 2', 1],
      ['MGET y none z', ['1', null, '2']],
      ['MSET a', "Error: ERR wrong number of arguments for 'mset' command"],
      ['MSET a 1 b', "Error: ERR wrong number of arguments for 'mset' command"],
    )
  })

  it('count in 64 bits', () => {
    expectReplies(
      new CacheBed(),
      ['INCR a', 1],
      ['INCRBY a 9007199254740993', 9007199254740994n],
      ['INCRBY a 9214364837600034812', 9223372036854775806n],
      ['INCR a', 9223372036854775807n],
      ['INCR a', 'Error: ERR increment or decrement would overflow'],
      ['OBJECT ENCODING a', 'int'],
      ['GET a', '9223372036854775807'],
      ['DECRBY a -9223372036854775808', 'Error: ERR decrement would overflow'],
      ['SET a " 1"', 'OK'],
      ['INCR a', NOT_AN_INTEGER],
      ['SET a -5', 'OK'],
      ['DECR a', -6],
      ['INCRBY a 1.5', NOT_AN_INTEGER],
      ['RPUSH l 1', 1],
      ['INCR l', WRONG_TYPE],
    )
  })

  it('add fractions as Redis prints them', () => {
    expectReplies(
      new CacheBed(),
      ['SET a 3', 'OK'],
      ['INCRBYFLOAT a 1.1', '4.1'],
      ['INCRBYFLOAT a -4.1', '0'],
      ['SET a 10.50', 'OK'],
      ['INCRBYFLOAT a 0.1', '10.6'],
      ['SET a 3.0e3', 'OK'],
      ['INCRBYFLOAT a 200', '3200'],
      ['INCRBYFLOAT a 17179869184', '17179872384'],
      ['INCRBYFLOAT a x', 'Error: ERR value is not a valid float'],
      ['INCRBYFLOAT a inf', 'Error: ERR increment would produce NaN or Infinity'],
    )
  })

  it('grow and are read in parts', () => {
    expectReplies(
      new CacheBed(),
      ['APPEND a foo', 3],
      ['APPEND a bar', 6],
      ['GET a', 'foobar'],
      ['OBJECT ENCODING a', 'raw'],
      ['STRLEN a', 6],
      ['SETRANGE a 8 x', 9],
      ['GET a', 'foobar\0\0x'],
      ['SETRANGE none 5 ""', 0],
      ['EXISTS none', 0],
      ['SETRANGE a -1 x', 'Error: ERR offset is out of range'],
      ['SETRANGE a 536870912 x', 'Error: ERR string exceeds maximum allowed size (proto-max-bulk-len)'],
      ['GETRANGE a 0 2', 'foo'],
      ['GETRANGE a -1 -1', 'x'],
      ['GETRANGE a 5 100', 'r\0\0x'],
      ['GETRANGE a 7 3', ''],
      ['SET n 1234', 'OK'],
      ['GETRANGE n 1 2', '23'],
      ['APPEND n 5', 5],
      ['INCR n', 12346],
    )
  })

  it('are compared for their longest common subsequence', () => {
    expectReplies(
      new CacheBed(),
      ['MSET a ohmytext b mynewtext', 'OK'],
      ['LCS a b', 'mytext'],
      ['LCS a b LEN', 6],
      [
        'LCS a b IDX',
        [
          'matches',
          [
            [
              [4, 7],
              [5, 8],
            ],
            [
              [2, 3],
              [0, 1],
            ],
          ],
          'len',
          6,
        ],
      ],
      ['LCS a b IDX MINMATCHLEN 4 WITHMATCHLEN', ['matches', [[[4, 7], [5, 8], 4]], 'len', 6]],
      ['LCS a none', ''],
      ['LCS a b LEN IDX', 'Error: ERR If you want both the length and indexes, please just use IDX.'],
      ['RPUSH l x', 1],
      ['LCS a l', 'Error: ERR The specified keys must contain string values'],
    )
  })
})

describe('bitmaps', () => {
  it('set and get bits', () => {
    expectReplies(
      new CacheBed(),
      ['SETBIT a 7 1', 0],
      ['SETBIT a 7 1', 1],
      ['GET a', '\x01'],
      ['SETBIT a 20 1', 0],
      ['STRLEN a', 3],
      ['GETBIT a 20', 1],
      ['GETBIT a 100', 0],
      ['SETBIT a -1 1', 'Error: ERR bit offset is not an integer or out of range'],
      ['SETBIT a 4294967296 1', 'Error: ERR bit offset is not an integer or out of range'],
      ['SETBIT a 0 2', 'Error: ERR bit is not an integer or out of range'],
      ['BITCOUNT a', 2],
      ['SET n 1', 'OK'],
      ['GETBIT n 7', 1],
      ['SETBIT n 6 1', 0],
      ['GET n', '3'],
    )
  })

  it('count and find bits in ranges of bytes and bits', () => {
    const bed = new CacheBed()
    bed.call(['SET', 'a', 'foobar'])
    bed.call(['SET', 'b', '\x00\xff\xf0'])
    bed.call(['SET', 'c', '\xff\xff'])
    expectReplies(
      bed,
      ['BITCOUNT a', 26],
      ['BITCOUNT a 0 0', 4],
      ['BITCOUNT a 1 1', 6],
      ['BITCOUNT a 5 30 BIT', 17],
      ['BITCOUNT a 0 -5', 10],
      ['BITCOUNT a 5 1', 0],
      ['BITCOUNT a 0', SYNTAX_ERROR],
      ['BITCOUNT none', 0],
      ['BITPOS b 1', 8],
      ['BITPOS b 0', 0],
      ['BITPOS b 0 1', 20],
      ['BITPOS b 1 2', 16],
      ['BITPOS b 1 7 15 BIT', 8],
      ['BITPOS c 0', 16],
      ['BITPOS c 0 0', 16],
      ['BITPOS c 0 0 -1', -1],
      ['BITPOS none 0', 0],
      ['BITPOS none 1', -1],
      ['BITPOS c 2', 'Error: ERR The bit argument must be 1 or 0.'],
    )
  })

  it('combine', () => {
    const bed = new CacheBed()
    bed.call(['SET', 'a', '\x0f\xff'])
    bed.call(['SET', 'b', '\xf1'])
    expectReplies(
      bed,
      ['BITOP AND d a b', 2],
      ['GET d', '\x01\x00'],
      ['BITOP OR d a b', 2],
      ['GET d', '\xff\xff'],
      ['BITOP XOR d a b', 2],
      ['GET d', '\xfe\xff'],
      ['BITOP NOT d a', 2],
      ['GET d', '\xf0\x00'],
      ['BITOP NOT d a b', 'Error: ERR BITOP NOT must be called with a single source key.'],
      ['BITOP NOR d a b', SYNTAX_ERROR],
      ['BITOP AND d none', 0],
      ['EXISTS d', 0],
    )
  })

  it('hold fields of any width', () => {
    expectReplies(
      new CacheBed(),
      ['BITFIELD a SET i8 0 -100 GET i8 0', [0, -100]],
      ['BITFIELD a INCRBY u8 0 100', [0]],
      ['BITFIELD b OVERFLOW SAT INCRBY i8 0 200', [127]],
      ['BITFIELD b OVERFLOW FAIL INCRBY i8 0 1', [null]],
      ['BITFIELD b OVERFLOW WRAP INCRBY i8 0 1', [-128]],
      ['BITFIELD c SET u4 #1 15 GET u8 0', [0, 15]],
      ['BITFIELD d SET i64 0 -1 GET i64 0 GET u63 1', [0, -1, 9223372036854775807n]],
      ['BITFIELD_RO d GET u2 0', [3]],
      ['BITFIELD_RO d SET u2 0 1', 'Error: ERR BITFIELD_RO only supports the GET subcommand'],
      ['BITFIELD d OVERFLOW NONE', 'Error: ERR Invalid OVERFLOW type specified'],
      [
        'BITFIELD d GET u64 0',
        'Error: ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.',
      ],
    )
  })
})

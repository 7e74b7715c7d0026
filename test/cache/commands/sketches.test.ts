import { describe, expect, it } from 'vitest'
import { CacheBed, expectReplies, SYNTAX_ERROR, WRONG_TYPE } from '../../support/cache.ts'

describe('HyperLogLogs', () => {
  it('count what was added, within one percent or so', () => {
    const bed = new CacheBed()
    expectReplies(bed, ['PFADD a x y z', 1], ['PFADD a x y', 0], ['PFCOUNT a', 3], ['PFADD e', 1], ['PFADD e', 0])
    for (let i = 0; i < 20_000; i += 100) {
      bed.call(['PFADD', 'b', ...Array.from({ length: 100 }, (_, j) => `element:${i + j}`)])
    }
    expect(Math.abs((bed.run('PFCOUNT b') as number) - 20_000)).toBeLessThan(500)
    expect(bed.run('STRLEN b')).toBe(12_304)
    expectReplies(bed, ['PFMERGE c a b', 'OK'], ['PFCOUNT none', 0])
    expect(bed.run('PFCOUNT c')).toBe(bed.run('PFCOUNT a b'))
  })

  it('are taken apart by PFDEBUG, and tried by PFSELFTEST', () => {
    const bed = new CacheBed({ propagates: true })
    expectReplies(
      bed,
      ['PFSELFTEST', 'OK'],
      ['PFADD h a b c', 1],
      ['PFDEBUG DECODE h', 'Z:8436 v:1,1 Z:4274 v:2,1 Z:3068 v:1,1 Z:603'],
      ['PFDEBUG ENCODING h', 'sparse'],
      ['PFDEBUG TODENSE h', 1],
    )
    expect(bed.propagated()).toEqual(['PFDEBUG TODENSE h'])
    expectReplies(
      bed,
      ['PFDEBUG TODENSE h', 0],
      ['PFDEBUG encoding h', 'dense'],
      ['PFDEBUG DECODE h', 'Error: ERR HLL encoding is not sparse'],
      ['PFCOUNT h', 3],
      ['PFDEBUG DECODE none', 'Error: ERR The specified key does not exist'],
      ['PFDEBUG what h', "Error: ERR Unknown PFDEBUG subcommand 'what'"],
    )
    const registers = bed.run('PFDEBUG GETREG h') as number[]
    expect([registers.length, registers[8436], registers[8435]]).toEqual([16_384, 1, 0])
  })

  it('are strings of the format of Redis', () => {
    const bed = new CacheBed()
    bed.run('PFADD a')
    expect(bed.run('GET a')).toBe('HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80\x7f\xff')
    bed.run('SET s x')
    bed.call(['SET', 'broken', 'HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80\x7f'])
    bed.run('RPUSH l x')
    expectReplies(
      bed,
      ['PFADD s x', 'Error: WRONGTYPE Key is not a valid HyperLogLog string value.'],
      ['PFCOUNT broken', 'Error: INVALIDOBJ Corrupted HLL object detected'],
      ['PFADD l x', WRONG_TYPE],
    )
  })
})

describe('positions', () => {
  // The example of Redis's own documentation.
  const SICILY = 'GEOADD Sicily 13.361389 38.115556 Palermo 15.087269 37.502669 Catania'

  it('are kept, shown and measured', () => {
    expectReplies(
      new CacheBed(),
      [SICILY, 2],
      ['ZSCORE Sicily Palermo', '3479099956230698'],
      ['GEODIST Sicily Palermo Catania', '166274.1516'],
      ['GEODIST Sicily Palermo Catania km', '166.2742'],
      ['GEODIST Sicily Palermo none', null],
      ['GEODIST Sicily Palermo Catania yd', 'Error: ERR unsupported unit provided. please use M, KM, FT, MI'],
      ['GEOHASH Sicily Palermo Catania none', ['sqc8b49rny0', 'sqdtr74hyu0', null]],
      ['GEOPOS Sicily Palermo none', [['13.36138933897018433', '38.11555639549629859'], null]],
      ['GEOADD Sicily 200 100 x', 'Error: ERR invalid longitude,latitude pair 200.000000,100.000000'],
      ['GEOADD Sicily 1 2', SYNTAX_ERROR.replace('syntax error', "wrong number of arguments for 'geoadd' command")],
      ['GEOADD Sicily NX XX 1 2 a', SYNTAX_ERROR],
    )
  })

  it('are found around others', () => {
    const bed = new CacheBed()
    bed.run(SICILY)
    expectReplies(
      bed,
      ['GEORADIUS Sicily 15 37 200 km ASC', ['Catania', 'Palermo']],
      [
        'GEORADIUS Sicily 15 37 200 km WITHDIST DESC',
        [
          ['Palermo', '190.4424'],
          ['Catania', '56.4413'],
        ],
      ],
      ['GEORADIUSBYMEMBER Sicily Palermo 100 km', ['Palermo']],
      ['GEOSEARCH Sicily FROMLONLAT 15 37 BYBOX 400 400 km ASC COUNT 1', ['Catania']],
      ['GEOSEARCH Sicily FROMMEMBER none BYRADIUS 1 m', 'Error: ERR could not decode requested zset member'],
      ['GEOSEARCH Sicily BYRADIUS 1 m ASC ASC', expect.stringMatching(/^Error: ERR exactly one of FROMMEMBER/)],
      ['GEOSEARCH Sicily FROMLONLAT 15 37 ASC ASC ASC', expect.stringMatching(/^Error: ERR exactly one of BYRADIUS/)],
      ['GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS 1 m ANY', 'Error: ERR the ANY argument requires COUNT argument'],
      ['GEORADIUS Sicily 15 37 -1 km', 'Error: ERR radius cannot be negative'],
      ['GEOSEARCHSTORE near Sicily FROMLONLAT 15 37 BYRADIUS 100 km STOREDIST', 1],
      ['ZCARD near', 1],
    )
  })

  it('are found wherever a look at every one finds them', () => {
    const bed = new CacheBed()
    const random = bed.engine.random
    for (let i = 0; i < 1500; i++) {
      const [longitude, latitude] = [random.next() * 360 - 180, random.next() * 170 - 85]
      bed.run(`GEOADD world ${longitude} ${latitude} p${i}`)
    }
    const members = bed.run('ZRANGE world 0 -1') as string[]
    for (let round = 0; round < 20; round++) {
      const centre = members[Math.floor(random.next() * members.length)] as string
      const km = 10 ** (1 + random.next() * 3)
      const found = bed.run(`GEOSEARCH world FROMMEMBER ${centre} BYRADIUS ${km} km`) as string[]
      const near = members.filter((member) => Number(bed.run(`GEODIST world ${centre} ${member} km`)) <= km)
      expect([...found].sort()).toEqual(near.sort())
    }
  })
})

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type AppendLog, openAppendLog } from '../../../ts/storage/append-log/index.ts'
import { errorOf, errorOfAsync } from '../../support/errors.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

const place = temporaryDirectory()
let log: AppendLog
beforeAll(async () => {
  log = await openAppendLog(`${place.path}/log`, { create: true })
})
afterAll(async () => {
  await log.close()
  place.remove()
})

describe('openAppendLog refuses', () => {
  it.each([
    [{ create: 'yes' }, 'create must be true, false or "new", got "yes"'],
    [{ create: true, readOnly: true }, 'give create or readOnly'],
    [{ segmentBytes: 5000 }, 'segmentBytes must be a multiple of 4096'],
    [{ segmentBytes: 4096 }, 'from 16384 to 1073741824'],
    [{ durability: 'fsync' }, 'durability must be "sync", "os", "memory" or { intervalMs }'],
    [{ durability: { intervalMs: 0 } }, 'intervalMs must be from 1'],
    [{ retention: { bytes: 0 } }, 'retention.bytes must be at least 1'],
    [{ retention: { age: 5 } }, 'there is no option "age"'],
    [{ pollMs: 0 }, 'pollMs must be from 1'],
    [{ readonly: true }, 'there is no option "readonly"'],
  ])('the options %j', async (options, message) => {
    const error = await errorOfAsync(openAppendLog(place.path, options as object))
    expect([error?.code, error?.message]).toEqual(['INVALID_INPUT', expect.stringContaining(message)])
  })

  it.each([['', 5, 'a\0b']])('the path %j', async (path) => {
    expect((await errorOfAsync(openAppendLog(path as string)))?.code).toBe('INVALID_INPUT')
  })
})

describe('an open log refuses', () => {
  it.each([
    ['text', 'a record must be a Uint8Array, got "text"'],
    [[], 'append takes at least one record'],
    [[new Uint8Array(1), 'b'], 'a record must be a Uint8Array, got "b"'],
    [undefined, 'a record must be a Uint8Array, got undefined'],
  ])('to append %j', (records, message) => {
    const { nextOffset } = log
    const error = errorOf(() => log.append(records as unknown as Uint8Array))
    expect([error?.code, error?.message]).toEqual(['INVALID_INPUT', expect.stringContaining(message)])
    expect(log.nextOffset).toBe(nextOffset)
  })

  it.each([-1, 1.5, Number.NaN, '0', undefined, 2 ** 53])('the offset %j', (offset) => {
    const given = offset as number
    for (const call of [() => log.read(given), () => log.scan(given), () => log.follow(given)]) {
      expect(errorOf(call)?.code).toBe('INVALID_INPUT')
    }
  })

  it('sizes, signals and times that are none', () => {
    expect(errorOf(() => log.read(0, 0))?.message).toContain('maxBytes must be a whole number >= 1')
    expect(errorOf(() => log.follow(0, { maxBytes: -1 }))?.code).toBe('INVALID_INPUT')
    expect(errorOf(() => log.follow(0, { signal: {} as AbortSignal }))?.message).toContain('an AbortSignal')
    expect(errorOf(() => log.scan(0, { max: 5 } as object))?.hint).toContain('maxBytes')
    expect(errorOf(() => log.offsetAt(Number.NaN))?.code).toBe('INVALID_INPUT')
  })
})

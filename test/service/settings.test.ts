import { describe, expect, it } from 'vitest'
import { numberSetting, parseSettingsFile, readSettings, SERVER_SETTINGS, textSetting } from '../../ts/service/index.ts'
import { errorOf } from '../support/errors.ts'

const SETTINGS = {
  port: numberSetting('where', 6379, { high: 65_535 }),
  'log-file': textSetting('what', '<file>', 'none'),
}
const NOTHING = { flags: {}, environment: {}, system: 'CACHE' }

describe('settings', () => {
  it('come from flags before the environment, from that before the file, and else are their defaults', () => {
    const file = parseSettingsFile('port 3')
    const environment = { BEDPLATE_CACHE_PORT: '2', BEDPLATE_CACHE_LOG_FILE: 'env' }
    expect(readSettings(SETTINGS, NOTHING)).toEqual({ port: 6379, 'log-file': 'none' })
    expect(readSettings(SETTINGS, { ...NOTHING, file }).port).toBe(3)
    expect(readSettings(SETTINGS, { ...NOTHING, file, environment })).toEqual({ port: 2, 'log-file': 'env' })
    expect(readSettings(SETTINGS, { ...NOTHING, file, environment, flags: { port: '1' } }).port).toBe(1)
  })

  it.each([
    [{ ...NOTHING, flags: { port: '65536' } }, '--port must be a whole number from 0 to 65535, got "65536"'],
    [{ ...NOTHING, environment: { BEDPLATE_CACHE_PORT: 'x' } }, 'BEDPLATE_CACHE_PORT must be a whole number'],
    [{ ...NOTHING, file: new Map([['port', '-1']]) }, 'port in the settings file must be a whole number'],
    [{ ...NOTHING, file: new Map([['prot', '1']]) }, 'the settings file: there is no option "prot"'],
  ])('that are wrong are refused by their name %#', (sources, message) => {
    const error = errorOf(() => readSettings(SETTINGS, sources))
    expect(error?.code).toBe('INVALID_INPUT')
    expect(error?.message).toContain(message)
  })

  it('of every server have one of the words that there are', () => {
    const error = errorOf(() => readSettings(SERVER_SETTINGS, { ...NOTHING, flags: { 'log-level': 'loud' } }))
    expect(error?.message).toContain('must be one of debug, info, warn, error')
  })
})

describe('a settings file', () => {
  it('has lines of a name and a value, comments and quotes', () => {
    const text = '# comment\n\n  port 1 \r\nname  "a b"\n'
    expect([...parseSettingsFile(text)]).toEqual([
      ['port', '1'],
      ['name', 'a b'],
    ])
  })

  it.each([
    ['port', 'line 1 of the settings file has no value'],
    ['a 1\na 2', 'line 2 of the settings file: a is there twice'],
  ])('is refused if it says %j', (text, message) => {
    expect(errorOf(() => parseSettingsFile(text))?.message).toBe(message)
  })
})

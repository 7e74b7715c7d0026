// The settings of CONFIG that concern memory.
import { BedplateError } from '../../base/errors.ts'
import type { Engine } from '../commands/engine.ts'
import { EVICTION_POLICIES, type EvictionPolicy } from '../keyspace/eviction.ts'
import { parseSafeInteger } from '../keyspace/numbers.ts'
import type { LiveSetting } from './settings.ts'

/** How much the keyspace may take. */
export interface MemoryOptions {
  /** `maxmemory` in bytes; 0 for as much as `ceilingBytes`. */
  readonly maxBytes: number
  readonly policy: EvictionPolicy
  /** Keys that are looked at for each eviction, at least 1. */
  readonly samples: number
  /** More than this cannot be kept in this process, since V8 would end it. */
  readonly ceilingBytes: number
}

const UNITS: ReadonlyMap<string, number> = new Map([
  ['', 1],
  ['b', 1],
  ['k', 1000],
  ['kb', 2 ** 10],
  ['m', 1000 ** 2],
  ['mb', 2 ** 20],
  ['g', 1000 ** 3],
  ['gb', 2 ** 30],
])

/** A size as redis.conf has it, such as `100mb`, in bytes; undefined if it is none. */
export function parseBytes(text: string): number | undefined {
  const [, digits = '', unit = ''] = /^(\d{1,15})([a-z]{0,2})$/i.exec(text) ?? []
  const factor = UNITS.get(unit.toLowerCase())
  if (digits === '' || factor === undefined) return undefined
  const bytes = Number(digits) * factor
  return Number.isSafeInteger(bytes) ? bytes : undefined
}

/** A policy by its name; undefined if there is none. */
export function parsePolicy(text: string): EvictionPolicy | undefined {
  return EVICTION_POLICIES.find((policy) => policy === text.toLowerCase())
}

/** @throws INVALID_INPUT if more is asked for than the process can hold. */
export function applyMemoryOptions({ memory, databases }: Engine, options: MemoryOptions | undefined): void {
  if (options === undefined) return
  const { maxBytes, policy, samples, ceilingBytes } = options
  if (maxBytes > ceilingBytes) throw new BedplateError('INVALID_INPUT', `maxmemory: ${tooMuch(maxBytes, ceilingBytes)}`)
  memory.maxBytes = maxBytes
  memory.ceilingBytes = ceilingBytes
  memory.samples = samples
  memory.choose(policy, databases)
}

/** What one client may make the server keep is bounded, what all of them may is not. */
function limitOfClients(value: string): (() => void) | string {
  if (/^0+(?:[a-z]{0,2}|%)$/i.test(value)) return () => {}
  const [, percentage] = /^(\d{1,15})%$/.exec(value) ?? []
  if (Number(percentage) > 100) return 'percentage argument must be less or equal to 100'
  return percentage === undefined && parseBytes(value) === undefined
    ? 'argument must be a memory or percent value'
    : 'this server closes no client for what all of them need: each has a bound of its own'
}

/** The settings of memory, live. */
export function memorySettings(engine: Engine): [string, LiveSetting][] {
  const { memory } = engine
  return [
    ['maxmemory-clients', { get: () => '0', prepare: limitOfClients }],
    [
      'maxmemory',
      {
        get: () => String(memory.maxBytes),
        prepare: (value) => {
          const bytes = parseBytes(value)
          if (bytes === undefined) return 'argument must be a memory value'
          if (bytes > memory.ceilingBytes) return tooMuch(bytes, memory.ceilingBytes)
          return () => {
            memory.maxBytes = bytes
          }
        },
      },
    ],
    [
      'maxmemory-policy',
      {
        get: () => memory.policy,
        prepare: (value) => {
          const policy = parsePolicy(value)
          if (policy === undefined) {
            return `argument(s) must be one of the following: ${EVICTION_POLICIES.join(', ')}`
          }
          return () => memory.choose(policy, engine.databases)
        },
      },
    ],
    [
      'maxmemory-samples',
      numberSetting(
        [1, 2 ** 31 - 1],
        () => memory.samples,
        (value) => {
          memory.samples = value
        },
      ),
    ],
    [
      'lfu-log-factor',
      numberSetting(
        [0, 2 ** 31 - 1],
        () => memory.rules.lfuLogFactor,
        (value) => {
          memory.rules.lfuLogFactor = value
        },
      ),
    ],
    [
      'lfu-decay-time',
      numberSetting(
        [0, 2 ** 31 - 1],
        () => memory.rules.lfuDecayTime,
        (value) => {
          memory.rules.lfuDecayTime = value
        },
      ),
    ],
  ]
}

/** What is said of a `maxmemory` that this process cannot hold. */
function tooMuch(bytes: number, ceilingBytes: number): string {
  return (
    `${bytes} bytes are more than the heap of this process can hold (${ceilingBytes}): ` +
    'start it with NODE_OPTIONS=--max-old-space-size=<MiB> for a larger one'
  )
}

/** A whole number within bounds. */
export function numberSetting(
  [low, high]: readonly [number, number],
  get: () => number,
  set: (value: number) => void,
): LiveSetting {
  return {
    get: () => String(get()),
    prepare: (text) => {
      const value = parseSafeInteger(text)
      if (value === undefined) return "argument couldn't be parsed into an integer"
      if (value < low || value > high) return `argument must be between ${low} and ${high} inclusive`
      return () => set(value)
    },
  }
}

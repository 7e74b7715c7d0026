// The settings of CONFIG that concern SLOWLOG and LATENCY.
import type { SlowLog } from '../commands/slow-log.ts'
import { numberSetting } from './memory-settings.ts'
import type { LiveSetting } from './settings.ts'

const MAX_LENGTH = 1_000_000

export function slowLogSettings(log: SlowLog): [string, LiveSetting][] {
  return [
    [
      'slowlog-log-slower-than',
      numberSetting(
        [-1, Number.MAX_SAFE_INTEGER],
        () => log.slowerThanMicros,
        (value) => {
          log.slowerThanMicros = value
        },
      ),
    ],
    [
      'slowlog-max-len',
      numberSetting(
        [0, MAX_LENGTH],
        () => log.maxLength,
        (value) => {
          log.maxLength = value
        },
      ),
    ],
    [
      'latency-monitor-threshold',
      numberSetting(
        [0, Number.MAX_SAFE_INTEGER],
        () => log.latencyThresholdMs,
        (value) => {
          log.latencyThresholdMs = value
        },
      ),
    ],
  ]
}

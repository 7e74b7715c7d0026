// Settings of CONFIG that belong to no other place: a few that are in force, and those that clients and tests set although what they
// steer is otherwise here. These are checked, kept and told, and change nothing.
import type { Engine } from '../commands/engine.ts'
import { numberSetting } from './memory-settings.ts'
import { parseYesNo, yesNo } from './persistence-settings.ts'
import type { LiveSetting } from './settings.ts'

const INT_MAX = 2 ** 31 - 1
const NO_DEFRAGMENTATION =
  'DISABLED Active defragmentation cannot be enabled: it requires a Redis server compiled with a modified Jemalloc like the one ' +
  'shipped by default with the Redis source distribution'

export function otherSettings({ tracking }: Engine): [string, LiveSetting][] {
  return [
    [
      'tracking-table-max-keys',
      numberSetting(
        [0, Number.MAX_SAFE_INTEGER],
        () => tracking.maxKeys,
        (count) => {
          tracking.maxKeys = count
        },
      ),
    ],
    // V8 moves what it keeps by itself.
    [
      'activedefrag',
      { get: () => 'no', prepare: (value) => (parseYesNo(value) === false ? () => {} : NO_DEFRAGMENTATION) },
    ],
    ...(
      ['lazyfree-lazy-eviction', 'lazyfree-lazy-expire', 'lazyfree-lazy-server-del', 'lazyfree-lazy-user-del'] as const
    ).map((name) => [name, keptFlag(false)] as [string, LiveSetting]),
    // Every payload is looked through before it is taken.
    ['sanitize-dump-payload', keptChoice(['no', 'yes', 'clients'], 'yes')],
    // Keys expire by a timer of their own.
    ['hz', keptNumber([1, 500], 10)],
    ['dynamic-hz', keptFlag(true)],
    ['rdb-key-save-delay', keptNumber([-INT_MAX - 1, INT_MAX], 0)],
    ['hll-sparse-max-bytes', keptNumber([0, Number.MAX_SAFE_INTEGER], 3000)],
  ]
}

/** A number that is kept and told, and changes nothing. */
function keptNumber(bounds: readonly [number, number], initial: number): LiveSetting {
  let value = initial
  return numberSetting(
    bounds,
    () => value,
    (wanted) => {
      value = wanted
    },
  )
}

function keptFlag(initial: boolean): LiveSetting {
  let value = initial
  return {
    get: () => yesNo(value),
    prepare: (text) => {
      const wanted = parseYesNo(text)
      if (wanted === undefined) return "argument must be 'yes' or 'no'"
      return () => {
        value = wanted
      }
    },
  }
}

function keptChoice(choices: readonly string[], initial: string): LiveSetting {
  let value = initial
  return {
    get: () => value,
    prepare: (text) => {
      const wanted = choices.find((choice) => choice === text.toLowerCase())
      if (wanted === undefined) return `argument(s) must be one of the following: ${choices.join(', ')}`
      return () => {
        value = wanted
      }
    },
  }
}

// JSON as others might have written it: of the right shape, but for one or two values.
import type { Random } from '../../../ts/io/random.ts'
import { below, pick } from '../btree-crash/workload.ts'

/** What stands where something else is wanted. */
const VALUES: readonly unknown[] = [
  ...[null, true, '', 'x', '\ud800', '__proto__', 'y'.repeat(300), [], {}, [null], [[]]],
  ...[0, -1, 1, 0.5, 64, 65, 2 ** 31, 2 ** 32, 2 ** 50, 2 ** 52, 2 ** 53 - 1, 2 ** 53, 1e300],
]

/** One to three changes of a value that JSON can hold: a copy, with values replaced, left out, doubled or exchanged. */
export function mutateJson(value: unknown, random: Random): unknown {
  let copy: unknown = JSON.parse(JSON.stringify(value))
  for (let i = 1 + below(random, 3); i > 0; i--) copy = changed(copy, random)
  return copy
}

/** Numbers that are whole and not below 0, as far as they can be told exactly. */
const EXTREMES = [0, 1, 2, 2 ** 31, 2 ** 32 - 1, 2 ** 50, 2 ** 50 + 1, 2 ** 52, 2 ** 53 - 1]

/** A copy of plain objects and lists, with one or two of their numbers replaced. What else is in there stays as it is. */
export function mutateNumbers(value: unknown, random: Random): unknown {
  if (typeof value === 'number') return pick(random, EXTREMES)
  if (Array.isArray(value)) {
    const at = below(random, value.length)
    return value.map((each, index) => (index === at ? mutateNumbers(each, random) : each))
  }
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value
  const entries = Object.entries(value)
  const chosen = pick(random, entries)?.[0]
  return Object.fromEntries(entries.map(([name, each]) => [name, name === chosen ? mutateNumbers(each, random) : each]))
}

function changed(value: unknown, random: Random): unknown {
  if (typeof value !== 'object' || value === null || random.next() < 0.05) return strange(random)
  const names = Object.keys(value)
  const name = pick(random, names)
  if (name === undefined) return strange(random)
  const parent = value as Record<string, unknown>
  const how = random.next()
  if (how < 0.6) parent[name] = changed(parent[name], random)
  else if (how < 0.75) parent[name] = parent[pick(random, names)]
  else if (Array.isArray(value)) {
    if (how < 0.9) value.splice(Number(name), 1)
    else value.push(...(value as unknown[]).slice(0, 1 + below(random, 3)))
  } else if (how < 0.9) delete parent[name]
  else parent[pick(random, ['more', 'version', '0'])] = strange(random)
  return value
}

/** Its own copy: what is changed in one place must not change in another, nor in the next case. */
function strange(random: Random): unknown {
  return structuredClone(pick(random, VALUES))
}

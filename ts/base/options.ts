// Checks of option objects: an option that is misspelt must not be silently ignored.
import { BedplateError } from './errors.ts'

/** What a value of an option may be; `any` is checked by whoever uses it. */
export type OptionType = 'boolean' | 'number' | 'string' | 'function' | 'any'

/**
 * Refuses options that are not objects, names that do not exist (saying which was probably meant) and wrong types.
 * `undefined` counts as not given.
 * @param where - The call, for the text: `openBTree`.
 * @throws INVALID_INPUT
 */
export function checkOptions(
  given: unknown,
  allowed: Readonly<Record<string, OptionType | readonly OptionType[]>>,
  where: string,
): void {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new BedplateError('INVALID_INPUT', `${where}: options must be an object, got ${describe(given)}`)
  }
  for (const name of Object.keys(given)) {
    const value = (given as Record<string, unknown>)[name]
    if (!Object.hasOwn(allowed, name)) throw unknownOption(name, Object.keys(allowed), where)
    const type = allowed[name] as OptionType | readonly OptionType[]
    if (value === undefined || type === 'any' || type === typeof value) continue // some calls are made very often
    const types = [type].flat() as OptionType[]
    if (types.includes('any') || types.includes(typeof value as OptionType)) continue
    throw new BedplateError(
      'INVALID_INPUT',
      `${where}: ${name} must be a ${types.join(' or a ')}, got ${describe(value)}`,
    )
  }
}

/** Refuses what is not an array. @param what - What it should hold, for the text: `keys`. @throws INVALID_INPUT */
export function checkArray(given: unknown, where: string, what: string): void {
  if (Array.isArray(given)) return
  throw new BedplateError('INVALID_INPUT', `${where} takes an array of ${what}, got ${describe(given)}`)
}

/** Refuses what is not a function. @throws INVALID_INPUT */
export function checkFunction(given: unknown, where: string): void {
  if (typeof given === 'function') return
  throw new BedplateError('INVALID_INPUT', `${where} takes a function, got ${describe(given)}`)
}

/** Names a value of any kind in a few words, for messages. */
export function describe(value: unknown): string {
  if (value === null) return 'null'
  if (typeof value === 'string')
    return value.length > 40 ? `a string of ${value.length} characters` : JSON.stringify(value)
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'undefined') return String(value)
  if (typeof value === 'object')
    return Array.isArray(value) ? 'an array' : `a ${value.constructor?.name ?? 'null-prototype object'}`
  return `a ${typeof value}`
}

function unknownOption(name: string, known: readonly string[], where: string): BedplateError {
  const likely = nearest(name, known)
  const hint = likely === undefined ? `it takes ${known.join(', ')}` : `did you mean "${likely}"?`
  return new BedplateError('INVALID_INPUT', `${where}: there is no option "${name}"`, { hint })
}

/** The known name that `name` is probably a misspelling of, or the beginning of: units are easily forgotten. */
function nearest(name: string, known: readonly string[]): string | undefined {
  const whole = known.find((candidate) => name.length >= 3 && candidate.toLowerCase().startsWith(name.toLowerCase()))
  if (whole !== undefined) return whole
  let best: string | undefined
  let bestDistance = Math.max(2, Math.floor(name.length / 3)) + 1
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase())
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

/** Levenshtein's distance, by rows. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    for (let column = 1; column <= b.length; column++) {
      const substitution = (previous[column - 1] as number) + (a[row - 1] === b[column - 1] ? 0 : 1)
      current.push(Math.min(substitution, (previous[column] as number) + 1, (current[column - 1] as number) + 1))
    }
    previous = current
  }
  return previous[b.length] as number
}

// Numbers as Redis reads them from arguments and values (util.c): strict, and 64 bits wide.

const MIN_INT64 = -(2n ** 63n)
const MAX_INT64 = 2n ** 63n - 1n
const HEXADECIMAL = /^([+-]?)0[xX]([0-9a-fA-F]*)(?:\.([0-9a-fA-F]*))?(?:[pP]([+-]?\d+))?$/
const DECIMAL = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/
/** Mantissas and exponents beyond this say nothing about a double; Redis reads 5,119 characters where it reads `long double`s. */
const MAX_DOUBLE_CHARACTERS = 5119

/**
 * A whole number of 64 bits: no spaces, no plus, no leading zeros, no -0. O(length).
 * @returns A number where that is exact, else a bigint; undefined if it is none.
 */
export function parseInteger(text: string): number | bigint | undefined {
  const small = parseSafeInteger(text)
  if (small !== undefined) return small
  if (!/^-?[1-9]\d{15,18}$/.test(text)) return undefined
  const value = BigInt(text)
  if (value < MIN_INT64 || value > MAX_INT64) return undefined
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}

/** The same for numbers of at most 15 digits, which is what values and arguments nearly always are. */
export function parseSafeInteger(text: string): number | undefined {
  const { length } = text
  if (length === 0 || length > 16) return undefined
  const isNegative = text.charCodeAt(0) === 0x2d
  const first = isNegative ? 1 : 0
  if (length - first > 15 || length === first) return undefined
  if (text.charCodeAt(first) === 0x30) return length === 1 ? 0 : undefined
  let value = 0
  for (let i = first; i < length; i++) {
    const digit = text.charCodeAt(i) - 0x30
    if (digit < 0 || digit > 9) return undefined
    value = value * 10 + digit
  }
  return isNegative ? -value : value
}

/** Whether a whole number is of 64 bits. */
function isInt64(value: number | bigint): boolean {
  return typeof value === 'number' ? Number.isSafeInteger(value) : value >= MIN_INT64 && value <= MAX_INT64
}

/** The sum of two whole numbers; undefined if it needs more than 64 bits. */
export function addIntegers(a: number | bigint, b: number | bigint): number | bigint | undefined {
  if (typeof a === 'number' && typeof b === 'number') {
    const sum = a + b
    if (Number.isSafeInteger(sum)) return sum
  }
  const sum = BigInt(a) + BigInt(b)
  return isInt64(sum) ? narrow(sum) : undefined
}

/** A number where that is exact. */
function narrow(value: bigint): number | bigint {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}

/**
 * A double as C's strtod takes it, the whole text: decimal, hexadecimal, infinite. O(length).
 * @returns Undefined for all else, for NaN, and for numbers too large or too near to 0 for a double.
 */
export function parseDouble(text: string): number | undefined {
  if (text.length > MAX_DOUBLE_CHARACTERS) return undefined
  if (DECIMAL.test(text)) return inRange(Number(text), /^[^eE]*[1-9]/.test(text))
  const infinite = /^([+-]?)inf(?:inity)?$/i.exec(text)
  if (infinite !== null) return infinite[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY
  const hexadecimal = HEXADECIMAL.exec(text)
  if (hexadecimal === null) return undefined
  const [, sign, whole = '', fraction = '', exponent = '0'] = hexadecimal
  if (whole === '' && fraction === '') return undefined
  const mantissa = Number.parseInt(whole + fraction, 16)
  const value = inRange(mantissa * 2 ** (Number(exponent) - 4 * fraction.length), mantissa !== 0)
  return value !== undefined && sign === '-' ? -value : value
}

/**
 * A double as commands read it that ask C's strtod without further ado, as ranges of scores and SORT do: up to a zero byte, behind
 * spaces, and nothing is 0.
 * @returns Undefined if something is left over, and for NaN.
 */
export function scanDouble(text: string): number | undefined {
  const zero = text.indexOf('\0')
  const seen = zero === -1 ? text : text.slice(0, zero)
  if (seen === '') return 0
  const digits = seen.replace(/^[ \t\n\v\f\r]+/, '')
  return DECIMAL.test(digits) ? Number(digits) : parseDouble(digits)
}

/** What strtod reports as out of range is no number to Redis. @param isWritten - Whether a digit other than 0 was given. */
function inRange(value: number, isWritten: boolean): number | undefined {
  return !Number.isFinite(value) || (value === 0 && isWritten) ? undefined : value
}

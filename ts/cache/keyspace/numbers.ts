// Numbers as Redis reads them from arguments and values (util.c): strict, and 64 bits wide.

const MIN_INT64 = -(2n ** 63n)
const MAX_INT64 = 2n ** 63n - 1n
const HEXADECIMAL = /^([+-]?)0[xX]([0-9a-fA-F]*)(?:\.([0-9a-fA-F]*))?(?:[pP]([+-]?\d+))?$/
const DECIMAL = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/

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

/** A double as C's strtod takes it, the whole text: decimal, hexadecimal, infinite. Undefined for all else and for NaN. */
export function parseDouble(text: string): number | undefined {
  if (DECIMAL.test(text)) return Number(text)
  const infinite = /^([+-]?)inf(?:inity)?$/i.exec(text)
  if (infinite !== null) return infinite[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY
  const hexadecimal = HEXADECIMAL.exec(text)
  if (hexadecimal === null) return undefined
  const [, sign, whole = '', fraction = '', exponent = '0'] = hexadecimal
  if (whole === '' && fraction === '') return undefined
  const value = Number.parseInt(whole + fraction, 16) * 2 ** (Number(exponent) - 4 * fraction.length)
  return sign === '-' ? -value : value
}

interface Decimal {
  readonly digits: bigint
  /** The value is digits / 10^scale. */
  readonly scale: number
}

const MAX_SCALE = 400
const SHOWN_DIGITS = 17

/**
 * The sum of two decimal texts as Redis's INCRBYFLOAT prints it: at most 17 digits after the point, none of them a zero at the
 * end. Redis adds `long double`s of 64 bits of mantissa; this adds exactly, so the two agree wherever those 64 bits suffice.
 * @returns Undefined if the sum is infinite or no number.
 */
export function addDecimals(a: string, b: string): string | undefined {
  const left = parseDecimal(a)
  const right = parseDecimal(b)
  if (left === undefined || right === undefined) {
    const sum = (parseDouble(a) ?? Number.NaN) + (parseDouble(b) ?? Number.NaN)
    if (!Number.isFinite(sum)) return undefined
    return withoutZeros(sum.toFixed(SHOWN_DIGITS)) // beyond 1e21 toFixed has an exponent; parseDecimal has taken those
  }
  const scale = Math.max(left.scale, right.scale)
  const sum = left.digits * 10n ** BigInt(scale - left.scale) + right.digits * 10n ** BigInt(scale - right.scale)
  return printDecimal({ digits: sum, scale })
}

function parseDecimal(text: string): Decimal | undefined {
  const parts = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$/.exec(text)
  if (parts === null) return undefined
  const [, sign, whole = '', fraction = '', exponent = '0'] = parts
  if (whole === '' && fraction === '') return undefined
  if (whole.length + fraction.length > MAX_SCALE) return undefined
  const scale = fraction.length - Number(exponent)
  if (Math.abs(scale) > MAX_SCALE) return undefined
  const digits = BigInt(`${whole}${fraction}`) * (sign === '-' ? -1n : 1n)
  return scale >= 0 ? { digits, scale } : { digits: digits * 10n ** BigInt(-scale), scale: 0 }
}

function printDecimal({ digits, scale }: Decimal): string {
  const isNegative = digits < 0n
  let magnitude = isNegative ? -digits : digits
  let places = scale
  if (places > SHOWN_DIGITS) {
    const dropped = 10n ** BigInt(places - SHOWN_DIGITS)
    magnitude = (magnitude + dropped / 2n) / dropped
    places = SHOWN_DIGITS
  }
  const text = magnitude.toString().padStart(places + 1, '0')
  const whole = places === 0 ? text : text.slice(0, -places)
  const printed = places === 0 ? whole : withoutZeros(`${whole}.${text.slice(-places)}`)
  return isNegative && printed !== '0' ? `-${printed}` : printed
}

function withoutZeros(digits: string): string {
  return digits.includes('.') ? digits.replace(/\.?0+$/, '') : digits
}

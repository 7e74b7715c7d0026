// C's `long double` as x86-64 has it: 64 bits of mantissa and 15 of exponent. INCRBYFLOAT and HINCRBYFLOAT add in it and print 17
// digits after the point, so 0.1 + 0.2 is 0.3 and 123456.789 + 0 is 123456.78900000000000148.

const MANTISSA_BITS = 64
/** Of the highest bit: the largest value is below 2^16384, the smallest one that is kept above 2^-16446. */
const MAX_EXPONENT = 16_383
const MIN_EXPONENT = -16_445
const MAX_CHARACTERS = 5119
/** Beyond it every number is out of range, whatever its digits: they are at most MAX_CHARACTERS. */
const MAX_DECIMAL_EXPONENT = 11_000
const SHOWN_DIGITS = 17
const DECIMAL = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$/
const HEXADECIMAL = /^([+-]?)0[xX]([0-9a-fA-F]*)(?:\.([0-9a-fA-F]*))?(?:[pP]([+-]?\d+))?$/

/** mantissa x 2^exponent; infinite if the exponent is. */
export interface LongDouble {
  readonly mantissa: bigint
  readonly exponent: number
}

/**
 * A number as C's strtold takes it, the whole text: decimal, hexadecimal, infinite.
 * @returns Undefined for all else, and for what is too large or too near to 0.
 */
export function parseLongDouble(text: string): LongDouble | undefined {
  if (text.length > MAX_CHARACTERS) return undefined
  const infinite = /^([+-]?)inf(?:inity)?$/i.exec(text)
  if (infinite !== null) return { mantissa: infinite[1] === '-' ? -1n : 1n, exponent: Number.POSITIVE_INFINITY }
  const hexadecimal = HEXADECIMAL.exec(text)
  const [, sign, whole = '', fraction = '', exponentText = '0'] = hexadecimal ?? DECIMAL.exec(text) ?? []
  if (whole === '' && fraction === '') return undefined
  const magnitude = BigInt(`${hexadecimal === null ? '' : '0x'}${whole}${fraction}`)
  if (magnitude === 0n) return { mantissa: 0n, exponent: 0 }
  const digits = sign === '-' ? -magnitude : magnitude
  const exponent = Number(exponentText)
  if (hexadecimal !== null) return inRange(round(digits, 1n, exponent - 4 * fraction.length))
  if (Math.abs(exponent) > MAX_DECIMAL_EXPONENT) return undefined
  const scale = fraction.length - exponent
  return inRange(scale >= 0 ? round(digits, 10n ** BigInt(scale), 0) : round(digits * 10n ** BigInt(-scale), 1n, 0))
}

/** @returns Undefined if the sum is infinite or no number. */
export function addLongDoubles(a: LongDouble, b: LongDouble): LongDouble | undefined {
  if (!Number.isFinite(a.exponent) || !Number.isFinite(b.exponent)) return undefined
  const exponent = Math.min(a.exponent, b.exponent)
  const aligned = (value: LongDouble): bigint => value.mantissa << BigInt(value.exponent - exponent)
  const sum = aligned(a) + aligned(b)
  return sum === 0n ? { mantissa: 0n, exponent: 0 } : inRange(round(sum, 1n, exponent))
}

/** A finite number in decimal, as C's `%.17Lf` without the zeros at its end. */
export function formatLongDouble({ mantissa, exponent }: LongDouble): string {
  const magnitude = mantissa < 0n ? -mantissa : mantissa
  const scaled = magnitude * 10n ** BigInt(SHOWN_DIGITS)
  const digits = exponent >= 0 ? scaled << BigInt(exponent) : divide(scaled, 1n << BigInt(-exponent))
  const text = digits.toString().padStart(SHOWN_DIGITS + 1, '0')
  const fraction = text.slice(-SHOWN_DIGITS).replace(/0+$/, '')
  const printed = text.slice(0, -SHOWN_DIGITS) + (fraction === '' ? '' : `.${fraction}`)
  return mantissa < 0n && printed !== '0' ? `-${printed}` : printed
}

/** numerator / denominator x 2^exponent, which is not 0, to 64 bits. */
function round(numerator: bigint, denominator: bigint, exponent: number): LongDouble {
  const magnitude = numerator < 0n ? -numerator : numerator
  // Makes the quotient 64 or 65 bits long; then it is known which.
  let shift = MANTISSA_BITS - (bitsOf(magnitude) - bitsOf(denominator))
  if (bitsOf(shifted(magnitude, shift) / shifted(denominator, -shift)) > MANTISSA_BITS) shift--
  const mantissa = divide(shifted(magnitude, shift), shifted(denominator, -shift))
  return { mantissa: numerator < 0n ? -mantissa : mantissa, exponent: exponent - shift }
}

function inRange(value: LongDouble): LongDouble | undefined {
  const highest = value.exponent + bitsOf(value.mantissa < 0n ? -value.mantissa : value.mantissa) - 1
  return highest > MAX_EXPONENT || highest < MIN_EXPONENT ? undefined : value
}

function shifted(value: bigint, bits: number): bigint {
  return bits > 0 ? value << BigInt(bits) : value
}

/** To the nearest whole number, halves to the even one. */
function divide(numerator: bigint, denominator: bigint): bigint {
  const quotient = numerator / denominator
  const twice = 2n * (numerator % denominator)
  const isUp = twice > denominator || (twice === denominator && (quotient & 1n) === 1n)
  return isUp ? quotient + 1n : quotient
}

function bitsOf(value: bigint): number {
  const text = value.toString(16)
  return 4 * (text.length - 1) + Math.ceil(Math.log2(Number.parseInt(text.charAt(0), 16) + 1))
}

// Doubles as C's printf writes them with "%.17g", which is what Redis 7.0 does.

const DIGITS = 17

/** `inf`, `-inf`, `nan`, or so many significant digits without zeros at the end: 0.1 gives 0.10000000000000001 with 17. */
export function formatDouble(value: number, digits = DIGITS): string {
  if (Number.isSafeInteger(value) && (digits === DIGITS || Math.abs(value) < 10 ** digits))
    return Object.is(value, -0) ? '-0' : String(value)
  if (Number.isNaN(value)) return 'nan'
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf'
  const [mantissa = '', exponentText = '0'] = value.toExponential(digits - 1).split('e')
  const exponent = Number(exponentText)
  if (exponent < -4 || exponent >= digits) {
    const shown = String(Math.abs(exponent)).padStart(2, '0')
    return `${withoutZeros(mantissa)}e${exponent < 0 ? '-' : '+'}${shown}`
  }
  return withoutZeros(value.toFixed(Math.max(0, digits - 1 - exponent)))
}

function withoutZeros(digits: string): string {
  return digits.includes('.') ? digits.replace(/\.?0+$/, '') : digits
}

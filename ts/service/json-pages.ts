// Answers over HTTP as JSON, and what is sent as JSON.
import { BedplateError, type ErrorCode } from '../base/errors.ts'
import type { Page } from '../io/http.ts'

const STATUS: Partial<Record<ErrorCode, number>> = {
  INVALID_INPUT: 400,
  NOT_SUPPORTED: 400,
  PERMISSION: 401,
  NOT_FOUND: 404,
  CONFLICT: 409,
  UNAVAILABLE: 503,
  CLOSED: 503,
}

export function jsonPage(value: unknown, status = 200): Page {
  return { status, type: 'application/json', body: `${JSON.stringify(value)}\n` }
}

/** The status of HTTP for an error. */
export function statusOfError({ code }: BedplateError): number {
  return STATUS[code] ?? 500
}

/** `{error: {code, message, hint}}`, with the status that fits. */
export function failurePage(error: unknown): Page {
  const known = error instanceof BedplateError ? error : new BedplateError('INTERNAL', String(error))
  const { code, message, hint } = known
  return jsonPage({ error: { code, message, hint } }, statusOfError(known))
}

/** What was sent as JSON. @throws INVALID_INPUT if it is no object. */
export function jsonOf(body: Uint8Array): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(Buffer.from(body).toString())
  } catch {
    value = undefined
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  throw new BedplateError('INVALID_INPUT', 'a request is an object as JSON')
}

// A page of somebody else in a browser on this machine can reach the ports of this machine, too, also by the address of an image: it
// must not change anything. Browsers say where a request comes from; other programs say nothing, and may.
import type { IncomingHttpHeaders } from 'node:http'
import { BedplateError } from '../base/errors.ts'

/** Where a request comes from if that is the page of somebody else; undefined otherwise. */
export function foreignOrigin({
  origin,
  host,
  'sec-fetch-site': site,
}: Readonly<IncomingHttpHeaders>): string | undefined {
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return origin ?? 'another site'
  return origin === undefined || origin.replace(/^https?:\/\//, '') === host ? undefined : origin
}

/** @param what - What it would change, such as `this cluster`. @throws INVALID_INPUT for the page of somebody else */
export function refuseForeignPage(headers: Readonly<IncomingHttpHeaders>, what: string): void {
  const origin = foreignOrigin(headers)
  if (origin === undefined) return
  throw new BedplateError('INVALID_INPUT', `a page of ${origin.slice(0, 80)} may not change ${what}`)
}

// A request that changes something at a server of ours: JSON by POST, and what comes of it.
import { BedplateError, type ErrorCode } from '../../base/errors.ts'
import { HttpClient } from '../../io/http-client.ts'
import type { TlsTrust } from '../../io/network.ts'

export interface PostOptions {
  /** `http://host:port/path`, or https. */
  readonly url: string
  readonly body: unknown
  /** By their names in lower case. */
  readonly headers?: Readonly<Record<string, string>>
  readonly tls?: TlsTrust | undefined
}

export interface PostReply {
  readonly status: number
  /** An array, too; empty where what was answered is no JSON. */
  readonly answer: object
  /** What a server of ours has refused it with; undefined if it was done, and where something else answers. */
  readonly refusal: BedplateError | undefined
}

/** Longer than servers take: a node has to start, or to end, and to be heard. */
const ASK_MS = 60_000

/** @throws UNAVAILABLE if nobody answers */
export async function postJson({ url, body, headers = {}, tls }: PostOptions): Promise<PostReply> {
  const http = new HttpClient({ tls })
  try {
    const bytes = Buffer.from(JSON.stringify(body))
    const reply = await http.ask({ method: 'POST', url, headers, body: bytes, timeoutMs: ASK_MS })
    const { status } = reply
    const answer = answerOf(reply.body)
    return { status, answer, refusal: status < 300 ? undefined : refusalOf(answer) }
  } finally {
    http.close()
  }
}

function answerOf(body: Uint8Array): object {
  try {
    const answer: unknown = JSON.parse(Buffer.from(body).toString())
    return typeof answer === 'object' && answer !== null ? answer : {}
  } catch {
    return {}
  }
}

function refusalOf(answer: object): BedplateError | undefined {
  const { error } = answer as { error?: { code?: ErrorCode; message?: string; hint?: string } }
  const { code = 'UNAVAILABLE', message, hint } = error ?? {}
  if (message === undefined) return undefined
  return new BedplateError(code, message, hint === undefined ? {} : { hint })
}

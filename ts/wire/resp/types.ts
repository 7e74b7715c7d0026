// The limits of both decoders, and replies as values.
import { BedplateError } from '../../base/errors.ts'

/** The longest string that V8 can hold: 24 bytes less than Redis's own limit of 512 MiB. */
export const MAX_STRING_BYTES = 2 ** 29 - 24

/** Bounds on what a peer may announce or send. Every decoder takes them as an argument, and they may change on the way. */
export interface RespLimits {
  /** Bytes of one inline command, and of the line that announces a count or a length. */
  readonly inlineBytes: number
  /** Bytes of one bulk string. */
  readonly bulkBytes: number
  /** Elements of one command, or of one aggregate of a reply. */
  readonly multibulkCount: number
  /** Bytes of one whole command or reply, all elements together, each with what it costs to hold it. */
  readonly messageBytes: number
  /** Aggregates within aggregates of a reply; commands have one level. */
  readonly depth: number
}

/** What Redis allows: `PROTO_INLINE_MAX_SIZE`, `proto-max-bulk-len`, `INT_MAX`, `client-query-buffer-limit`. */
export const DEFAULT_LIMITS: RespLimits = {
  inlineBytes: 64 * 1024,
  bulkBytes: MAX_STRING_BYTES,
  multibulkCount: 2 ** 31 - 1,
  messageBytes: 2 ** 30,
  depth: 128,
}

/** What Redis allows to a client that has yet to authenticate: enough for AUTH and HELLO, too little to fill the memory. */
export const UNAUTHENTICATED_LIMITS: RespLimits = { ...DEFAULT_LIMITS, multibulkCount: 10, bulkBytes: 16 * 1024 }

/**
 * The peer broke the protocol: there is no way to find the next message, so the connection has to be closed after this was
 * told. `message` is Redis's own text, without the `-ERR ` in front.
 */
export class RespProtocolError extends BedplateError {
  constructor(message: string) {
    super('INVALID_INPUT', `Protocol error: ${message}`, {
      hint: 'close the connection: its bytes cannot be understood',
    })
    this.name = 'RespProtocolError'
  }
}

/**
 * A reply as a value, one kind for each type on the wire, so that nothing is lost. Bytes are strings with one character of
 * 0 to 255 a byte ("latin1"). RESP3 specification: https://github.com/redis/redis-specifications, protocol/RESP3.md.
 */
export type Reply =
  | { readonly kind: 'simple'; readonly text: string } // +
  | { readonly kind: 'error'; readonly text: string } // - and !
  | { readonly kind: 'integer'; readonly value: number | bigint } // : ; a bigint only where a number would be inexact
  | { readonly kind: 'bulk'; readonly text: string } // $
  | { readonly kind: 'null' } // _ $-1 *-1
  | { readonly kind: 'boolean'; readonly value: boolean } // #
  | { readonly kind: 'double'; readonly value: number } // ,
  | { readonly kind: 'big number'; readonly value: bigint } // (
  | { readonly kind: 'verbatim'; readonly format: string; readonly text: string } // =
  | { readonly kind: 'array' | 'set' | 'push'; readonly items: readonly Reply[] } // * ~ >
  | { readonly kind: 'map'; readonly items: readonly Reply[] } // % ; keys and values in turn
  | { readonly kind: 'attribute'; readonly items: readonly Reply[] } // | ; belongs to the reply after it

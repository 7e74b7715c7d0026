// gRPC as both ends of it have it (docs/decisions/0013-grpc.md): grpc-server.ts serves, grpc-client.ts calls. Messages are bytes here,
// and what they mean is for the floors above. Streams are two-way in all cases; a method that takes one request reads one.

/** A call that failed with one of gRPC's status codes. */
export class GrpcError extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.name = 'GrpcError'
    this.status = status
  }
}

/** What a server knows about a call. */
export interface GrpcCall {
  /** What the client sent along under `name`; several values with commas between them, as HTTP joins them. */
  metadata(name: string): string | undefined
  /** Aborts when the client has gone or does not want the answer any more, and when the deadline that it gave has passed. */
  readonly signal: AbortSignal
}

/** A call in which both sides may say more than once. */
export interface GrpcStream extends GrpcCall {
  /** What the client says, until it is done; ends quietly when it has gone. To be read once. */
  readonly requests: AsyncIterable<Uint8Array>
  /** Resolves when there is room for more; does nothing once the client has gone. */
  send(message: Uint8Array): Promise<void>
}

/** A method of a server. What it throws becomes the status of the call: that of a GrpcError, or INTERNAL. */
export type GrpcMethod =
  | { readonly kind: 'unary'; readonly handle: (request: Uint8Array, call: GrpcCall) => Promise<Uint8Array> }
  | { readonly kind: 'stream'; readonly handle: (stream: GrpcStream) => Promise<void> }

/** The status codes of gRPC that this floor gives by itself (https://grpc.github.io/grpc/core/md_doc_statuscodes.html). */
export const GRPC_STATUS = {
  deadlineExceeded: 4,
  resourceExhausted: 8,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
} as const

/** What may be said about a call to a server. */
export interface GrpcCallOptions {
  /** Gives the call up. */
  readonly signal?: AbortSignal | undefined
  /** The call fails with DEADLINE_EXCEEDED after so long. */
  readonly timeoutMs?: number | undefined
  readonly metadata?: Readonly<Record<string, string>> | undefined
}

/** A stream as a client has it. */
export interface GrpcClientStream {
  /** What the server says. Ends when it is done or `cancel` was called; a failure is thrown as GrpcError. To be read once. */
  readonly responses: AsyncIterable<Uint8Array>
  send(message: Uint8Array): void
  cancel(): void
}

/** A connection to a server, which is made when it is needed, and again when it was lost. */
export interface GrpcClient {
  /** @throws GrpcError */
  unary(path: string, request: Uint8Array, options?: GrpcCallOptions): Promise<Uint8Array>
  stream(path: string, options?: GrpcCallOptions): GrpcClientStream
  close(): void
}

/** Whom to trust when TLS is spoken, and who we are; PEM. */
export interface GrpcTls {
  readonly ca?: Uint8Array | undefined
  readonly cert?: Uint8Array | undefined
  readonly key?: Uint8Array | undefined
}

// The client end of gRPC, on @grpc/grpc-js (docs/decisions/0013-grpc.md).
import grpc from '@grpc/grpc-js'
import { type GrpcCallOptions, type GrpcClient, GrpcError, type GrpcTls } from './grpc.ts'
import { MessageQueue } from './grpc-messages.ts'

const same = (bytes: Buffer): Buffer => bytes
const toBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** A client of the server at `address`, `host:port`. Nothing is sent yet. */
export function connectGrpc(address: string, tls?: GrpcTls): GrpcClient {
  const client = new grpc.Client(address, clientCredentials(tls), {
    'grpc.max_receive_message_length': -1,
    'grpc.max_send_message_length': -1,
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 2000,
  })
  return {
    unary(path, request, options = {}) {
      return new Promise((resolve, reject) => {
        const call = client.makeUnaryRequest(
          path,
          toBuffer,
          same,
          request,
          metadataOf(options),
          timing(options),
          (error, response) => {
            options.signal?.removeEventListener('abort', cancel)
            if (error === null && response !== undefined) resolve(response)
            else reject(asGrpcError(error))
          },
        )
        const cancel = (): void => call.cancel()
        if (options.signal?.aborted === true) cancel()
        else options.signal?.addEventListener('abort', cancel)
      })
    },
    stream(path, options = {}) {
      const call = client.makeBidiStreamRequest(path, toBuffer, same, metadataOf(options), timing(options))
      const responses = new MessageQueue(call)
      call.on('data', (message: Buffer) => responses.push(message))
      call.on('end', () => responses.end())
      let isCancelled = false
      const cancel = (): void => {
        isCancelled = true
        call.cancel()
        responses.end()
      }
      call.on('error', (error: grpc.ServiceError) => responses.end(isCancelled ? undefined : asGrpcError(error)))
      if (options.signal?.aborted === true) cancel()
      else options.signal?.addEventListener('abort', cancel, { once: true })
      return {
        responses,
        send(message) {
          if (!isCancelled) call.write(message)
        },
        cancel() {
          options.signal?.removeEventListener('abort', cancel)
          cancel()
        },
      }
    },
    close() {
      client.close()
    },
  }
}

function clientCredentials(tls: GrpcTls | undefined): grpc.ChannelCredentials {
  if (tls === undefined) return grpc.credentials.createInsecure()
  const { ca, cert, key } = tls
  const optional = (bytes: Uint8Array | undefined): Buffer | null => (bytes === undefined ? null : toBuffer(bytes))
  return grpc.credentials.createSsl(optional(ca), optional(key), optional(cert))
}

function metadataOf({ metadata = {} }: GrpcCallOptions): grpc.Metadata {
  const made = new grpc.Metadata()
  for (const [name, value] of Object.entries(metadata)) made.set(name, value)
  return made
}

function timing({ timeoutMs }: GrpcCallOptions): grpc.CallOptions {
  return timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs }
}

function asGrpcError(error: grpc.ServiceError | null): GrpcError {
  return new GrpcError(error?.code ?? grpc.status.UNKNOWN, error?.details ?? 'no answer')
}

// What the services of the gRPC API have in common: who asks, headers of answers, how refusals travel.
import { isCode } from '../../../base/errors.ts'
import { type GrpcCall, GrpcError, type GrpcMethod, type GrpcStream } from '../../../io/grpc.ts'
import type { ResponseHeader } from '../../../wire/etcd/messages.ts'
import type { Codec } from '../../../wire/etcd/protobuf.ts'
import { requireCommand } from '../auth/checks.ts'
import type { Command, Result } from '../command.ts'
import { Refusal, refusal, STATUS } from '../errors.ts'
import type { ServingNode } from '../serving.ts'
import type { LeaderMonitor } from './leader-monitor.ts'

/** What the services work on. */
export interface ServiceContext {
  readonly node: ServingNode
  readonly monitor: LeaderMonitor
  readonly maxRequestBytes: number
  /** Where clients find this server, such as `http://127.0.0.1:2379`. */
  readonly clientUrl: () => string
  readonly count: (path: string) => void
}

/** Who calls, and until when. */
export interface Caller {
  /** Undefined without a token, and while nobody has to log in. */
  readonly user: string | undefined
  readonly signal: AbortSignal
}

/** Methods by path. */
export type Methods = readonly (readonly [path: string, method: GrpcMethod])[]

/** The header of an answer that shows the state of a main revision; by default of the one that is durable. */
export function headerFor({ node }: ServiceContext, revision = node.state.store.revision): ResponseHeader {
  // Each answer has one: named, as that is much faster than to spread them.
  const { clusterId, memberId } = node.identity
  return { clusterId, memberId, revision, raftTerm: node.raft.term }
}

/** Executes a command for a client, if it may do that now and still may when it is applied. @throws Refusal */
export async function executeFor(node: ServingNode, user: string | undefined, command: Command): Promise<Result> {
  const { state } = node
  if (!state.users.isEnabled) return node.execute(command)
  requireCommand(state, user, command)
  return node.execute({ ...command, from: { user: user ?? '' } })
}

/** A method with one request and one answer. */
export function unary<Request, RequestIn, ResponseOut, Response>(
  context: ServiceContext,
  path: string,
  codecs: { readonly request: Codec<Request, RequestIn>; readonly response: Codec<ResponseOut, Response> },
  handle: (request: Request, caller: Caller) => Promise<Response>,
): Methods[number] {
  return [
    path,
    {
      kind: 'unary',
      handle: (bytes, call) =>
        answering(async () => {
          context.count(path)
          if (bytes.length > context.maxRequestBytes) throw refusal('requestTooLarge')
          const request = codecs.request.decode(bytes)
          return codecs.response.encode(await handle(request, callerOf(context, call)))
        }),
    },
  ]
}

/** A stream of requests and one of answers, which need not have to do with each other one by one. */
export interface MessageStream<Request, Response> extends Caller {
  readonly requests: AsyncIterable<Request>
  send(response: Response): Promise<void>
}

/** A method with streams. */
export function streaming<Request, RequestIn, ResponseOut, Response>(
  context: ServiceContext,
  path: string,
  codecs: { readonly request: Codec<Request, RequestIn>; readonly response: Codec<ResponseOut, Response> },
  handle: (stream: MessageStream<Request, Response>) => Promise<void>,
): Methods[number] {
  const decoded = async function* ({ requests }: GrpcStream): AsyncGenerator<Request> {
    for await (const bytes of requests) yield codecs.request.decode(bytes)
  }
  return [
    path,
    {
      kind: 'stream',
      handle: (stream) =>
        answering(() => {
          context.count(path)
          const { user } = callerOf(context, stream)
          const run = (lost?: AbortSignal): Promise<void> =>
            handle({
              user,
              get signal() {
                return lost === undefined ? stream.signal : AbortSignal.any([stream.signal, lost])
              },
              requests: decoded(stream),
              send: (response) => stream.send(codecs.response.encode(response)),
            })
          return wantsLeader(stream) ? context.monitor.whileLed(run) : run()
        }),
    },
  ]
}

function callerOf({ node }: ServiceContext, call: GrpcCall): Caller {
  if (wantsLeader(call) && node.raft.leader === 0n) throw refusal('noLeader')
  return {
    user: node.sessions.userOf(call.metadata('token')),
    get signal() {
      return call.signal
    },
  }
}

/** Clients of etcd say so if they would rather be refused than wait for an election. */
function wantsLeader(call: GrpcCall): boolean {
  return call.metadata('hasleader') === 'true'
}

/** Gives every failure the status that etcd's clients expect. */
async function answering<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (error) {
    throw asGrpcError(error)
  }
}

function asGrpcError(error: unknown): unknown {
  if (error instanceof Refusal) return new GrpcError(error.status, error.message)
  const text = error instanceof Error ? error.message : String(error)
  if (isCode(error, 'INVALID_INPUT')) return new GrpcError(STATUS.invalidArgument, `bedplate: ${text}`)
  if (isCode(error, 'DISK_FULL')) {
    const { status, message } = refusal('noSpace')
    return new GrpcError(status, message)
  }
  if (isCode(error, 'CORRUPTION')) return new GrpcError(STATUS.dataLoss, `bedplate: ${text}`)
  if (isCode(error, 'IO')) return new GrpcError(STATUS.unavailable, `bedplate: ${text}`)
  return error
}

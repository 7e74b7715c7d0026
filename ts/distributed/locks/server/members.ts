// The service Cluster: who belongs to it.
import {
  Empty,
  MemberAddRequest,
  MemberAddResponse,
  MemberIdRequest,
  MemberListResponse,
  MemberUpdateRequest,
} from '../../../wire/etcd/messages.ts'
import { Refusal, STATUS } from '../errors.ts'
import type { Members, MemberView } from '../serving.ts'
import { type Caller, headerFor, type Methods, type ServiceContext, unary } from './service.ts'

/** The methods of etcdserverpb.Cluster. */
export function memberMethods(context: ServiceContext): Methods {
  const { node } = context
  /** For a change by somebody who may. @throws Refusal */
  const toChange = (name: string, { user }: Caller): Members => {
    node.state.users.requireRoot(user)
    if (node.members !== undefined) return node.members
    throw new Refusal(STATUS.unimplemented, `bedplate: ${name} is not supported: this lock service has one member`)
  }
  const list = async (): Promise<readonly MemberView[]> => {
    if (node.members !== undefined) return node.members.list()
    const urls = [context.clientUrl()]
    return [{ id: node.identity.memberId, name: 'default', peerUrls: urls, clientUrls: urls, isLearner: false }]
  }
  const answer = async () => ({ header: headerFor(context), members: await list() })
  const pathOf = (name: string): string => `/etcdserverpb.Cluster/${name}`
  return [
    unary(context, pathOf('MemberList'), { request: Empty, response: MemberListResponse }, answer),
    unary(
      context,
      pathOf('MemberAdd'),
      { request: MemberAddRequest, response: MemberAddResponse },
      async ({ peerUrls, isLearner }, caller) => {
        const member = await toChange('MemberAdd', caller).add(peerUrls, isLearner)
        return { ...(await answer()), member }
      },
    ),
    unary(
      context,
      pathOf('MemberRemove'),
      { request: MemberIdRequest, response: MemberListResponse },
      async ({ id }, caller) => {
        await toChange('MemberRemove', caller).remove(id)
        return answer()
      },
    ),
    unary(
      context,
      pathOf('MemberUpdate'),
      { request: MemberUpdateRequest, response: MemberListResponse },
      async ({ id, peerUrls }, caller) => {
        await toChange('MemberUpdate', caller).update(id, peerUrls)
        return answer()
      },
    ),
    unary(
      context,
      pathOf('MemberPromote'),
      { request: MemberIdRequest, response: MemberListResponse },
      async ({ id }, caller) => {
        await toChange('MemberPromote', caller).promote(id)
        return answer()
      },
    ),
  ]
}

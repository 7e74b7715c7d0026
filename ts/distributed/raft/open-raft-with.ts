// Options as users give them, checked.
import { BedplateError } from '../../base/errors.ts'
import { checkOptions, describe } from '../../base/options.ts'
import { type Address, isAddress } from '../../io/network.ts'
import { checkSecretText } from '../link/index.ts'
import type { Addresses, OpenRaftOptions, RaftHost } from './door.ts'
import { type HostOptions, type HostSeams, openHost } from './host.ts'
import { MAX_CLUSTER_ID_BYTES } from './identity.ts'
import { isUsable } from './membership.ts'
import type { NodeId } from './types.ts'

const TYPES = {
  id: 'number',
  members: 'any',
  clusterId: 'string',
  create: 'boolean',
  listen: 'any',
  tls: 'any',
  secret: 'string',
  onTrouble: 'function',
  basePort: 'number',
} as const

/** What `openRaft` does, in any outside world, or with a port that is shared. */
export async function openRaftWith(seams: HostSeams, path: string, options: OpenRaftOptions): Promise<RaftHost> {
  return openHost(seams, checkedOptions(path, options))
}

function checkedOptions(path: string, options: OpenRaftOptions): HostOptions {
  if (typeof path !== 'string' || path === '' || path.includes('\0')) {
    throw refusal(`path must be the name of a directory, got ${describe(path)}`)
  }
  checkOptions(options, TYPES, 'openRaft')
  const { id, clusterId = 'default', create = false, basePort = 0, tls, secret = '', onTrouble } = options
  const members = addressesOf(options.members)
  if (!isUsable([id], [])) throw refusal(`id must be a whole number >= 1, got ${describe(id)}`)
  const nameBytes = Buffer.byteLength(clusterId)
  if (nameBytes === 0 || nameBytes > MAX_CLUSTER_ID_BYTES) {
    throw refusal(`clusterId must have 1 to ${MAX_CLUSTER_ID_BYTES} bytes, got ${nameBytes}`)
  }
  if (!Number.isInteger(basePort) || basePort < 0) throw refusal(`basePort must be a whole number, got ${basePort}`)
  const listen = options.listen ?? members.get(id)
  if (listen === undefined) {
    throw refusal(`node ${id} is none of the founding members, so it must be told where to listen`)
  }
  checkAddress('listen', listen)
  if (secret !== '') checkSecretText('openRaft', secret)
  const identity = { clusterId, node: id, members: [...members.keys()] }
  return { path, create, identity, members, listen, basePort, tls, secret, onTrouble }
}

function addressesOf(given: unknown): Addresses {
  if (typeof given !== 'object' || given === null) throw refusal(`members must be an object, got ${describe(given)}`)
  const members = new Map<NodeId, Address>()
  for (const [key, address] of Object.entries(given)) {
    checkAddress(`members[${key}]`, address)
    members.set(Number(key), address)
  }
  if (!isUsable([...members.keys()], [])) {
    throw refusal(`members must have 1 to 32 node ids, whole numbers >= 1, got ${[...members.keys()]}`)
  }
  return members
}

function checkAddress(what: string, address: unknown): asserts address is Address {
  if (!isAddress(address)) throw refusal(`${what} must be an address { host, port }, got ${describe(address)}`)
}

function refusal(what: string): BedplateError {
  return new BedplateError('INVALID_INPUT', `openRaft: ${what}`)
}

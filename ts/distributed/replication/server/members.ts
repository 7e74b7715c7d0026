// Who is in the cluster, and how nodes come and go. A node that comes receives the log first and votes once it has it, so that a
// wrong address, or much to copy, holds up nothing.
import { BedplateError, isCode } from '../../../base/errors.ts'
import { showAddress } from '../../../io/network.ts'
import { type NodeId, RaftError, type RaftGroup, type RaftHost } from '../../raft/index.ts'
import { encodeMember, type MemberRecord } from './command.ts'
import type { JoinRequest } from './joining.ts'
import type { KvMachine } from './machine.ts'
import type { MemberView } from './types.ts'

/** A node that cannot vote yet is looked at again, rather than waited for. */
const PROMOTE_MS = 3000
const CHANGE_MS = 5000

/** The members of a cluster, on one of them. */
export class Members {
  readonly #host: RaftHost
  readonly #group: RaftGroup
  readonly #machine: KvMachine
  #isPromoting = false

  constructor(host: RaftHost, group: RaftGroup, machine: KvMachine) {
    this.#host = host
    this.#group = group
    this.#machine = machine
  }

  list(): MemberView[] {
    const { membership, leader } = this.#group.status
    const { voters, outgoing, learners } = membership
    const ids = [...new Set([...voters, ...outgoing, ...learners])].sort((a, b) => a - b)
    return ids.map((id) => {
      const address = this.#host.addresses.get(id)
      const shown = address === undefined ? '' : showAddress(address)
      return { id, address: shown, isVoter: voters.includes(id), isLeader: id === leader }
    })
  }

  /** Lets a node in. @throws CONFLICT if its id or its address is another one's; UNAVAILABLE */
  async admit({ id, joinId, address }: JoinRequest): Promise<void> {
    const { voters, learners } = await this.#settled()
    const members = [...voters, ...learners]
    const record = await this.#recorded({ id, joinId, hasLeft: false })
    if (record.joinId !== joinId) throw taken(id, `node ${id} is known with another directory`)
    if (record.hasLeft) throw taken(id, `node ${id} was removed from this cluster`)
    if (members.includes(id)) {
      await this.#group.announce(new Map([[id, address]]), { timeoutMs: CHANGE_MS })
      return
    }
    const neighbour = members.find((other) => {
      const known = this.#host.addresses.get(other)
      return known !== undefined && showAddress(known) === showAddress(address)
    })
    if (neighbour !== undefined) {
      throw new BedplateError('CONFLICT', `node ${neighbour} is at ${showAddress(address)} already`, {
        hint: 'each node has a --port of its own, and an --advertise of its own where there is one',
      })
    }
    const addresses = new Map([[id, address]])
    await this.#group.changeMembership({ voters, learners: [...learners, id], addresses }, { timeoutMs: CHANGE_MS })
  }

  /** Lets a node go, for good. @throws NOT_FOUND, INVALID_INPUT for the last one, UNAVAILABLE */
  async remove(id: NodeId): Promise<void> {
    const { voters, learners } = await this.#settled()
    if (![...voters, ...learners].includes(id)) {
      throw new BedplateError('NOT_FOUND', `node ${id} is no member`, { hint: 'GET /members lists them' })
    }
    const others = (ids: readonly NodeId[]): NodeId[] => ids.filter((each) => each !== id)
    if (others(voters).length === 0) {
      throw new BedplateError('INVALID_INPUT', `node ${id} is the last one that votes`, { hint: 'stop it instead' })
    }
    const joinId = this.#machine.members.get(id)?.joinId ?? ''
    await this.#recorded({ id, joinId, hasLeft: true })
    await this.#group.changeMembership({ voters: others(voters), learners: others(learners) }, { timeoutMs: CHANGE_MS })
  }

  /** On the leader, now and then: lets a node vote that receives the log and has connected. One at a time. */
  tend(): void {
    const { role, membership } = this.#group.status
    if (role !== 'leader' || this.#isPromoting || membership.outgoing.length > 0) return
    const { voters, learners } = membership
    const next = learners.find((id) => this.#host.connected.includes(id))
    if (next === undefined) return
    this.#isPromoting = true
    const change = { voters: [...voters, next], learners: learners.filter((id) => id !== next) }
    this.#group
      .changeMembership(change, { timeoutMs: PROMOTE_MS })
      .catch(() => {}) // it is tried again
      .finally(() => {
        this.#isPromoting = false
      })
  }

  /** The membership as of now, between two changes. */
  async #settled() {
    const { membership } = await this.#group.read(() => this.#group.status)
    if (membership.outgoing.length === 0) return membership
    throw new BedplateError('UNAVAILABLE', 'the members are just changing', { hint: 'try again' })
  }

  /** Has a record kept unless there is one of another directory. @returns The one that counts */
  async #recorded(record: MemberRecord): Promise<MemberRecord> {
    const known = await this.#group.read(() => this.#machine.members.get(record.id))
    if (known !== undefined && (known.joinId !== record.joinId || known.hasLeft || !record.hasLeft)) return known
    await this.#group.propose(encodeMember(record), { timeoutMs: CHANGE_MS })
    return (await this.#group.read(() => this.#machine.members.get(record.id))) ?? record
  }
}

/** Whether a node that asks to be let in should ask again. */
export function isPassing(error: unknown): boolean {
  return error instanceof RaftError ? error.retryable : isCode(error, 'UNAVAILABLE')
}

function taken(id: NodeId, message: string): BedplateError {
  return new BedplateError('CONFLICT', message, {
    hint: `start this one with an id that was never used, and an empty directory; node ${id} starts with its own alone`,
  })
}

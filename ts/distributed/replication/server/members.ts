// Who is in the cluster, and how nodes come and go. A node that comes receives the log first and votes once it has it, so that a
// wrong address, or much to copy, holds up nothing.
import { BedplateError, isCode } from '../../../base/errors.ts'
import { type Address, showAddress } from '../../../io/network.ts'
import {
  type MembershipChange,
  type NodeId,
  RaftError,
  type RaftGroup,
  type RaftHost,
  type SettledMembership,
} from '../../raft/index.ts'
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
    const record = await this.#recorded({ id, joinId, hasLeft: false })
    if (record.joinId !== joinId) throw taken(id, `node ${id} is known with another directory`)
    if (record.hasLeft) throw taken(id, `node ${id} was removed from this cluster`)
    const addresses = new Map([[id, address]])
    if (hasMember(await this.#membership(), id)) {
      await this.#group.announce(addresses, { timeoutMs: CHANGE_MS })
      return
    }
    await this.#revise((now) => {
      if (hasMember(now, id)) return now // the node has asked another member as well
      this.#refuseNeighbour(now, address)
      return { voters: now.voters, learners: [...now.learners, id], addresses }
    })
  }

  /** Lets a node go, for good. @throws NOT_FOUND, INVALID_INPUT for the last one, UNAVAILABLE */
  async remove(id: NodeId): Promise<void> {
    const without = (now: SettledMembership): SettledMembership => {
      const others = (ids: readonly NodeId[]): NodeId[] => ids.filter((each) => each !== id)
      if (others(now.voters).length > 0) return { voters: others(now.voters), learners: others(now.learners) }
      throw new BedplateError('INVALID_INPUT', `node ${id} is the last one that votes`, { hint: 'stop it instead' })
    }
    const now = await this.#membership()
    if (!hasMember(now, id)) {
      throw new BedplateError('NOT_FOUND', `node ${id} is no member`, { hint: 'GET /members lists them' })
    }
    without(now)
    const joinId = this.#machine.members.get(id)?.joinId ?? ''
    await this.#recorded({ id, joinId, hasLeft: true })
    await this.#revise(without)
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
      .changeMembership({ ...change, replaces: { voters, learners } }, { timeoutMs: PROMOTE_MS })
      .catch(() => {}) // it is tried again
      .finally(() => {
        this.#isPromoting = false
      })
  }

  /** As of now. */
  #membership(): Promise<SettledMembership> {
    return this.#group.read(() => this.#group.status.membership)
  }

  /** Others may change the membership through other nodes at this moment. */
  async #revise(revise: (now: SettledMembership) => MembershipChange): Promise<void> {
    await this.#group.reviseMembership(revise, { timeoutMs: CHANGE_MS })
  }

  #refuseNeighbour({ voters, learners }: SettledMembership, address: Address): void {
    const neighbour = [...voters, ...learners].find((other) => {
      const known = this.#host.addresses.get(other)
      return known !== undefined && showAddress(known) === showAddress(address)
    })
    if (neighbour === undefined) return
    throw new BedplateError('CONFLICT', `node ${neighbour} is at ${showAddress(address)} already`, {
      hint: 'each node has a --port of its own, and an --advertise of its own where there is one',
    })
  }

  /** Has a record kept unless there is one of another directory. @returns The one that counts */
  async #recorded(record: MemberRecord): Promise<MemberRecord> {
    const known = await this.#group.read(() => this.#machine.members.get(record.id))
    if (known !== undefined && (known.joinId !== record.joinId || known.hasLeft || !record.hasLeft)) return known
    await this.#group.propose(encodeMember(record), { timeoutMs: CHANGE_MS })
    return (await this.#group.read(() => this.#machine.members.get(record.id))) ?? record
  }
}

function hasMember({ voters, learners }: SettledMembership, id: NodeId): boolean {
  return voters.includes(id) || learners.includes(id)
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

// The service Cluster of etcd, on Raft's membership. A member's id is that of its node of Raft, and so is never used again.
//
// etcd lets a member that is added vote at once, before it is there: if it never comes, a majority is harder to find from then on.
// Here it is a learner until it has the log, and votes then; so a wrong address does no harm. Who is to vote stands in the state,
// and the leader sees to it.
import { BedplateError } from '../../../base/errors.ts'
import { type Address, parseAddress, showAddress } from '../../../io/network.ts'
import type { Membership, MembershipChange, RaftGroup, RaftHost, SettledMembership } from '../../raft/index.ts'
import type { Command, MemberRecord } from '../command.ts'
import { isRefusal, Refusal, refusal } from '../errors.ts'
import type { Members, MemberView } from '../serving.ts'
import { asRefusal } from './refusals.ts'

/** What it works on. */
export interface GroupMembersOptions {
  readonly host: RaftHost
  readonly group: RaftGroup
  /** How members are reached by each other. */
  readonly scheme: 'http' | 'https'
  readonly records: () => ReadonlyMap<bigint, MemberRecord>
  readonly execute: (command: Command) => Promise<unknown>
}

/** A learner that cannot vote yet is told so, rather than that time is up. */
const PROMOTE_MS = 3000
const CHANGE_MS = 5000
const TRANSFER_MS = 5000
/** So many members may be added at once, as far as their ids go. */
const CLAIM_ATTEMPTS = 32

/** The members of a group. */
export class GroupMembers implements Members {
  readonly #options: GroupMembersOptions
  #isPromoting = false
  #lastPromoted = 0

  constructor(options: GroupMembersOptions) {
    this.#options = options
  }

  async list(): Promise<readonly MemberView[]> {
    const { voters, outgoing, learners } = this.#options.group.status.membership
    const all = [...new Set([...voters, ...outgoing, ...learners])].sort((a, b) => a - b)
    return all.map((id) => this.#view(id, learners.includes(id)))
  }

  async add(peerUrls: readonly string[], isLearner: boolean): Promise<MemberView> {
    const { host } = this.#options
    const address = addressIn(peerUrls)
    const membership = await this.#membership()
    const known = [...host.addresses]
    const members = [...membership.voters, ...membership.learners]
    if (known.some(([id, each]) => members.includes(id) && showAddress(each) === showAddress(address))) {
      throw refusal('peerUrlExists')
    }
    const id = await this.#claimId([...members, ...known.map(([each]) => each)], !isLearner)
    await this.#refusing(this.#options.group.announce(new Map([[id, address]])))
    await this.#revise(({ voters, learners }) => ({ voters, learners: [...learners, id] }))
    return this.#view(id, true)
  }

  /** An id that nobody has or had; others may be adding members through other members at this moment. */
  async #claimId(taken: readonly number[], wantsVote: boolean): Promise<number> {
    for (let attempt = 1; ; attempt++) {
      const id = Math.max(...taken, ...this.#recordedIds()) + 1
      try {
        await this.#execute({ newMember: { id: BigInt(id), name: '', clientUrls: [], wantsVote } })
        return id
      } catch (error) {
        if (!isRefusal(error, 'memberExists') || attempt === CLAIM_ATTEMPTS) throw error
      }
      await this.#membership() // the record of the other one is here then
    }
  }

  async remove(id: bigint): Promise<void> {
    await this.#revise((now) => {
      mustHave(now, id)
      const others = (ids: readonly number[]): number[] => ids.filter((each) => BigInt(each) !== id)
      return { voters: others(now.voters), learners: others(now.learners) }
    })
  }

  async update(id: bigint, peerUrls: readonly string[]): Promise<void> {
    const address = addressIn(peerUrls)
    mustHave(await this.#membership(), id)
    await this.#refusing(this.#options.group.announce(new Map([[Number(id), address]])))
  }

  async promote(id: bigint): Promise<void> {
    await this.#revise((now) => {
      mustHave(now, id)
      if (!now.learners.includes(Number(id))) throw refusal('notLearner')
      const learners = now.learners.filter((each) => BigInt(each) !== id)
      return { voters: [...now.voters, Number(id)], learners }
    }, PROMOTE_MS)
  }

  async moveLeader(to: bigint): Promise<void> {
    const { group } = this.#options
    const { role, membership } = group.status
    if (role !== 'leader') throw refusal('notLeader')
    if (!membership.voters.includes(Number(to))) throw refusal('badTransferee')
    await this.#refusing(group.transfer(Number(to), { timeoutMs: TRANSFER_MS }))
  }

  /** On the leader, now and then: lets those vote who are to, and who have connected. One at a time. */
  promoteThoseWho(report: (id: number) => void): void {
    const { host, group } = this.#options
    const { role, membership } = group.status
    if (role !== 'leader' || this.#isPromoting || membership.outgoing.length > 0) return
    const all = membership.learners.filter(
      (id) => this.#options.records().get(BigInt(id))?.wantsVote === true && host.connected.includes(id),
    )
    // In turn: one that does not come along must not hold up the others.
    const next = all.find((id) => id > this.#lastPromoted) ?? all[0]
    if (next === undefined) return
    this.#isPromoting = true
    this.#lastPromoted = next
    this.promote(BigInt(next))
      .then(() => report(next))
      .catch(() => {}) // it is tried again
      .finally(() => {
        this.#isPromoting = false
      })
  }

  #view(id: number, isLearner: boolean): MemberView {
    const { host, scheme } = this.#options
    const record = this.#options.records().get(BigInt(id))
    const address = host.addresses.get(id)
    return {
      id: BigInt(id),
      name: record?.name ?? '',
      peerUrls: address === undefined ? [] : [`${scheme}://${showAddress(address)}`],
      clientUrls: record?.clientUrls ?? [],
      isLearner,
    }
  }

  /** As of now, wherever that is asked. */
  async #membership(): Promise<Membership> {
    const { group } = this.#options
    return this.#refusing(group.read(() => group.status.membership))
  }

  #recordedIds(): number[] {
    return [...this.#options.records().keys()].map(Number)
  }

  /** Others may change the membership through other members at this moment. */
  async #revise(revise: (now: SettledMembership) => MembershipChange, timeoutMs = CHANGE_MS): Promise<void> {
    await this.#refusing(this.#options.group.reviseMembership(revise, { timeoutMs }))
  }

  async #execute(command: Command): Promise<void> {
    await this.#options.execute(command)
  }

  async #refusing<T>(request: Promise<T>): Promise<T> {
    return request.catch((error: unknown) => {
      throw asRefusal(error)
    })
  }
}

/** @throws Refusal */
function mustHave({ voters, learners }: SettledMembership, id: bigint): void {
  if (![...voters, ...learners].some((each) => BigInt(each) === id)) throw refusal('memberNotFound')
}

/** Where a member is reached: one URL, of which host and port count. @throws Refusal */
function addressIn(urls: readonly string[]): Address {
  const [url = ''] = urls
  const text = /^https?:\/\/([^/]+)\/?$/.exec(url)?.[1]
  if (urls.length !== 1 || text === undefined) throw refusal('badPeerUrls')
  try {
    const address = parseAddress(text)
    if (address.port >= 1) return address
  } catch (error) {
    if (!(error instanceof BedplateError) && !(error instanceof Refusal)) throw error
  }
  throw refusal('badPeerUrls')
}

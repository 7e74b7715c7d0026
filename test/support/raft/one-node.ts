// One node that gets events by hand: node 1 of three.
import { assert } from '../../../ts/base/errors.ts'
import {
  type Effect,
  type Entry,
  type Event,
  type Message,
  RaftNode,
  type RaftOptions,
  type RaftStart,
} from '../../../ts/distributed/raft/index.ts'

export const EMPTY = Uint8Array.of()

export function command(index: number, term: number): Entry {
  return { kind: 'command', index, term, command: Uint8Array.of(index, term) }
}

/** Node 1 of the voters 1, 2, 3. */
export function nodeWith(start: Partial<RaftStart> = {}, options: Partial<RaftOptions> = {}): RaftNode {
  return new RaftNode(
    { id: 1, random: { next: () => 0, bytes: () => EMPTY }, ...options },
    {
      hardState: { term: 0, votedFor: undefined },
      snapshot: undefined,
      entries: [],
      membership: { voters: [1, 2, 3], outgoing: [], learners: [] },
      nowTick: 0,
      ...start,
    },
  )
}

/** A node that gets messages, and says what it wants done. */
export function play(node: RaftNode, now = 0) {
  const step = (event: Event): Effect[] => node.step(event, now)
  const from = (id: number, message: Message): Effect[] => step({ kind: 'message', from: id, message })
  return { step, from }
}

export function only<K extends Effect['kind']>(effects: readonly Effect[], kind: K): Extract<Effect, { kind: K }>[] {
  return effects.filter((effect): effect is Extract<Effect, { kind: K }> => effect.kind === kind)
}

export const request = (term: number, lastIndex: number, lastTerm: number): Message => {
  return { kind: 'requestVote', term, isPre: false, lastIndex, lastTerm, isTransfer: false }
}
export const append = (term: number, prevIndex: number, prevTerm: number, entries: Entry[], commit = 0): Message => {
  return { kind: 'append', term, prevIndex, prevTerm, entries, commit }
}

/** Lets node 1 become leader of `term`, its own entry durable. */
export function elect(node: RaftNode, term: number): void {
  node.step({ kind: 'tick' }, 20)
  node.step({ kind: 'message', from: 2, message: { kind: 'vote', term, isPre: true, granted: true } }, 20)
  node.step({ kind: 'persisted', write: 1 }, 20)
  node.step({ kind: 'message', from: 2, message: { kind: 'vote', term, isPre: false, granted: true } }, 20)
  node.step({ kind: 'persisted', write: 2 }, 20)
}

/** Node 1 as leader of term 1, its own entry committed. */
export function leader(options: Partial<RaftOptions> = {}): RaftNode {
  const node = nodeWith({}, options)
  elect(node, 1)
  for (const from of [2, 3]) node.step({ kind: 'message', from, message: { kind: 'appended', term: 1, match: 1 } }, 20)
  assert(node.status.role === 'leader' && node.status.commitIndex === 1, 'node 1 leads')
  return node
}

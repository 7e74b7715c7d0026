import { describe, expect, it } from 'vitest'
import { type Story, tell } from '../../../ts/cli/raft/story.ts'

/** The nodes at the end, by id. */
function endOf({ steps }: Story) {
  const nodes = new Map(steps.flatMap((step) => step.nodes).map((node) => [node.id, node]))
  return [...nodes.values()].sort((a, b) => a.id - b.id)
}

describe('a story of Raft', () => {
  it('of an election is that of docs/learn/raft.md: the same seed, the same words at the same times', () => {
    const story = tell('election', 1)
    const lines = story.steps.map(({ atMs, from, to, text }) => `${atMs.toFixed(1)} ${from ?? ''}>${to ?? ''} ${text}`)
    expect(lines).toEqual(
      expect.arrayContaining([
        '110.0 > 1 is preCandidate in term 0',
        '110.5 1>3 would you vote for me in term 1? my log ends at 0, term 0',
        '113.4 2>1 yes',
        '113.4 > 1 is leader in term 1',
        '313.4 > -- node 1, the leader, crashes',
        '413.8 > 2 is leader in term 2',
      ]),
    )
    expect(endOf(story)).toMatchObject([
      { state: 'down', term: 1, terms: [1] },
      { state: 'running', role: 'leader', term: 2, terms: [1, 2], commit: 2 },
      { state: 'running', role: 'follower', term: 2, terms: [1, 2], commit: 2 },
    ])
  })

  it('of figure 8 commits two entries at one index only without the rule', () => {
    const committed = (story: Story): Set<number | undefined> =>
      new Set(endOf(story).flatMap(({ commit, terms, state }) => (commit >= 2 && state !== 'down' ? [terms[1]] : [])))
    expect(committed(tell('figure8', 0))).toEqual(new Set([3]))
    expect(committed(tell('figure8-without-rule', 0))).toEqual(new Set([2, 3]))
  })

  it('of faults is the same for the same seed, has faults in it, and comes to rest', () => {
    expect(tell('faults', 7)).toEqual(tell('faults', 7))
    expect(tell('faults', 8).steps).not.toEqual(tell('faults', 7).steps)
    for (const seed of [0, 1, 2, 3]) {
      const story = tell('faults', seed)
      const { steps } = story
      expect(steps.length, `seed ${seed}`).toBeGreaterThan(100)
      expect(steps.length).toBeLessThan(2000)
      expect(steps.some(({ text }) => text.startsWith('-- all faults end'))).toBe(true)
      const end = endOf(story)
      expect(end.map(({ state }) => state)).toEqual(Array.from({ length: 5 }, () => 'running'))
      expect(end.filter(({ role }) => role === 'leader').length).toBe(1)
      expect(new Set(end.map(({ terms }) => terms.join(' '))).size).toBe(1)
    }
  })

  it.each([-1, 0.5, 2 ** 32, Number.NaN])('refuses the seed %s', (seed) => {
    expect(() => tell('faults', seed)).toThrow('a seed is a whole number from 0 to 4294967295')
  })
})

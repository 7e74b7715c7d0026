// Debian's etcdctl 3.4 on a cluster of ours: members come, vote, lead and go by its words.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { LocksCluster, pause } from '../support/locks-cluster.ts'
import { requirePrograms } from './prerequisites.ts'

requirePrograms('etcdctl')

let cluster: LocksCluster

beforeAll(async () => {
  cluster = await LocksCluster.start(3)
})

afterAll(async () => {
  await cluster[Symbol.asyncDispose]()
})

/** What etcdctl prints, on both of its outputs. */
async function etcdctl(line: string, endpoints: readonly string[] = cluster.addresses): Promise<string> {
  const args = [`--endpoints=${endpoints.join(',')}`, ...line.split(' ')]
  const { stdout, stderr } = await promisify(execFile)('etcdctl', args, {
    env: { ...process.env, ETCDCTL_API: '3' },
  }).catch((failed: { stdout: string; stderr: string }) => failed)
  return stdout + stderr
}

/** Ids and whether each is a learner. */
async function members(): Promise<string[]> {
  const lines = (await etcdctl('member list')).trim().split('\n')
  return lines.map((line) => {
    const parts = line.split(', ')
    return `${parts[0]} ${parts[1]} ${parts.at(-1) === 'true' ? 'learner' : 'voter'}`
  })
}

describe('etcdctl on a cluster', () => {
  it('sees one service behind all endpoints', async () => {
    const [one, two] = cluster.addresses
    expect(await etcdctl('put k v', [one!])).toBe('OK\n')
    expect(await etcdctl('get k', [two!])).toBe('k\nv\n')
    expect(await etcdctl('get k --consistency=s', [one!])).toBe('k\nv\n')
    expect((await etcdctl('endpoint health')).match(/is healthy/g)).toHaveLength(3)
    const statuses = JSON.parse((await etcdctl('endpoint status -w json')).trim()) as {
      Status: { leader: number; header: { cluster_id: number } }
    }[]
    expect(new Set(statuses.map(({ Status }) => Status.leader)).size).toBe(1)
    expect(new Set(statuses.map(({ Status }) => Status.header.cluster_id)).size).toBe(1)
  })

  it('moves the leadership', async () => {
    const leader = await cluster.leader()
    const [heir] = [...cluster.members.keys()].filter((id) => id !== leader.id)
    expect(await etcdctl(`move-leader ${heir}`)).toContain(`Leadership transferred from ${leader.id} to ${heir}`)
    while ((await cluster.leader()).id !== heir) await pause()
  })

  it('adds a learner, lets it vote, and removes it', async () => {
    const { host, port } = cluster.peer(4)
    expect(await etcdctl(`member add four --learner --peer-urls=http://${host}:${port}`)).toContain('added to cluster')
    expect(await members()).toContain('4 unstarted learner')
    await cluster.open(4)
    while (!(await members()).includes('4 started learner')) await pause()
    while (!(await etcdctl('member promote 4')).includes('promoted in cluster')) await pause()
    expect(await members()).toContain('4 started voter')
    expect(await etcdctl('member promote 4')).toContain('can only promote a learner member')
    expect(await etcdctl('member remove 4')).toContain('removed from cluster')
    await cluster.stop(4)
    expect(await members()).toHaveLength(3)
    expect(await etcdctl('member remove 4')).toContain('etcdserver: member not found')
  })

  it('holds a lock through one member that another one knows of', async () => {
    const [one, two] = cluster.addresses
    expect(await etcdctl('lock mine --ttl=5 echo under', [one!])).toBe('under\n')
    expect(await etcdctl('lock mine --ttl=5 echo again', [two!])).toBe('again\n')
  })
})

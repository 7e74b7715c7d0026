// INFO and ROLE of a replica, in Redis's words where it has one for the thing.
import { type Address, showAddress } from '../../../../io/network.ts'
import type { ReplyWriter } from '../../../../wire/resp/index.ts'
import type { Replica } from '../replica.ts'

/** @param section - `server`, `clients`, `replication` or `keyspace`; anything else, and nothing, is all of them. */
export function infoText(replica: Replica, clients: number, section?: string): string {
  const { status, host } = replica
  const { role, term, leader, mode, lastIndex, readableIndex } = status
  const followers = [...status.followers].map(([id, { entries }], i) => {
    return `slave${i}:id=${id},${placeOf(host.addresses.get(id))},state=online,offset=${lastIndex - entries},lag=${entries}`
  })
  // A map: an object has members that nobody put there, such as `constructor`.
  const sections: ReadonlyMap<string, readonly string[]> = new Map([
    ['server', ['redis_mode:standalone', `bedplate_node:${replica.id}`, `bedplate_cluster:${replica.cluster.cluster}`]],
    ['clients', [`connected_clients:${clients}`]],
    [
      'replication',
      [
        `role:${role === 'leader' ? 'master' : 'slave'}`,
        `bedplate_mode:${mode}`,
        `bedplate_leader:${leader ?? 0}`,
        `bedplate_term:${term}`,
        `connected_slaves:${followers.length}`,
        ...followers,
        `master_repl_offset:${lastIndex}`,
        `slave_repl_offset:${readableIndex}`,
      ],
    ],
    ['keyspace', replica.keyCount > 0 ? [`db0:keys=${replica.keyCount},expires=0,avg_ttl=0`] : []],
  ])
  const asked = section?.toLowerCase() ?? ''
  const wanted = sections.get(asked)
  const shown = wanted === undefined ? [...sections] : [[asked, wanted] as const]
  return shown
    .map(
      ([name, lines]) =>
        `# ${name.charAt(0).toUpperCase()}${name.slice(1)}\r\n${lines.map((line) => `${line}\r\n`).join('')}`,
    )
    .join('\r\n')
}

/** `master`, offset, followers with their offsets; or `slave`, where its leader is, its state, its offset. */
export function writeRole({ status, host }: Replica, reply: ReplyWriter): void {
  const { role, leader, lastIndex, readableIndex } = status
  if (role === 'leader') {
    reply.array(3)
    reply.bulk('master')
    reply.integer(lastIndex)
    reply.array(status.followers.size)
    for (const [id, { entries }] of status.followers) {
      const { host: name, port } = host.addresses.get(id) ?? { host: '', port: 0 }
      reply.bulks([name, String(port), String(lastIndex - entries)])
    }
    return
  }
  const { host: name, port } = host.addresses.get(leader ?? 0) ?? { host: '', port: 0 }
  reply.array(5)
  reply.bulk('slave')
  reply.bulk(name)
  reply.integer(port)
  reply.bulk(leader === undefined ? 'connect' : 'connected')
  reply.integer(readableIndex)
}

function placeOf(address: Address | undefined): string {
  return address === undefined ? 'addr=?' : `addr=${showAddress(address)}`
}

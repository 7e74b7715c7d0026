import type { ClientView } from '../commands/server-door.ts'
import type { Replication } from '../replication/replication.ts'

/** The connection to the master as CLIENT LIST shows it; none where there is none. */
export function masterViews({ link, voice }: Replication): readonly ClientView[] {
  const connection = link?.state === 'connected' ? link.connection : undefined
  if (connection === undefined) return []
  const { remote, local } = connection
  const line = `id=${voice.id} addr=${remote} laddr=${local} fd=-1 name= age=0 idle=0 flags=M db=${voice.database} user=`
  return [{ session: voice, type: 'master', address: remote, localAddress: local, line }]
}

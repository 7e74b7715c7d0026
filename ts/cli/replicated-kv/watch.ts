// What the console shows of a replicated store beside what it shows of any Raft: commands in words, offsets and lag.
import { decodeCommand } from '../../distributed/replication/server/command.ts'
import type { Write } from '../../distributed/replication/server/write-list.ts'
import { shorten, toLine } from '../kit/text.ts'
import type { NodeReport, Watch, WatchOptions } from '../raft/watch.ts'

/** What `inspect` of a node says, as far as it is used here. */
export interface ReplicatedReport extends NodeReport {
  readonly mode: string
  readonly committed: number
  readonly offset: number
  readonly lag: unknown
  readonly followers: unknown
  readonly keys: number
}

export type ReplicatedWatch = Watch<ReplicatedReport>

export const REPLICATED_WATCH: WatchOptions<ReplicatedReport> = {
  commandWords,
  viewOf: (report) => {
    const { mode = null, committed = 0, offset = 0, lag = null, followers = [], keys = 0 } = report ?? {}
    return { mode, commit: committed, offset, lag, followers, keys }
  },
}

/** Of a value, and of a key. */
const SHOWN_BYTES = 40
/** The first byte of a command in the log says that it is one of the store, and no address of a node. */
const OF_STORE = 0

function commandWords(command: Uint8Array): string {
  if (command[0] !== OF_STORE) return 'an address'
  try {
    const known = decodeCommand(command.subarray(1))
    if (known.kind === 'member') return `node ${known.member.id} ${known.member.hasLeft ? 'leaves' : 'comes'}`
    const [first] = known.writes
    if (known.writes.count !== 1 || first === undefined) return `${known.writes.count} writes`
    return writeWords(first)
  } catch {
    return 'a command' // of another version, or not whole
  }
}

function writeWords({ key, value }: Write): string {
  return value === undefined ? `delete ${shown(key)}` : `${shown(key)} = ${shown(value)}`
}

function shown(bytes: Uint8Array): string {
  return shorten(toLine(bytes.subarray(0, SHOWN_BYTES)), SHOWN_BYTES / 2)
}

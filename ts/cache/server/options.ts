import type { Clock } from '../../io/clock.ts'
import type { Address, Network, TlsFiles } from '../../io/network.ts'
import type { Random } from '../../io/random.ts'
import type { Logger } from '../../service/index.ts'
import type { ClusterOptions } from '../cluster/member.ts'
import type { DebugAccess } from '../commands/debug-door.ts'
import type { ReplicationOptions } from '../replication/replication.ts'
import type { ReplicationSettings } from '../replication/types.ts'
import type { CpuSeconds } from './info.ts'
import type { MemoryOptions } from './memory-settings.ts'
import type { PersistenceOptions, PersistenceSettings } from './persistence.ts'
import type { UserOptions } from './user-file.ts'

/** What a cache server is given. */
export interface CacheServerOptions extends Address {
  readonly network: Network
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly tls?: TlsFiles | undefined
  /** What clients have to give with AUTH; '' for nothing. */
  readonly password: string
  /** Users beside the default one, and where they are kept. */
  readonly users?: UserOptions | undefined
  readonly maxClients: number
  readonly databases: number
  /** Bytes of the heap in use, for INFO. */
  readonly memoryBytes: () => number
  /** Seconds of processor time that the process has used, for INFO; zero unless given. */
  readonly cpuSeconds?: () => CpuSeconds
  /** How it replicates; `master` is whom it follows from the start, `tls` how it connects to a master that speaks TLS. */
  readonly replication?: Partial<ReplicationSettings> & Partial<Pick<ReplicationOptions, 'master' | 'tls' | 'mutant'>>
  /** Makes this server a node of a cluster. */
  readonly cluster?: ClusterOptions | undefined
  /** Who may send DEBUG; nobody unless given. */
  readonly debugCommands?: DebugAccess | undefined
  /** How much the keyspace may take; without, as much as there is. */
  readonly memory?: MemoryOptions
  /** Asked before each command of a client: a text is its reply, an error, and the command is not run. For tests of what fails. */
  readonly intercept?: ((args: readonly string[]) => string | undefined) | undefined
  /** Where data is kept; undefined keeps none. */
  readonly persistence?: Pick<PersistenceOptions, 'disk' | 'mutant'> & { readonly settings: PersistenceSettings }
}

// The command line of lock-service: an etcd-compatible server on a data directory, until a signal comes.
import { mkdirSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import type { LocksServiceOptions } from '../../distributed/locks/open.ts'
import type { KeyValue } from '../../distributed/locks/types.ts'
import { DEFAULT_MAX_REQUEST_BYTES, DEFAULT_MAX_TXN_OPS, DEFAULT_QUOTA_BYTES } from '../../distributed/locks/types.ts'
import { realClock } from '../../io/clock.ts'
import {
  createLogger,
  numberSetting,
  runServer,
  SERVER_SETTINGS,
  textSetting,
  type ValuesOf,
  variableOf,
} from '../../service/index.ts'
import { parseDuration } from '../kit/duration.ts'
import { tlsFilesOf } from '../kit/files.ts'
import { complain } from '../kit/output.ts'
import { endWithParent } from '../kit/parent.ts'
import { runProgram, UsageError } from '../kit/program.ts'
import { addSettings, type GivenOptions, settingsOf } from '../kit/server-command.ts'
import { troubleTo } from '../kit/trouble.ts'
import { CLUSTER_SETTINGS, defaultsOf, isMember, memberOf } from './cluster-settings.ts'
import { runLocalCluster } from './local-cluster.ts'

const { 'max-clients': _unused, ...SHARED_SETTINGS } = SERVER_SETTINGS
const DATA_DIRECTORY = join('bedplate-data', 'lock-service')
const SETTINGS = {
  port: {
    ...numberSetting('the port to listen on; 0: any that is free', 2379, { high: 65_535 }),
    placeholder: '<port>',
  },
  'data-dir': textSetting('where data is kept', '<directory>', DATA_DIRECTORY),
  'quota-bytes': numberSetting('refuse puts beyond so many bytes of kept revisions', DEFAULT_QUOTA_BYTES, { low: 1 }),
  'max-request-bytes': numberSetting('refuse longer requests', DEFAULT_MAX_REQUEST_BYTES, { low: 1024 }),
  'max-txn-ops': numberSetting('refuse transactions with more operations', DEFAULT_MAX_TXN_OPS, { low: 1 }),
  'auto-compaction': textSetting('keep the history of so long (5m, 1h), or so many revisions (1000r)', '<retention>'),
  ...CLUSTER_SETTINGS,
  ...SHARED_SETTINGS,
}
const SYSTEM = 'LOCKS'

const EXAMPLES = `
Examples:
  $ lock-service --port=2379
  $ lock-service --memory --port=0 --json
  $ lock-service --auto-compaction 1h --quota-bytes 500000000
  $ lock-service --nodes 3                                  a cluster on this machine: ports 2379, 2380 and 2381
  $ lock-service --id=1 --cluster=1,2,3 --port=2379         one member of a cluster, and so on

It speaks etcd's v3 API: etcdctl, the etcd3 package and other clients of etcd work with it, and lock-client of course.
Every flag has a twin in the environment, such as ${variableOf(SYSTEM, 'port')}, and a line in the file of --config.
What was acknowledged is on disk. Exit status: 0 stopped by a signal, 1 failed, 2 wrong usage.`

/** Runs `lock-service ...args` and gives its exit status. */
export function run(args: readonly string[]): Promise<number> {
  return runProgram(args, 'lock-service', (program) => {
    program.description('A lock service: an etcd-compatible store with leases, watches, locks and elections.')
    addSettings(program, SETTINGS)
    program
      .option('--memory', 'keep no data on disk')
      .option('--insecure', 'let everybody who reaches the ports read and change everything')
      .option('--json', 'say what happens as lines of JSON')
      .addHelpText('after', EXAMPLES)
      .action(serve)
  })
}

async function serve(options: GivenOptions): Promise<void> {
  const values = settingsOf(SETTINGS, options, SYSTEM)
  const isJson = options['json'] === true
  const logger = createLogger({ name: 'lock-service', level: values['log-level'], now: realClock.now, write: complain })
  if (values.nodes > 1) {
    const dataOf = (id: number): string =>
      values['data-dir'] === DATA_DIRECTORY ? memberDirectory(id) : join(values['data-dir'], `node-${id}`)
    await runLocalCluster({
      ...{ values, defaults: defaultsOf(SETTINGS), system: SYSTEM, dataOf, isJson },
      ...{ isInMemory: options['memory'] === true, isInsecure: options['insecure'] === true },
    })
    return
  }
  const shared = {
    host: values.host,
    port: values.port,
    tls: tlsFilesOf(values),
    logger,
    quotaBytes: values['quota-bytes'],
    maxRequestBytes: values['max-request-bytes'],
    maxTxnOps: values['max-txn-ops'],
    autoCompaction: compactionOf(values),
    advertise: values.advertise === '' ? undefined : values.advertise,
    isOpen: options['insecure'] === true,
    onExpired: (kvs: readonly KeyValue[]) => say(kvs.map((kv) => expiry(kv, isJson))),
  }
  const inMemory = options['memory'] === true
  const { node, server } = isMember(values)
    ? await openMember({ values, shared, isInsecure: options['insecure'] === true, inMemory, isJson })
    : await openAlone(inMemory ? undefined : values['data-dir'], shared)
  await runServer({
    server,
    logger,
    clock: realClock,
    signals: process,
    exit: (status) => process.exit(status),
    adminPort: values['admin-port'],
    drainMs: values['drain-ms'],
    failed: node.failed,
    onReady: (address, admin) => {
      const ready = { event: 'ready', node: values.id, ...address, adminPort: admin?.port, pid: process.pid }
      say([isJson ? JSON.stringify(ready) : 'Lock service started'])
    },
  })
}

/** Where a member has its data unless it is told otherwise. */
function memberDirectory(id: number): string {
  return `${DATA_DIRECTORY}-${id}`
}

async function openAlone(path: string | undefined, shared: Omit<LocksServiceOptions, 'path'>) {
  if (path !== undefined) mkdirSync(dirname(resolve(path)), { recursive: true })
  const { openLocksService } = await import('../../distributed/locks/open.ts')
  return openLocksService({ path, ...shared })
}

interface MemberOptions {
  readonly values: ValuesOf<typeof SETTINGS>
  readonly shared: Omit<LocksServiceOptions, 'path'>
  readonly isInsecure: boolean
  readonly inMemory: boolean
  readonly isJson: boolean
}

async function openMember({ values, shared, isInsecure, inMemory, isJson }: MemberOptions) {
  if (inMemory) throw new UsageError('a member of a cluster keeps what it has promised on disk: --memory cannot be')
  const raft = memberOf(values, isInsecure)
  endWithParent()
  const given = values['data-dir']
  const path = given === DATA_DIRECTORY ? memberDirectory(raft.id) : given
  mkdirSync(dirname(resolve(path)), { recursive: true })
  const { openReplicatedLocks } = await import('../../distributed/locks/replicated/index.ts')
  const onTrouble = troubleTo(shared.logger)
  return openReplicatedLocks({
    ...shared,
    path,
    raft: { ...raft, onTrouble },
    group: { tickMs: values['tick-ms'] },
    onElected: (term) =>
      say([
        isJson
          ? JSON.stringify({ event: 'elected', node: raft.id, term })
          : `[Node ${raft.id}] Elected leader for term ${term}`,
      ]),
  })
}

function say(lines: readonly string[]): void {
  for (const line of lines) process.stdout.write(`${line}\n`)
}

function expiry({ key, createRevision }: KeyValue, isJson: boolean): string {
  const id = `lock-id-${createRevision}`
  return isJson
    ? JSON.stringify({ event: 'expired', id, key: Buffer.from(key, 'latin1').toString() })
    : `Lock expired: ${id}`
}

function compactionOf({ 'auto-compaction': text }: ValuesOf<typeof SETTINGS>) {
  if (text === '') return undefined
  const revisions = /^(\d+)r$/.exec(text)?.[1]
  if (revisions === undefined)
    return { mode: 'periodic', retentionMs: parseDuration(text, '--auto-compaction') } as const
  const retention = Number(revisions)
  if (retention < 1) throw new UsageError('--auto-compaction must keep at least one revision')
  return { mode: 'revision', retention } as const
}

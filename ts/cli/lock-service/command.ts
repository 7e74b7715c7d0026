// The command line of lock-service: an etcd-compatible server on a data directory, until a signal comes.
import { join } from 'node:path'
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
import { runProgram, UsageError } from '../kit/program.ts'
import { addSettings, type GivenOptions, settingsOf } from '../kit/server-command.ts'

const { 'max-clients': _unused, ...SHARED_SETTINGS } = SERVER_SETTINGS
const SETTINGS = {
  port: {
    ...numberSetting('the port to listen on; 0: any that is free', 2379, { high: 65_535 }),
    placeholder: '<port>',
  },
  'data-dir': textSetting('where data is kept', '<directory>', join('bedplate-data', 'lock-service')),
  'quota-bytes': numberSetting('refuse puts beyond so many bytes of kept revisions', DEFAULT_QUOTA_BYTES, { low: 1 }),
  'max-request-bytes': numberSetting('refuse longer requests', DEFAULT_MAX_REQUEST_BYTES, { low: 1024 }),
  'max-txn-ops': numberSetting('refuse transactions with more operations', DEFAULT_MAX_TXN_OPS, { low: 1 }),
  'auto-compaction': textSetting('keep the history of so long (5m, 1h), or so many revisions (1000r)', '<retention>'),
  ...SHARED_SETTINGS,
}
const SYSTEM = 'LOCKS'

const EXAMPLES = `
Examples:
  $ lock-service --port=2379
  $ lock-service --memory --port=0 --json
  $ lock-service --auto-compaction 1h --quota-bytes 500000000

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
      .option('--json', 'say what happens as lines of JSON')
      .addHelpText('after', EXAMPLES)
      .action(serve)
  })
}

async function serve(options: GivenOptions): Promise<void> {
  const values = settingsOf(SETTINGS, options, SYSTEM)
  const isJson = options['json'] === true
  const logger = createLogger({ name: 'lock-service', level: values['log-level'], now: realClock.now, write: complain })
  const { openLocksService } = await import('../../distributed/locks/open.ts')
  const { node, server } = await openLocksService({
    path: options['memory'] === true ? undefined : values['data-dir'],
    host: values.host,
    port: values.port,
    tls: tlsFilesOf(values),
    logger,
    quotaBytes: values['quota-bytes'],
    maxRequestBytes: values['max-request-bytes'],
    maxTxnOps: values['max-txn-ops'],
    autoCompaction: compactionOf(values),
    onExpired: (kvs) => say(kvs.map((kv) => expiry(kv, isJson))),
  })
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
      const ready = { event: 'ready', ...address, adminPort: admin?.port, pid: process.pid }
      say([isJson ? JSON.stringify(ready) : 'Lock service started'])
    },
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

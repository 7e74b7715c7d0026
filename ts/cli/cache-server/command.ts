// The command line of cache-server: settings from flags, environment and file, then a server until a signal comes.
import { BedplateError } from '../../base/errors.ts'
import {
  CacheServer,
  type CacheServerOptions,
  DEFAULT_PERSISTENCE,
  type PersistenceSettings,
  parseSavePoints,
} from '../../cache/index.ts'
import { realClock } from '../../io/clock.ts'
import { type Address, realNetwork, showAddress } from '../../io/network.ts'
import { realRandom } from '../../io/random.ts'
import { realDisk } from '../../io/real-disk.ts'
import {
  choiceSetting,
  createLogger,
  numberSetting,
  runServer,
  SERVER_SETTINGS,
  textSetting,
  type ValuesOf,
  variableOf,
} from '../../service/index.ts'
import { tlsFilesOf } from '../kit/files.ts'
import { complain } from '../kit/output.ts'
import { runProgram, UsageError } from '../kit/program.ts'
import { addSettings, flagOf, type GivenOptions, settingsOf } from '../kit/server-command.ts'
import { CLUSTER_SETTINGS, clusterOf, nodeOptions } from './cluster-settings.ts'
import { cpuSeconds } from './cpu.ts'
import { MEMORY_SETTINGS, memoryCeiling } from './memory.ts'
import type { NodeData } from './node-messages.ts'
import { REPLICATION_SETTINGS, replicationOf, trustOf } from './replication-settings.ts'
import { ThreadCluster } from './thread-cluster.ts'

const SETTINGS = {
  port: {
    ...numberSetting('the port to listen on; 0: any that is free', 6379, { high: 65_535 }),
    placeholder: '<port>',
  },
  requirepass: textSetting('the password that clients have to give', '<password>'),
  databases: numberSetting('how many SELECT can choose of', 16, { low: 1, high: 1024 }),
  aclfile: textSetting('a file of users, below --dir unless it says otherwise', '<file>'),
  user: textSetting('users without a file: "alice on >secret ~cache:* +@all; bob ..."', '<name rules; ...>'),
  'acl-pubsub-default': choiceSetting(
    'the channels of new users',
    ['resetchannels', 'allchannels'] as const,
    'resetchannels',
  ),
  'enable-debug-command': choiceSetting('who may send DEBUG', ['no', 'local', 'yes'] as const, 'no'),
  ...MEMORY_SETTINGS,
  dir: textSetting('keep data there; without it and the next two: in memory alone', '<directory>'),
  appendonly: choiceSetting('keep every change in an append-only file', ['no', 'yes'] as const, 'no'),
  save: textSetting(
    'save a snapshot after so many seconds with so many changes: "3600 1 300 100"',
    '<seconds changes>',
  ),
  appendfsync: choiceSetting('when changes are made durable', ['everysec', 'always', 'no'] as const, 'everysec'),
  dbfilename: textSetting('the name of the snapshot', '<name>', DEFAULT_PERSISTENCE.snapshotName),
  ...REPLICATION_SETTINGS,
  ...CLUSTER_SETTINGS,
  ...SERVER_SETTINGS,
}
/** Where data lies if it is to be kept and nobody says where. */
const DEFAULT_DIRECTORY = './bedplate-data/cache-server'
const SYSTEM = 'CACHE'

const EXAMPLES = `
Examples:
  $ cache-server
  $ cache-server --port=0 --json
  $ cache-server --maxmemory 100mb --maxmemory-policy allkeys-lru
  $ cache-server --appendonly yes --appendfsync always --dir ./data
  $ cache-server --port=6380 --replicaof 127.0.0.1:6379
  $ cache-server --port=6379 --cluster --replicas 1
  $ cache-server --port=7000 --cluster-enabled yes --cluster-config-file node-7000.conf
  $ cache-server --host 0.0.0.0 --requirepass secret --tls-cert cert.pem --tls-key key.pem

Every flag has a twin in the environment, such as ${variableOf(SYSTEM, 'port')}, and a line in the file of --config, such as
"port 6379"; a flag is worth more than the environment, and that more than the file. Data is in memory, and a stop forgets it,
unless --dir, --appendonly yes or --save is given; the files are Redis's own.
Exit status: 0 stopped by a signal, 1 failed, 2 wrong usage.`

/** Runs `cache-server ...args` and gives its exit status. */
export async function run(args: readonly string[]): Promise<number> {
  return runProgram(args, 'cache-server', (program) => {
    program.description('A Redis-compatible server.').addHelpText('after', EXAMPLES)
    addSettings(program, SETTINGS)
    program
      .option('--cluster', 'start a cluster: --nodes masters on ports from --port on, each in a thread')
      .option('--json', 'say that it is ready as one line of JSON')
      .action(serve)
  })
}

type Values = ValuesOf<typeof SETTINGS>

/** What would be the same for all nodes of a cluster in one process and cannot be, or what they settle by themselves. */
const ONE_SERVER_ALONE = [
  'replicaof',
  'masteruser',
  'masterauth',
  'acl-pubsub-default',
  'appendfsync',
  'dbfilename',
  'cluster-enabled',
  'cluster-config-file',
  'cluster-port',
  'cluster-announce-port',
  'cluster-announce-bus-port',
] as const satisfies readonly (keyof Values)[]

/** Whether somebody has said what a setting is: a flag, or whoever else by another value than it has by itself. */
function isGiven(values: Values, options: GivenOptions, name: keyof Values): boolean {
  return flagOf(options, name) !== undefined || values[name] !== SETTINGS[name].fallback
}

async function serve(options: GivenOptions): Promise<void> {
  const values = settingsOf(SETTINGS, options, SYSTEM)
  if (options['cluster'] === true) return serveCluster(values, options)
  for (const name of ['nodes', 'replicas'] as const) {
    if (isGiven(values, options, name))
      throw new UsageError(`--${name} is for a cluster in one process: say --cluster as well`)
  }
  if (values['cluster-enabled'] === 'yes' && values.replicaof !== '') {
    throw new UsageError('--replicaof is for servers on their own: a node of a cluster is told by CLUSTER REPLICATE')
  }
  const logger = createLogger({ name: 'cache-server', level: values['log-level'], now: realClock.now, write: complain })
  const server = new CacheServer({
    network: realNetwork,
    clock: realClock,
    random: realRandom,
    logger,
    host: values.host,
    port: values.port,
    tls: tlsFilesOf(values),
    password: Buffer.from(values.requirepass).toString('latin1'),
    users: usersOf(values),
    maxClients: values['max-clients'],
    databases: values.databases,
    memoryBytes: () => process.memoryUsage().heapUsed,
    cpuSeconds,
    memory: { ...memoryOf(values), ceilingBytes: memoryCeiling() },
    debugCommands: values['enable-debug-command'],
    ...persistenceOf(values),
    replication: replicationOf(values),
    cluster: clusterOf(values),
  })
  const scheme = values['tls-cert'] === '' ? 'redis' : 'rediss'
  await runServer({
    server,
    logger,
    clock: realClock,
    signals: process,
    exit: (status) => process.exit(status),
    adminPort: values['admin-port'],
    drainMs: values['drain-ms'],
    failed: server.failed,
    ended: server.ended,
    onReady: (address, admin) => {
      const line =
        options['json'] === true
          ? readyJson(address, admin)
          : `Cache server ready on ${scheme}://${showAddress(address)}`
      process.stdout.write(`${line}\n`)
    },
  })
}

function memoryOf(values: Values): NodeData['memory'] {
  const { maxmemory: maxBytes, 'maxmemory-policy': policy, 'maxmemory-samples': samples } = values
  return { maxBytes, policy, samples }
}

function usersOf(values: Values): NonNullable<CacheServerOptions['users']> {
  const { aclfile, user, 'acl-pubsub-default': channelDefault } = values
  const lines = user.split(';').flatMap((line) => (line.trim() === '' ? [] : [Buffer.from(line).toString('latin1')]))
  return { disk: realDisk, path: aclfile === '' ? undefined : aclfile, lines, channelDefault }
}

/** @throws UsageError if a setting is wrong. */
function persistenceOf(values: Values): Pick<CacheServerOptions, 'persistence'> {
  const { dir, save, dbfilename, appendonly, appendfsync } = values
  const savePoints = parseSavePoints(save)
  if (savePoints === undefined)
    throw new UsageError(`--save must be pairs of seconds and changes, got ${JSON.stringify(save)}`)
  if (!/^[^/\\\0]+$/.test(dbfilename))
    throw new UsageError(`--dbfilename must be a name without a directory, got ${dbfilename}`)
  if (dir === '' && appendonly === 'no' && savePoints.length === 0) return {}
  const settings: PersistenceSettings = {
    ...DEFAULT_PERSISTENCE,
    directory: dir === '' ? DEFAULT_DIRECTORY : dir,
    snapshotName: dbfilename,
    appendOnly: appendonly === 'yes',
    appendFsync: appendfsync,
    savePoints,
  }
  return { persistence: { disk: realDisk, settings } }
}

/** A cluster in this process: nodes in threads, on ports from --port on, masters first. */
async function serveCluster(values: Values, options: GivenOptions): Promise<void> {
  const isJson = options['json'] === true
  const { nodes, replicas, host, port } = values
  const single = ONE_SERVER_ALONE.find((name) => isGiven(values, options, name))
  if (single !== undefined) {
    throw new UsageError(`--${single} is for one server: --cluster starts several, which know each other`)
  }
  if (persistenceOf(values).persistence !== undefined) {
    throw new BedplateError('NOT_SUPPORTED', 'a cluster in one process keeps its data in memory alone', {
      hint: 'leave out --dir, --appendonly and --save, or start each node by itself with --cluster-enabled yes',
    })
  }
  if (values.aclfile !== '' || values.user !== '') {
    throw new BedplateError('NOT_SUPPORTED', 'a cluster in one process has the default user alone at its start', {
      hint: 'send ACL SETUSER to each node, or start each node by itself with --cluster-enabled yes',
    })
  }
  const count = nodes * (1 + replicas)
  const tls = tlsFilesOf(values)
  const password = Buffer.from(values.requirepass).toString('latin1')
  const trust = trustOf(values)
  const replication = {
    ...replicationOf(values),
    masterPassword: password,
    ...(trust === undefined ? {} : { tls: trust }),
  }
  const cluster = new ThreadCluster({
    clock: realClock,
    masterCount: nodes,
    replicaCount: replicas,
    dataOf: (index) => ({
      name: `node${index + 1}`,
      host,
      port: port === 0 ? 0 : port + index,
      tls,
      password,
      replication,
      maxClients: values['max-clients'],
      databases: values.databases,
      logLevel: values['log-level'],
      memory: memoryOf(values),
      debugCommands: values['enable-debug-command'],
      cluster: nodeOptions({ ...values, port: port === 0 ? 0 : port + index }),
    }),
  })
  const name = 'cache-server'
  await runServer({
    server: cluster,
    logger: createLogger({ name, level: values['log-level'], now: realClock.now, write: complain }),
    clock: realClock,
    signals: process,
    exit: (status) => process.exit(status),
    adminPort: values['admin-port'],
    drainMs: values['drain-ms'],
    failed: cluster.failed,
    ended: cluster.ended,
    onReady: (_, admin) => {
      const ready = { event: 'ready', nodes: cluster.addresses, adminPort: admin?.port, pid: process.pid }
      process.stdout.write(isJson ? `${JSON.stringify(ready)}\n` : `Cache cluster started with ${count} nodes\n`)
    },
  })
}

function readyJson({ host, port }: Address, admin: Address | undefined): string {
  return JSON.stringify({ event: 'ready', host, port, adminPort: admin?.port, pid: process.pid })
}

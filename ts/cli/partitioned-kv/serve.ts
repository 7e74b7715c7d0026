// `partitioned-kv --nodes=...`: a cluster on this machine until a signal comes.
import { resolve } from 'node:path'
import { BedplateError } from '../../base/errors.ts'
import { realClock } from '../../io/clock.ts'
import { type Address, showAddress } from '../../io/network.ts'
import { createLogger, runServer } from '../../service/index.ts'
import { freePorts } from '../kit/free-ports.ts'
import { complain } from '../kit/output.ts'
import { UsageError } from '../kit/program.ts'
import { type GivenOptions, settingsOf } from '../kit/server-command.ts'
import { plural } from '../kit/text.ts'
import { LocalCluster } from './cluster.ts'
import { findOrMakeCluster, readCluster } from './cluster-file.ts'
import { CLUSTER_SETTINGS, type ClusterValues, namesOf, SYSTEM, sharedData } from './settings.ts'

const MAX_PORT = 65_535
/** Flags that name files, which processes of nodes read themselves. */
const FILES = ['tls-cert', 'tls-key', 'tls-ca', 'secret-file'] as const

export async function serveCluster(options: GivenOptions): Promise<void> {
  const values = settingsOf(CLUSTER_SETTINGS, options, SYSTEM)
  const isJson = options['json'] === true
  const directory = resolve(values['data-dir'])
  const names = values.nodes === '' ? (readCluster(directory)?.nodes ?? []) : namesOf(values.nodes)
  if (names.length === 0) {
    throw new UsageError('--nodes is needed to start a cluster', 'partitioned-kv --nodes=node1,node2,node3')
  }
  const shared = sharedData(values, names.length, options['insecure'] === true)
  const say = (event: Record<string, unknown>, text: string): void =>
    void process.stdout.write(`${isJson ? JSON.stringify(event) : text}\n`)
  const cluster = new LocalCluster({
    ...{ directory, shared, cluster: findOrMakeCluster(directory, names), host: values.host },
    control: { host: '127.0.0.1', port: values.port },
    ports: await portsOf(values, names.length),
    hasProcesses: options['processes'] === true,
    files: FILES.flatMap((name) => (values[name] === '' ? [] : [`--${name}=${resolve(values[name])}`])),
    onGone: (name, why) => say({ event: 'gone', node: name, why }, `${name} has ended: ${why}`),
  })
  await runServer({
    ...{ server: cluster, clock: realClock, signals: process },
    logger: createLogger({ name: 'partitioned-kv', level: values['log-level'], now: realClock.now, write: complain }),
    exit: (status) => process.exit(status),
    adminPort: undefined, // its pages are on the control port
    drainMs: values['drain-ms'],
    failed: cluster.allGone.then((why) => {
      throw new BedplateError('UNAVAILABLE', why, { hint: 'their own words above say why' })
    }),
    onReady: (control) => tell(cluster, control, { shared, isJson, hasTls: shared.tls !== undefined }),
  })
}

interface Told {
  readonly shared: ReturnType<typeof sharedData>
  readonly isJson: boolean
  readonly hasTls: boolean
}

function tell({ members }: LocalCluster, control: Address, { shared, isJson, hasTls }: Told): void {
  const { replicas, reads, writes } = shared
  const url = `http://${showAddress(control)}`
  if (isJson) {
    const ready = { event: 'ready', control: url, nodes: members, replicas, reads, writes, pid: process.pid }
    process.stdout.write(`${JSON.stringify(ready)}\n`)
    return
  }
  const copies = `N=${replicas}, R=${reads}, W=${writes}: each key on ${plural(replicas, 'node')}, a read asks ${reads} of them, a write waits for ${writes}`
  const lines = members.map(
    ({ name, host, port, pid }) =>
      `${name}  ${hasTls ? 'https' : 'http'}://${showAddress({ host, port })}${pid === undefined ? '' : `  process ${pid}`}`,
  )
  const url7100 =
    control.port === CLUSTER_SETTINGS.port.fallback ? '' : `; other commands need PARTITIONED_KV_URL=${url}`
  process.stdout.write(
    `Cluster started with ${plural(members.length, 'node')}\n${copies}\n${lines.join('\n')}\ncontrol port ${control.port}${url7100}\n`,
  )
}

/** Behind the control port, or any that are free. */
async function portsOf({ port }: ClusterValues, count: number): Promise<readonly number[]> {
  if (port === 0) return freePorts(count)
  if (port + count > MAX_PORT) throw new UsageError(`--port=${port} leaves no ports behind it for ${count} nodes`)
  return Array.from({ length: count }, (_, index) => port + 1 + index)
}

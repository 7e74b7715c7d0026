// The partitioned store of `bedplate up --only partitioned-kv`: the nodes of a cluster as processes, which the console can hurt.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseSettingsFile, readSettings } from '../../service/index.ts'
import { freePorts } from '../kit/free-ports.ts'
import { LocalCluster } from '../partitioned-kv/cluster.ts'
import { findOrMakeCluster, readCluster } from '../partitioned-kv/cluster-file.ts'
import { CLUSTER_SETTINGS, SYSTEM, sharedData } from '../partitioned-kv/settings.ts'
import type { Made, MakeOptions } from './kinds.ts'
import { lateServer } from './late.ts'

/** Where `partitioned-kv` has its data, too, unless it is told otherwise. */
const DIRECTORY = 'partitioned-kv'
/** Of a new cluster: with three replicas of each key, all of them hold all keys, until another one is added. */
const NAMES = ['node1', 'node2', 'node3']

/** Makes a cluster: the one of the directory, or a new one. @param isCluster - It keeps nothing; several nodes it is anyway. */
export function makePartitioned({ host, port, logger, dataDirectory, isCluster }: MakeOptions): Made {
  const isTemporary = dataDirectory === undefined || isCluster
  let temporary: string | undefined
  let cluster: LocalCluster | undefined
  const made = lateServer(
    async ({ opened, fail }) => {
      if (isTemporary) temporary = mkdtempSync(join(tmpdir(), 'partitioned-kv-'))
      const directory = temporary ?? join(dataDirectory as string, DIRECTORY)
      const names = readCluster(directory)?.nodes ?? NAMES
      const behind = names.map((_, index) => port + 1 + index)
      const defaults = { flags: {}, environment: {}, system: SYSTEM, file: parseSettingsFile('') }
      cluster = new LocalCluster({
        ...{ directory, cluster: findOrMakeCluster(directory, names), control: { host, port }, host, files: [] },
        ports: port === 0 ? await freePorts(names.length) : behind,
        shared: sharedData(readSettings(CLUSTER_SETTINGS, defaults), names.length, false),
        hasProcesses: true,
        onGone: (node, why) => logger.warn('a node has ended', { node, why }),
      })
      cluster.allGone.then((why) => fail(new Error(why)))
      opened(cluster)
      return cluster.start()
    },
    () => {
      if (temporary !== undefined) rmSync(temporary, { recursive: true, force: true })
    },
  )
  return {
    ...made,
    keepsData: !isTemporary,
    pages: (path) => cluster?.part.pages(path),
    change: (path, body) => cluster?.part.change(path, body),
  }
}

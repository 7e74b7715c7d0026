// kvstore create, verify, compact, backup: work on a store as a whole.
import { BedplateError, isCode } from '../../base/errors.ts'
import { openBTree } from '../../storage/btree/index.ts'
import { formatBytes, plural } from '../kit/text.ts'
import { answer, type Context, withReader, withWriter } from '../ordered/context.ts'
import { createNew } from '../ordered/create.ts'
import type { BTreeBytes } from './store.ts'

type BTreeContext = Context<BTreeBytes>

export async function create(context: BTreeContext, path: string, options: { pageSize?: string }): Promise<void> {
  const pageSizeBytes = options.pageSize === undefined ? {} : { pageSizeBytes: Number(options.pageSize) }
  const store = await createNew(path, () => openBTree(path, { create: 'new', ...pageSizeBytes }))
  const document = { created: path, pageSizeBytes: store.pageSizeBytes }
  await store.close()
  await answer(context, document, `Database created: ${path}`)
}

export async function verify(context: BTreeContext, path: string): Promise<void> {
  const { report, startedAt } = await withReader(context, path, async (store) => {
    const startedAt = performance.now()
    return { startedAt, report: await store.verify() }
  })
  const { ok, problems, pages, keys, trees } = report
  const seconds = round((performance.now() - startedAt) / 1000)
  const counts =
    `${plural(keys, 'key')} in ${plural(trees, 'tree')}, ${plural(pages.leaf, 'leaf', 'leaves')}, ` +
    `${plural(pages.branch, 'branch', 'branches')}, ${plural(pages.overflow, 'overflow page')}, ${plural(pages.free, 'free page')}`
  const text = ok ? `OK: ${counts}` : [...problems, `checked ${counts}`].join('\n')
  await answer(context, { ...report, seconds }, text)
  if (ok) return
  throw new BedplateError('CORRUPTION', `${path} is damaged: ${plural(problems.length, 'problem')}`, {
    hint: `restore a backup, or save what can be read: kvstore export ${path}`,
  })
}

export async function compact(context: BTreeContext, path: string): Promise<void> {
  const [beforeBytes, afterBytes] = await withWriter(context, path, async (store) => {
    const before = store.stats().dataFileBytes
    await store.compact()
    return [before, store.stats().dataFileBytes]
  })
  await answer(
    context,
    { beforeBytes, afterBytes },
    `Compacted: ${formatBytes(beforeBytes)} -> ${formatBytes(afterBytes)}`,
  )
}

export async function backup(context: BTreeContext, path: string, destination: string): Promise<void> {
  const keyCount = await withReader(context, path, async (store) => {
    await store.backup(destination).catch((error: unknown) => {
      if (!isCode(error, 'ALREADY_EXISTS')) throw error
      throw new BedplateError('ALREADY_EXISTS', `${destination} exists already`, {
        cause: error,
        hint: 'a backup goes to a new directory',
      })
    })
    return store.stats().keyCount
  })
  await answer(
    context,
    { backup: destination, keyCount },
    `Backup written: ${destination} (${plural(keyCount, 'key')})`,
  )
}

function round(seconds: number): number {
  return Math.round(seconds * 1000) / 1000
}

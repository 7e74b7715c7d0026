// kvstore verify, compact, backup: work on a store as a whole.
import { BedplateError, isCode } from '../../base/errors.ts'
import { formatBytes, plural } from '../kit/text.ts'
import { answer, type Context, withReader, withWriter } from './context.ts'

export async function verify(context: Context, path: string): Promise<void> {
  const { report, startedAt } = await withReader(path, async (store) => {
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

export async function compact(context: Context, path: string): Promise<void> {
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

export async function backup(context: Context, path: string, destination: string): Promise<void> {
  const keyCount = await withReader(path, async (store) => {
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

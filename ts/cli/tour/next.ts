// The last stop: commands to paste. They are spelt for the directory of the user's shell, which under `npm start` is not
// always the process's own: npm changes to the package's.
import { existsSync } from 'node:fs'
import { isAbsolute, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PACKAGE_URL } from '../../base/package.ts'
import { openBTree, type PageDescription } from '../../storage/btree/index.ts'
import { closing } from '../kit/closing.ts'
import { toLine } from '../kit/text.ts'
import { BY_NAME, BY_POPULATION, CITY_PREFIX, cityKey } from './cities.ts'
import { ORDERS } from './orders.ts'

/** A command, and what it shows. */
export interface NextStep {
  shows: string
  command: string
}

const PACKAGE = fileURLToPath(PACKAGE_URL)
const LYON = 2996944

/** What to try on the B-tree in `path` and the LSM store in `lsmPath`, which nobody has open. */
export async function nextSteps(path: string, lsmPath: string): Promise<NextStep[]> {
  const store = shellWord(fromShell(path))
  const lsm = shellWord(fromShell(lsmPath))
  const steps = [
    [`get ${store} ${cityKey(LYON)}`, 'one record'],
    [`range ${store} FR/Saint- FR/Saint. --tree ${BY_NAME} --limit 5`, 'names that begin alike'],
    [`range ${store} US/ US0 --tree ${BY_POPULATION} --reverse --limit 5`, 'the largest cities of a country'],
    [`range ${store} --tree ${ORDERS} --reverse --limit 3`, 'the last orders before the kill'],
    [`inspect ${store} page ${await firstLeaf(path)}`, 'a page of the file, bytes beside their meaning'],
    [`stats ${store}`, 'keys, pages, cache, log'],
    [`verify ${store}`, 'every rule of the format, checked'],
  ]
  const lsmSteps = [
    [`get ${lsm} ${cityKey(LYON)}`, 'the same record in the LSM store'],
    [`stats ${lsm} --long`, 'its levels, memory, amplification'],
    [`inspect manifest ${lsm}`, 'which tables it has, byte by byte'],
  ]
  const step =
    (command: string) =>
    ([rest, shows = '']: string[]): NextStep => ({ command: `${command} ${rest}`, shows })
  return [...steps.map(step(commandOf('kvstore'))), ...lsmSteps.map(step(commandOf('lsmstore')))]
}

/** The first page of the file that holds cities; pages 0 and 1 are the metas. */
async function firstLeaf(path: string): Promise<number> {
  return closing(await openBTree(path, { readOnly: true }), async (store) => {
    const { dataFileBytes, pageSizeBytes } = store.stats()
    const numbers = Array.from({ length: dataFileBytes / pageSizeBytes }, (_, page) => page)
    return numbers.find((page) => holdsCities(store.inspectPage(page))) ?? 0
  })
}

function holdsCities({ type, checksumOk, cells }: PageDescription): boolean {
  const [first] = cells
  return type === 'leaf' && checksumOk && first !== undefined && toLine(first.key).startsWith(CITY_PREFIX)
}

/** How a command is called from the user's shell: by its file in a checkout, by npx where bedplate is installed. */
function commandOf(name: string): string {
  const isCheckout = existsSync(join(PACKAGE, 'scripts/build.mjs'))
  return isCheckout ? `node ${shellWord(fromShell(join(PACKAGE, 'bin', name), ''))}` : `npx bedplate ${name}`
}

/** `path` as the user's shell can name it, in as few characters as possible; `prefix` begins what lies below. */
export function fromShell(path: string, prefix = './'): string {
  const { npm_lifecycle_event: script, INIT_CWD: shellDirectory } = process.env
  const here = script === 'start' && shellDirectory !== undefined ? shellDirectory : process.cwd()
  const absolute = resolve(path)
  const way = relative(here, absolute)
  if (isAbsolute(way)) return absolute // on another drive
  if (!way.startsWith('..')) return prefix + way
  return way.length < absolute.length ? way : absolute
}

/** Quotes what a shell would take apart. */
function shellWord(text: string): string {
  if (/^[\w@%+=:,./\\-]+$/.test(text)) return text
  return process.platform === 'win32' ? `"${text}"` : `'${text.replaceAll("'", "'\\''")}'`
}

// Small JSON files below .cache/: what the runners remember from one run to the next. Losing them loses no result.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const CACHE = process.env.BEDPLATE_CACHE_DIR ?? fileURLToPath(new URL('../../.cache/', import.meta.url))

/** The value stored under `name`, or undefined if there is none that can be read. */
export function readCache(name) {
  try {
    return JSON.parse(readFileSync(join(CACHE, name), 'utf8'))
  } catch {
    return undefined
  }
}

export function writeCache(name, value) {
  const path = join(CACHE, name)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`)
}

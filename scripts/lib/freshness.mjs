// Says whether what was built in this checkout is what its sources say, by names, sizes and times of change alone.
//
// bin/ asks before each command, so this file imports little and reads no source: a few milliseconds for 200 files.
import { existsSync, readdirSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { readCache, writeCache } from './cache.mjs'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const STAMP = 'build.json'

/** What each product is made from, what of that is not for it, and one file that is there if it was made. */
const PRODUCTS = {
  typescript: {
    sources: ['ts', 'tsconfig.json', 'package-lock.json', 'scripts/lib/bundle-commands.mjs'],
    made: 'dist/index.js',
  },
  native: {
    sources: ['native', 'binding.gyp', 'package-lock.json'],
    without: ['native/test', 'native/fuzz'],
    made: 'build/Release/bedplate.node',
  },
}

/**
 * How a build ended. `no tools`: it could not be tried. `failed`: its tool complained; the TypeScript compiler writes its
 * files even then.
 * @typedef {'made' | 'failed' | 'no tools'} Outcome
 */

/** True if every product was tried with these very sources, however that ended: a command need not build first. */
export function isTried() {
  const stamp = readCache(STAMP)
  return Object.keys(PRODUCTS).every((product) => lastOutcome(product, stamp) !== undefined)
}

/**
 * How the last build of `product` ended, if its sources have not changed since and what it made is still there.
 * @returns {Outcome | undefined}
 */
export function lastOutcome(product, stamp = readCache(STAMP)) {
  const last = stamp?.[product]
  if (last === undefined || last.sources !== fingerprint(product)) return undefined
  return last.outcome === 'made' && !existsSync(ROOT + PRODUCTS[product].made) ? undefined : last.outcome
}

/**
 * Notes how a build of `product` ended.
 * @param {string} sources - The fingerprint taken before the build began: what changed meanwhile is not in it.
 * @param {Outcome} outcome
 */
export function recordOutcome(product, sources, outcome) {
  writeCache(STAMP, { ...readCache(STAMP), [product]: { sources, outcome } })
}

/** A short text that changes whenever a source of `product` is edited, added, removed or renamed. */
export function fingerprint(product) {
  const { sources, without = [] } = PRODUCTS[product]
  let hash = 0x811c9dc5
  const add = (path) => {
    if (without.includes(path)) return
    const stats = statSync(ROOT + path, { throwIfNoEntry: false })
    hash = addToHash(hash, `${path}:${stats?.mtimeMs}:${stats?.size};`)
    if (stats?.isDirectory()) for (const name of readdirSync(ROOT + path).sort()) add(`${path}/${name}`)
  }
  sources.forEach(add)
  return `${process.platform}-${process.arch}-${hash.toString(16)}`
}

/** FNV-1a: node:crypto alone would take longer to load than all the rest takes to run. */
function addToHash(hash, text) {
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0
  return hash
}

// What a slow tool has found nothing wrong with, by all that it read: the same need not be judged twice.
//
// BEDPLATE_VERDICTS names a folder outside of the checkout, for a machine that judges one fresh clone after the other; else .cache/
// has them. What was wrong is never remembered, and losing the file loses no result.
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const FOLDER = process.env.BEDPLATE_VERDICTS ?? join(ROOT, '.cache')
const FILE = join(FOLDER, 'verdicts.json')
/** Branches change turn by turn; what nobody has come back to for so many others is forgotten. */
const MOST_KEPT = 200

/**
 * What names an input: the tool, the words that it is called with, and every byte that it reads.
 * @param words - Options and versions; no path that another clone would not have.
 * @param files - Relative to the root.
 */
export function keyOf(words, files) {
  const hash = createHash('sha256').update(JSON.stringify(words))
  for (const file of [...files].sort()) {
    const bytes = readFileSync(join(ROOT, file))
    hash.update(`\n${file} ${bytes.length}\n`).update(bytes)
  }
  return hash.digest('hex')
}

export function wasGood(key) {
  return read().includes(key)
}

/** Two that write at once lose one verdict at most. */
export function rememberGood(key) {
  const kept = [key, ...read().filter((each) => each !== key)].slice(0, MOST_KEPT)
  mkdirSync(FOLDER, { recursive: true })
  const unfinished = `${FILE}.${process.pid}`
  writeFileSync(unfinished, `${JSON.stringify(kept, null, 2)}\n`)
  renameSync(unfinished, FILE)
}

function read() {
  try {
    return JSON.parse(readFileSync(FILE, 'utf8'))
  } catch {
    return []
  }
}

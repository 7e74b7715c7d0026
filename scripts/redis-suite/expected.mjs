// What we are known to pass of Redis's tests, why not the rest, and what redis-server passes in the same way.
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const PATH = fileURLToPath(new URL('../../test/external/redis-suite.json', import.meta.url))
const UNKNOWN = 'not looked at yet'

/**
 * `files` by name: what `redis` passes, what `ours` does, in how many `seconds`, the names of what is missing by reason, and of what
 * redis-server itself does not pass in this way.
 */
export function readExpected() {
  return JSON.parse(readFileSync(PATH, 'utf8'))
}

/**
 * Puts results in the place of what was expected of these files. Reasons stay; what is newly missing has none yet. Files in which
 * redis-server passes nothing are left out.
 * @param baseline - What redis-server passed.
 */
export function updateExpected(results, baseline) {
  const expected = readExpected()
  for (const { file, passed, seconds } of results) {
    const { passed: theirs = [], failed: failsThere = [] } = baseline.find((each) => each.file === file) ?? {}
    if (theirs.length === 0) {
      delete expected.files[file]
      continue
    }
    const known = Object.entries(expected.files[file]?.missing ?? {})
    const missing = {}
    const left = [...passed]
    for (const name of theirs) {
      const at = left.indexOf(name)
      if (at !== -1) left.splice(at, 1)
      else {
        const reason = known.find(([, names]) => names.includes(name))?.[0] ?? UNKNOWN
        missing[reason] ??= []
        missing[reason].push(name)
      }
    }
    const count = theirs.length - Object.values(missing).flat().length
    const there = failsThere.length === 0 ? {} : { failsThere }
    expected.files[file] = { redis: theirs.length, ours: count, seconds, missing, ...there }
  }
  writeFileSync(PATH, `${JSON.stringify(expected, null, 2)}\n`)
}

/** What is to be said at the end of a run, and whether all passed that should. */
export function judge(results, expected) {
  const lines = []
  let isGood = true
  let passed = 0
  let wanted = 0
  for (const { file, passed: names, failed, problem } of results) {
    const { redis = names.length, ours = 0, missing = {}, failsThere = [] } = expected.files[file] ?? {}
    const known = new Set([...Object.values(missing).flat(), ...failsThere])
    const wrong = failed.filter((name) => !known.has(name))
    if (wrong.length > 0) {
      isGood = false
      lines.push(`redis-suite: ${file} fails what it passed: ${wrong.map((name) => `"${name}"`).join(', ')}`)
    }
    // Some pass here and not there: they count for nothing, so that no figure is above 100 %.
    const count = Math.min(names.length, redis)
    passed += count
    wanted += redis
    if (problem === 'no server') isGood = false
    if (count >= ours) continue
    isGood = false
    lines.push(`redis-suite: ${file} passes ${count}, where ${ours} are expected`)
  }
  const all = Object.values(expected.files)
  const total = all.reduce((sum, { redis }) => sum + redis, 0)
  lines.push(`redis-suite: ${passed}/${wanted} over ${results.length} of ${all.length} files; ${total} in all`)
  return { lines, isGood }
}

/** The table of docs/systems/cache.md. */
export function showTable({ files }) {
  const rows = Object.entries(files).map(([file, { redis, ours, missing }]) => {
    const reasons = Object.entries(missing).map(([reason, names]) => `${reason}: ${namesOf(names)}`)
    return `| ${file} | ${ours} | ${redis} | ${escaped(reasons.join('; '))} |`
  })
  const sum = (field) => Object.values(files).reduce((total, file) => total + file[field], 0)
  const last = `| all | ${sum('ours')} | ${sum('redis')} | |`
  return ['| file | passes | redis-server | what is missing |', '| --- | --- | --- | --- |', ...rows, last].join('\n')
}

/** Each name once, with how often it is meant. */
function namesOf(names) {
  const counts = new Map()
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1)
  return [...counts].map(([name, count]) => `"${name}"${count > 1 ? ` (${count} times)` : ''}`).join(', ')
}

function escaped(text) {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;')
}

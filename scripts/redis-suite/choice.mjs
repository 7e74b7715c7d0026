// Which files of Redis's tests a run of `npm run test:redis-suite` is made of.
import { spawnSync } from 'node:child_process'

const DAY_MS = 86_400_000
/** What a file takes of which nothing is known. */
const USUAL_SECONDS = 10

/** Sources, and the files that test them. The first that fits counts; what no line knows is tested by nothing. */
const TESTED_BY = [
  [/^ts\/cache\/commands\/(?:strings|lcs)\./, ['unit/type/string', 'unit/type/incr']],
  [/^ts\/cache\/(?:commands\/lists|keyspace\/list)\./, ['unit/type/list']],
  [/^ts\/cache\/(?:commands\/sets|keyspace\/set)\./, ['unit/type/set']],
  [/^ts\/cache\/(?:commands\/sorted-set|keyspace\/sorted-set)/, ['unit/type/zset']],
  [/^ts\/cache\/(?:commands\/hashes|keyspace\/hash)\./, ['unit/type/hash']],
  [/^ts\/cache\/(?:commands\/stream|keyspace\/stream)/, ['unit/type/stream', 'unit/type/stream-cgroups']],
  [/^ts\/cache\/commands\/sort\./, ['unit/sort']],
  [/^ts\/cache\/commands\/scan\./, ['unit/scan']],
  [/^ts\/cache\/commands\/bit/, ['unit/bitops', 'unit/bitfield']],
  [/^ts\/cache\/commands\/geo/, ['unit/geo']],
  [/^ts\/cache\/commands\/hyperloglogs\./, ['unit/hyperloglog']],
  [/^ts\/cache\/commands\/(?:expiry|keys|dump)\./, ['unit/expire', 'unit/keyspace', 'unit/dump']],
  [/^ts\/cache\/commands\/transactions\./, ['unit/multi']],
  [/^ts\/cache\/commands\/pubsub/, ['unit/pubsub', 'unit/pubsubshard']],
  [/^ts\/cache\/commands\/tracking/, ['unit/tracking']],
  [/^ts\/cache\/commands\/(?:slow|redaction)/, ['unit/slowlog', 'unit/latency-monitor']],
  [/^ts\/cache\/commands\/(?:introspection|monitor|statistics)/, ['unit/introspection-2', 'unit/info-command']],
  [/^ts\/cache\/(?:scripting\/|commands\/(?:scripting|functions)\.)/, ['unit/scripting', 'unit/functions']],
  // The files about users, replicas and clusters begin servers of their own; these have to do with them and do not.
  [/^ts\/cache\/(?:acl\/|commands\/(?:acl|rights)\.)/, ['unit/other', 'unit/scripting', 'unit/introspection-2']],
  [/^ts\/cache\/(?:replication\/|commands\/replication)/, ['unit/multi', 'unit/expire', 'unit/type/list']],
  [/^ts\/cache\/commands\/key-specs\./, ['unit/introspection-2']],
  [/^ts\/cache\/cluster\//, []],
  [/^ts\/wire\/resp\//, ['unit/protocol', 'unit/querybuf', 'unit/pendingquerybuf']],
  [/^ts\/cache\/server\/.*settings/, ['unit/introspection', 'unit/other']],
  [/^ts\/cache\/persistence\//, ['unit/dump', 'unit/other']],
  [/^ts\/cache\/(?:commands|keyspace|server)\//, ['unit/multi', 'unit/introspection', 'unit/protocol', 'unit/pause']],
]

/**
 * @param all - The names of all files.
 * @param expected - What is known of each: `seconds`.
 * @param options - `files`, or `changed` and `third` with what was said behind them in `positionals`, and `budget` in seconds. `day`
 *   counts days, today unless given.
 */
export function chooseFiles(all, expected, { files, changed, third, positionals, budget, day = today() }) {
  if (files !== undefined) return files.split(',')
  if (changed !== true && third !== true) return all
  const chosen = changed === true ? filesFor(changedSources(positionals.find((word) => !/^[123]$/.test(word)))) : []
  if (third === true) {
    const which = Number(positionals.find((word) => /^[123]$/.test(word)) ?? 1 + (day % 3))
    const parts = partsOf(
      all.filter((_, index) => index % 3 === which - 1),
      (file) => expected.files[file]?.seconds ?? USUAL_SECONDS,
      budget,
    )
    const turn = Math.floor(day / 3) % parts.length
    process.stdout.write(`redis-suite: part ${turn + 1} of ${parts.length} of the third ${which}\n`)
    chosen.push(...(parts[turn] ?? []))
  }
  return all.filter((file) => chosen.includes(file))
}

function today() {
  return Math.floor(Date.now() / DAY_MS)
}

/** Cuts a list into parts that take no longer than `budget`, unless one file alone does. */
function partsOf(files, secondsOf, budget) {
  const parts = []
  let left = -1
  for (const file of files) {
    const seconds = secondsOf(file)
    if (left < seconds) {
      parts.push([])
      left = budget
    }
    parts.at(-1).push(file)
    left -= seconds
  }
  return parts
}

function changedSources(reference = 'HEAD~1') {
  const { status, stdout, stderr } = spawnSync('git', ['diff', '--name-only', reference], { encoding: 'utf8' })
  // The first commit has none before it, and a shallow clone does not know: then nothing is known to have changed.
  if (status !== 0) process.stdout.write(`redis-suite: git diff ${reference}: ${stderr}`)
  return status === 0 ? stdout.split('\n') : []
}

/** The test files of sources. */
function filesFor(sources) {
  return sources.flatMap((source) => TESTED_BY.find(([pattern]) => pattern.test(source))?.[1] ?? [])
}

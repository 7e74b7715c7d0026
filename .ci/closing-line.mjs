// Adds up what the steps of .ci/run counted and prints the closing line, `N passed, N failed`. A step counts by its
// result file (vitest's, or `{passed, failed}`), else as one test. Ends with 1 on a failure.
import { existsSync, readdirSync, readFileSync } from 'node:fs'

const LOGS = '.cache/ci'
const RESULTS = '.cache/results'

const totals = { passed: 0, failed: 0 }
for (const file of readdirSync(LOGS).filter((name) => name.endsWith('.status'))) {
  const name = file.replace(/\.status$/, '')
  const good = readFileSync(`${LOGS}/${file}`, 'utf8').trim() === '0'
  const { passed, failed } = fromResults(name) ?? { passed: good ? 1 : 0, failed: 0 }
  totals.passed += passed
  totals.failed += good || failed > 0 ? failed : 1 // A step that broke outside any test is a failure too.
}
console.log(`${totals.passed} passed, ${totals.failed} failed`)
process.exitCode = totals.failed === 0 && totals.passed > 0 ? 0 : 1

function fromResults(name) {
  const path = `${RESULTS}/${name}.json`
  if (!existsSync(path)) return undefined
  const result = JSON.parse(readFileSync(path, 'utf8'))
  return { passed: result.passed ?? result.numPassedTests, failed: result.failed ?? result.numFailedTests }
}

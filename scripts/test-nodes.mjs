// npm run test:nodes -- [TEST FILE...]
//
// The unit tests, or those files of them, on the other Node versions we support, with the addon as it was built once: an
// addon of Node-API runs on all of them.
import { spawnSync } from 'node:child_process'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { provideNode } from './lib/nodes.mjs'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const VERSIONS = ['22.23.3', '24.21.0']

main()

function main() {
  if (process.platform !== 'linux') {
    print('test:nodes: the npm registry has Node for Linux only')
    process.exit(1)
  }
  const outcomes = VERSIONS.map((version) => ({ version, ok: runTests(version) }))
  for (const { version, ok } of outcomes) print(`${ok ? 'ok  ' : 'FAIL'} Node ${version}`)
  process.exitCode = outcomes.every(({ ok }) => ok) ? 0 : 1
}

function runTests(version) {
  const node = provideNode(process.arch, version)
  print(`test:nodes: ${spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim()}`)
  const results = `.cache/results/node-${version.split('.')[0]}.json`
  const args = ['run', '--project', 'unit', '--reporter=dot', '--reporter=json', `--outputFile.json=${results}`]
  const env = { ...process.env, PATH: `${dirname(node)}${delimiter}${process.env.PATH}` }
  const vitest = join(ROOT, 'node_modules/vitest/vitest.mjs')
  const { status } = spawnSync(node, [vitest, ...args, ...process.argv.slice(2)], { cwd: ROOT, stdio: 'inherit', env })
  return status === 0
}

function print(line) {
  process.stdout.write(`${line}\n`)
}

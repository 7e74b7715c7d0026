import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const BUILD = fileURLToPath(new URL('../../scripts/build.mjs', import.meta.url))

/**
 * Brings dist/ up to date once before the tests: workers, child processes and commands run from it. Type errors do not
 * stop them: `npm test` has refused those before.
 */
export default function setup(): void {
  const { status } = spawnSync(process.execPath, [BUILD, '--keep-going'], { stdio: 'inherit' })
  if (status !== 0) throw new Error(`scripts/build.mjs ended with status ${status}`)
}

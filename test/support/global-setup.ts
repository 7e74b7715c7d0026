import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { TestProject } from 'vitest/node'

const BUILD = fileURLToPath(new URL('../../scripts/build.mjs', import.meta.url))

/**
 * Brings dist/ up to date once before the tests: workers, child processes and commands run from it. Type errors do not
 * stop them: `npm test` has refused those before.
 */
export default function setup({ name }: TestProject): void {
  const { status } = spawnSync(process.execPath, [BUILD, '--keep-going'], { stdio: 'inherit' })
  if (status !== 0) throw new Error(`scripts/build.mjs ended with status ${status}`)
  // Every Node that tests start would read these certificates first, which takes three times as long as the rest of its
  // start. Only installing a package speaks to somebody whom they are for.
  if (name !== 'packaging') delete process.env['NODE_EXTRA_CA_CERTS']
}

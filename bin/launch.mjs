// What every command does before it is itself: in a checkout it builds what is stale; installed, there is nothing to do.
import { existsSync } from 'node:fs'

const COMMANDS = new URL('../dist/commands/bedplate.js', import.meta.url)
/** The tarball does not have this file: where it is, we are in a checkout. */
const FRESHNESS = new URL('../scripts/lib/freshness.mjs', import.meta.url)
const BUILD = new URL('../scripts/build.mjs', import.meta.url)

/** Runs `bedplate` with these arguments and sets the status that the process ends with. */
export async function launch(args) {
  if (existsSync(FRESHNESS)) await buildIfStale()
  const { main } = await import(COMMANDS.href)
  process.exitCode = await main(args)
}

/** Standard output belongs to the command, so whatever the build says goes to standard error. */
async function buildIfStale() {
  const { isTried } = await import(FRESHNESS.href)
  if (isTried()) return
  const { spawnSync } = await import('node:child_process')
  const { fileURLToPath } = await import('node:url')
  const { status } = spawnSync(process.execPath, [fileURLToPath(BUILD), '--keep-going'], { stdio: ['ignore', 2, 2] })
  if (status !== 0) process.exit(status ?? 1)
}

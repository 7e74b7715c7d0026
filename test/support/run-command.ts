// Runs the commands of the package as a user's shell would.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/** How a command ended. */
export interface Ended {
  status: number | null
  stdout: string
  stderr: string
}

/** The path of `bin/NAME`. */
export function binary(name: string): string {
  return join(ROOT, 'bin', name)
}

/** Runs `bin/NAME ...args` in `cwd` and waits for it. */
export function runCommand(
  name: string,
  args: readonly string[],
  options: { cwd?: string; input?: string | Uint8Array; env?: Record<string, string> } = {},
): Ended {
  const { cwd, input = '', env = {} } = options
  const { status, stdout, stderr } = spawnSync(process.execPath, [binary(name), ...args], {
    cwd,
    input,
    encoding: 'utf8',
    env: { ...process.env, ...env },
    maxBuffer: 1 << 28,
  })
  return { status, stdout, stderr }
}

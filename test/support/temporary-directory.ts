import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Makes an empty directory of the real disk; `remove` takes it away with all that is in it. */
export function temporaryDirectory(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'bedplate-'))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}

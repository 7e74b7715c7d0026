import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const SHARED_MEMORY = '/dev/shm'

/** Makes an empty directory of the real disk; `remove` takes it away with all that is in it. */
export function temporaryDirectory(): { path: string; remove: () => void } {
  return directoryIn(tmpdir())
}

/** Where files are memory, if the system has such a place: for tests that sync much and are not about that. */
export function directoryInMemory(): { path: string; remove: () => void } {
  return directoryIn(existsSync(SHARED_MEMORY) ? SHARED_MEMORY : tmpdir())
}

function directoryIn(parent: string): { path: string; remove: () => void } {
  const path = mkdtempSync(join(parent, 'bedplate-'))
  // Who was killed a moment ago may still be seen to write.
  return { path, remove: () => rmSync(path, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 }) }
}

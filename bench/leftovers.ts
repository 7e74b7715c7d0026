// What a benchmark must not leave behind, however it ends: processes that it has started, and directories that it has made.
import type { ChildProcess } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'

const children = new Set<ChildProcess>()
const directories = new Set<string>()

process.once('exit', () => {
  for (const child of children) child.kill('SIGKILL')
  for (const directory of directories) rmSync(directory, { recursive: true, force: true, maxRetries: 3 })
})
// As shells count them: 128 and the number of the signal.
process.once('SIGINT', () => process.exit(130))
process.once('SIGTERM', () => process.exit(143))

/** Ends the process with this one. */
export function owned<Child extends ChildProcess>(child: Child): Child {
  children.add(child)
  child.once('exit', () => children.delete(child))
  return child
}

/** A new directory in `parent`, which is made if need be; it is removed at the end, if it was not before. */
export function temporaryDirectory(parent: string, prefix: string): string {
  mkdirSync(parent, { recursive: true })
  const directory = mkdtempSync(join(parent, prefix))
  directories.add(directory)
  return directory
}

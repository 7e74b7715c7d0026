import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { LockKind } from '../../ts/io/disk.ts'

const DISK = new URL('../../dist/io/real-disk.js', import.meta.url).href

/**
 * Takes the lock of its working directory, says how that went, and holds it until its standard input ends. It becomes
 * another user only once it has loaded the code and stands in the directory: the way to either may be open to root alone.
 */
const PROGRAM = `
  const [kind, uid] = process.argv.slice(1)
  const { realDisk } = await import(${JSON.stringify(DISK)})
  if (uid !== undefined) process.setuid(Number(uid))
  try {
    const lock = realDisk.lock('.', kind)
    console.log('held')
    process.stdin.resume().on('end', () => { lock.release(); process.exit() })
  } catch (error) {
    console.log(error.code)
  }
`

/** Another process that tried to take a lock. */
export interface LockHolder {
  /** `held`, or the code of the error. */
  readonly outcome: string
  readonly pid: number
  /** Lets it release its lock and end. */
  release(): Promise<void>
  /** Ends it as a crash would. */
  kill(): Promise<void>
}

/** Starts a process that takes the lock of `directory`. As user `uid` if that is given, which only root may. */
export async function lockElsewhere(directory: string, kind: LockKind, uid?: number): Promise<LockHolder> {
  const words = uid === undefined ? [kind] : [kind, String(uid)]
  const child = spawn(process.execPath, ['--input-type=module', '-e', PROGRAM, ...words], {
    cwd: directory,
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines = createInterface(child.stdout)
  const [outcome] = (await Promise.race([once(lines, 'line'), once(lines, 'close')])) as [string | undefined]
  if (outcome === undefined) throw new Error(`the process that was to lock ${directory} ended without a word`)
  return {
    outcome,
    pid: child.pid as number,
    release: () => ended(child, () => child.stdin.end()),
    kill: () => ended(child, () => child.kill('SIGKILL')),
  }
}

async function ended(child: ChildProcess, end: () => void): Promise<void> {
  const exited = child.exitCode === null ? once(child, 'exit') : undefined
  end()
  await exited
}

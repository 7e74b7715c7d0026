// One build at a time in a checkout: a file that names its holder. A lock whose holder is dead is taken over.
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

const POLL_MS = 50
const PATIENCE_MS = 10 * 60_000

/** Runs `action` while holding the lock file at `path`, after waiting for whoever holds it now. */
export function withLock(path, action) {
  mkdirSync(dirname(path), { recursive: true })
  acquire(path)
  try {
    return action()
  } finally {
    rmSync(path, { force: true })
  }
}

function acquire(path) {
  const deadline = Date.now() + PATIENCE_MS
  // The lock appears with its holder's id already in it, so nobody ever reads an empty one.
  const own = `${path}.${process.pid}`
  writeFileSync(own, String(process.pid))
  try {
    while (!tryLink(own, path)) {
      removeIfDead(path)
      if (Date.now() > deadline) throw new Error(`another build has held ${path} for too long: remove it if none runs`)
      pause(POLL_MS)
    }
  } finally {
    rmSync(own, { force: true })
  }
}

function tryLink(own, path) {
  try {
    linkSync(own, path)
    return true
  } catch (error) {
    if (error.code === 'EEXIST') return false
    throw error
  }
}

/** Moves the lock of a dead holder aside. If another process was faster, the lock moved is a live one: put it back. */
function removeIfDead(path) {
  const holder = readHolder(path)
  if (holder === undefined || isAlive(holder)) return
  const aside = `${path}.${process.pid}.dead`
  try {
    renameSync(path, aside)
    if (readHolder(aside) !== holder) linkSync(aside, path)
  } catch (error) {
    if (error.code !== 'ENOENT' && error.code !== 'EEXIST') throw error
  } finally {
    rmSync(aside, { force: true })
  }
}

function readHolder(path) {
  try {
    return Number(readFileSync(path, 'utf8'))
  } catch (error) {
    if (error.code === 'ENOENT') return undefined
    throw error
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}

function pause(milliseconds) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds)
}

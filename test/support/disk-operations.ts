import fc from 'fast-check'
import { type Disk, type DiskFile, joinPath } from '../../ts/io/disk.ts'
import { codeOf } from './errors.ts'

const PATHS = ['a', 'b', 'd', 'd/a', 'd/b', 'd/d', 'd/d/a']
const path = fc.constantFrom(...PATHS)
const handle = fc.nat({ max: 5 })
const position = fc.nat({ max: 10_000 })

/** A call on a disk, as data. `handle` counts the files opened so far, modulo their number. */
export type DiskCall =
  | { call: 'open'; path: string; mode: 'read' | 'write' | 'create' }
  | { call: 'mkdir' | 'unlink' | 'rmdir' | 'list'; path: string }
  | { call: 'rename'; path: string; to: string }
  | { call: 'write'; handle: number; position: number; length: number; value: number }
  | { call: 'read'; handle: number; position: number; length: number }
  | { call: 'truncate'; handle: number; position: number }
  | { call: 'size' | 'sync' | 'close'; handle: number }

/** Any call. */
export const diskCall: fc.Arbitrary<DiskCall> = fc.oneof(
  fc.record({ call: fc.constant('open'), path, mode: fc.constantFrom('read', 'write', 'create', 'create') }),
  fc.record({ call: fc.constantFrom('mkdir', 'unlink', 'rmdir', 'list'), path }),
  fc.record({ call: fc.constant('rename'), path, to: path }),
  fc.record({
    call: fc.constant('write'),
    handle,
    position,
    length: fc.nat({ max: 9000 }),
    value: fc.integer({ min: 1, max: 255 }),
  }),
  fc.record({ call: fc.constant('read'), handle, position, length: fc.nat({ max: 9000 }) }),
  fc.record({ call: fc.constant('truncate'), handle, position }),
  fc.record({ call: fc.constantFrom('size', 'sync', 'close'), handle }),
) as fc.Arbitrary<DiskCall>

/** Performs the calls below `root` and says what each gave: a value or the code of its error. */
export function performCalls(disk: Disk, root: string, calls: readonly DiskCall[]): unknown[] {
  const files: DiskFile[] = []
  const at = (name: string): string => joinPath(root, name)
  const perform = (step: DiskCall): unknown => {
    switch (step.call) {
      case 'open':
        files.push(disk.open(at(step.path), step.mode))
        return 'opened'
      case 'list':
        return disk.list(at(step.path))
      case 'mkdir':
      case 'unlink':
      case 'rmdir':
        return disk[step.call](at(step.path))
      case 'rename':
        return disk.rename(at(step.path), at(step.to))
      default:
        return files.length === 0 ? 'no file' : performOnFile(files[step.handle % files.length] as DiskFile, step)
    }
  }
  const results = calls.map((step) => {
    let result: unknown
    return codeOf(() => (result = perform(step))) ?? result
  })
  for (const file of files) file.close()
  return results
}

/** All that is below `directory`: path to kind and content. */
export function contentOf(disk: Disk, directory: string): Map<string, string> {
  const found = new Map<string, string>()
  for (const name of disk.list(directory)) {
    const path = joinPath(directory, name)
    if (disk.kind(path) === 'directory') {
      found.set(name, 'directory')
      for (const [below, content] of contentOf(disk, path)) found.set(`${name}/${below}`, content)
    } else {
      const file = disk.open(path, 'read')
      found.set(name, readText(file, 0, file.size()))
      file.close()
    }
  }
  return found
}

function performOnFile(file: DiskFile, step: DiskCall): unknown {
  switch (step.call) {
    case 'write':
      return file.write(new Uint8Array(step.length).fill(step.value), step.position)
    case 'read':
      return readText(file, step.position, step.length)
    case 'truncate':
      return file.truncate(step.position)
    case 'size':
      return file.size()
    case 'sync':
      return file.syncNow()
    case 'close':
      return file.close()
    default:
      throw new Error(`${step.call} is not a call on a file`)
  }
}

function readText(file: DiskFile, position: number, length: number): string {
  const target = new Uint8Array(length).fill(0xee)
  const count = file.read(target, position)
  return `${count}: ${new TextDecoder('latin1').decode(target)}`
}

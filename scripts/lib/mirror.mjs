// Makes one folder equal to another without ever showing a reader a half-written file.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'

/**
 * Brings `target` to what `source` holds, without the files for which `isWanted(path in it)` is false. Equal files stay
 * untouched; others are replaced by a rename, so a process that is reading `target` meanwhile sees each file either as
 * it was or as it will be.
 */
export function mirror(source, target, isWanted) {
  const wanted = filesBelow(source).filter(isWanted)
  for (const file of wanted) {
    const from = join(source, file)
    const to = join(target, file)
    if (existsSync(to) && readFileSync(from).equals(readFileSync(to))) continue
    mkdirSync(dirname(to), { recursive: true })
    cpSync(from, `${to}.new`)
    renameSync(`${to}.new`, to)
  }
  const kept = new Set(wanted)
  for (const file of filesBelow(target)) if (!kept.has(file)) rmSync(join(target, file))
}

function filesBelow(folder) {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
}

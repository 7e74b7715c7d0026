// Plays the ```console blocks of a document as a reader would: every line that begins with `$` is typed into a shell in
// one directory of the document's own, and what it prints is compared with the lines below it. A line that is exactly
// `...` stands for any number of lines. What goes to standard error belongs to the output, as on a terminal. Blocks that begin
// with ```js and a name are files of that directory, in which the package is installed.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { CodeBlock, FileBlock } from './documents.ts'
import { binary } from './run-command.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const COMMANDS = ['bedplate', 'kvstore', 'lsmstore']

/** A command of a block: what the document says that it prints, and what it prints. */
export interface PlayedCommand {
  where: string
  command: string
  written: string[]
  printed: string[]
}

/** Runs all commands of all blocks, in order, where `files` lie. */
export function playBlocks(blocks: readonly CodeBlock[], files: readonly FileBlock[] = []): PlayedCommand[] {
  const home = mkdtempSync(join(tmpdir(), 'bedplate-'))
  try {
    const path = makePath(join(home, '.path'))
    const cwd = join(home, 'reader')
    mkdirSync(cwd)
    mkdirSync(join(home, 'node_modules'))
    symlinkSync(ROOT, join(home, 'node_modules/bedplate'))
    symlinkSync(join(ROOT, 'node_modules/ioredis'), join(home, 'node_modules/ioredis'))
    for (const { name, text } of files) writeFileSync(join(cwd, name), text)
    return blocks.flatMap((block) =>
      commandsOf(block).map((command) => ({ ...command, printed: run(command.command, cwd, path) })),
    )
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}

/** Says whether `printed` is what `written` stands for. */
export function matches(written: readonly string[], printed: readonly string[]): boolean {
  const [line, ...rest] = written
  if (line === undefined) return printed.length === 0
  if (line !== '...') return line === printed[0] && matches(rest, printed.slice(1))
  return Array.from({ length: printed.length + 1 }, (_, i) => i).some((skipped) =>
    matches(rest, printed.slice(skipped)),
  )
}

/** The commands of a block with what is written below each. Lines before the first command belong to none. */
function commandsOf({ document, line, text }: CodeBlock): Omit<PlayedCommand, 'printed'>[] {
  const commands: Omit<PlayedCommand, 'printed'>[] = []
  for (const [index, content] of text.trimEnd().split('\n').entries()) {
    if (content.startsWith('$ ')) {
      commands.push({ where: `${document}:${line + index}`, command: content.slice(2), written: [] })
    } else commands.at(-1)?.written.push(content)
  }
  return commands
}

function run(command: string, cwd: string, path: string): string[] {
  const { stdout, status } = spawnSync('sh', ['-c', `{ ${command}\n} 2>&1`], {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, PATH: path },
  })
  if (status === null) throw new Error(`${command}: it was killed`)
  const text = stdout.replace(/\n$/, '')
  return text === '' ? [] : text.split('\n')
}

/** A PATH with our commands, the node that runs this, and an `npx` that runs what is there instead of fetching it. */
function makePath(folder: string): string {
  mkdirSync(folder)
  for (const name of COMMANDS) symlinkSync(binary(name), join(folder, name))
  writeFileSync(join(folder, 'npx'), '#!/bin/sh\nexec "$@"\n', { mode: 0o755 })
  return [folder, dirname(process.execPath), process.env['PATH'] ?? ''].join(delimiter)
}

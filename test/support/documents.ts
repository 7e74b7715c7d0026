// Code blocks of the documents, for tests that run them.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/** A fenced block. */
export interface CodeBlock {
  /** The document, relative to the root of the repository. */
  document: string
  /** The number of the line behind the fence, from 1. */
  line: number
  text: string
}

/** A block that is a file of its reader's. */
export interface FileBlock extends CodeBlock {
  name: string
}

/** The blocks of `document` that begin with three backticks and `language`, in order. */
export function codeBlocks(document: string, language: string): CodeBlock[] {
  return blocksOf(document).filter((block) => block.opening === language)
}

/** The blocks that begin with three backticks, `js` and the name of a file. */
export function fileBlocks(document: string): FileBlock[] {
  return blocksOf(document).flatMap((block) => {
    const name = /^js ([\w.-]+)$/.exec(block.opening)?.[1]
    return name === undefined ? [] : [{ ...block, name }]
  })
}

function blocksOf(document: string): (CodeBlock & { opening: string })[] {
  const blocks: (CodeBlock & { opening: string })[] = []
  let open: { opening: string; line: number; lines: string[] } | undefined
  for (const [index, line] of readFileSync(join(ROOT, document), 'utf8').split('\n').entries()) {
    if (!line.startsWith('```')) open?.lines.push(line)
    else if (open === undefined) open = { opening: line.slice(3).trim(), line: index + 2, lines: [] }
    else {
      blocks.push({ document, opening: open.opening, line: open.line, text: `${open.lines.join('\n')}\n` })
      open = undefined
    }
  }
  if (open !== undefined) throw new Error(`${document}:${open.line - 1}: this block has no end`)
  return blocks
}

/** The documents in `folder`, relative to the root; none if there is no such folder. */
export function documentsIn(folder: string): string[] {
  if (!existsSync(join(ROOT, folder))) return []
  return readdirSync(join(ROOT, folder))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `${folder}/${name}`)
}

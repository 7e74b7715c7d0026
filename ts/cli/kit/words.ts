// A line taken apart as a shell does it, without variables, patterns and everything else.
import { UsageError } from './program.ts'

/** A piece of a word: bare characters, `'as it is'`, `"with \" and \\"`, or a backslash before any character. */
const PIECE = /[^\s'"\\]+|'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)/y
const SPACE = /\s*/y

/**
 * The words of `line`; none for an empty one and for a comment, which begins with #.
 * @throws UsageError if a quote is never closed, or a backslash is the last character.
 *
 * @example
 * wordsOf(`set name 'Ada Lovelace'`) // ['set', 'name', 'Ada Lovelace']
 */
export function wordsOf(line: string): string[] {
  const words: string[] = []
  let at = skip(SPACE, line, 0)
  while (at < line.length && !(words.length === 0 && line[at] === '#')) {
    let word = ''
    while (at < line.length && !/\s/.test(line[at] as string)) {
      PIECE.lastIndex = at
      const match = PIECE.exec(line)
      if (match === null) throw new UsageError(`a quote or a backslash at character ${at + 1} has no end`)
      const [all, single, double, escaped] = match
      word += single ?? double?.replaceAll(/\\(["\\])/g, '$1') ?? escaped ?? all
      at += all.length
    }
    words.push(word)
    at = skip(SPACE, line, at)
  }
  return words
}

function skip(pattern: RegExp, line: string, at: number): number {
  pattern.lastIndex = at
  return at + (pattern.exec(line)?.[0].length ?? 0)
}

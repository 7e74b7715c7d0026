// Redis's quoting, for inline commands and wherever people type commands: sds.c, sdssplitargs.
//
//   bare            up to the next white space
//   "double"        \n \r \t \b \a, \xHH for a byte, any other character after \ stands for itself
//   'single'        \' alone is special
//
// A closing quote must be followed by white space or the end. A zero byte ends the line: to Redis it is a C string.

const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
  ['b', '\b'],
  ['a', '\x07'],
])
const SPACE = /[ \t\n\v\f\r]/

/**
 * Splits a line into arguments. O(length).
 * @param line - Characters of 0 to 255, without the line's end.
 * @returns The arguments, none for a blank line; undefined if a quote is not closed or is closed in the middle of a word.
 */
export function splitInline(line: string): string[] | undefined {
  const zero = line.indexOf('\0')
  const text = zero === -1 ? line : line.slice(0, zero)
  const args: string[] = []
  let at = 0
  for (;;) {
    while (at < text.length && SPACE.test(text.charAt(at))) at++
    if (at >= text.length) return args
    const word = readWord(text, at)
    if (word === undefined) return undefined
    args.push(word.text)
    at = word.end
  }
}

/**
 * One argument; a quote may open anywhere in it, but ends it. Words are joined from their characters: a text to which V8 adds
 * one character at a time is a tree of 32 bytes a character until it is read.
 */
function readWord(text: string, start: number): { text: string; end: number } | undefined {
  const word: string[] = []
  let at = start
  while (at < text.length) {
    const character = text.charAt(at)
    if (SPACE.test(character)) break
    if (character === '"' || character === "'") {
      const quoted = character === '"' ? readDouble(text, at + 1) : readSingle(text, at + 1)
      if (quoted === undefined) return undefined
      const after = text.charAt(quoted.end)
      if (after !== '' && !SPACE.test(after)) return undefined
      return { text: word.join('') + quoted.text, end: quoted.end }
    }
    word.push(character)
    at++
  }
  return { text: word.join(''), end: at }
}

/** From after the opening quote to after the closing one. */
function readDouble(text: string, start: number): { text: string; end: number } | undefined {
  const word: string[] = []
  for (let at = start; at < text.length; at++) {
    const character = text.charAt(at)
    if (character === '"') return { text: word.join(''), end: at + 1 }
    if (character !== '\\' || at + 1 >= text.length) {
      word.push(character)
      continue
    }
    const byte = /^x([0-9a-fA-F]{2})/.exec(text.slice(at + 1, at + 4))?.[1]
    if (byte === undefined) {
      const escaped = text.charAt(at + 1)
      word.push(ESCAPES.get(escaped) ?? escaped)
      at += 1
    } else {
      word.push(String.fromCharCode(Number.parseInt(byte, 16)))
      at += 3
    }
  }
  return undefined
}

function readSingle(text: string, start: number): { text: string; end: number } | undefined {
  const word: string[] = []
  for (let at = start; at < text.length; at++) {
    const character = text.charAt(at)
    if (character === "'") return { text: word.join(''), end: at + 1 }
    if (character === '\\' && text.charAt(at + 1) === "'") {
      word.push("'")
      at++
    } else word.push(character)
  }
  return undefined
}

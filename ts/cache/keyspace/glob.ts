// Redis's patterns (util.c, stringmatchlen): * any run, ? any byte, [abc] [^abc] [a-z] a class, \ takes the next byte as it is.
// A class that is not closed ends with the pattern. Matching goes back to the last star only, so it takes O(pattern x text) at
// most, where going back to every star would take exponential time.

type Token =
  | { readonly kind: 'byte'; readonly byte: number }
  | { readonly kind: 'any' }
  | { readonly kind: 'run' }
  | { readonly kind: 'class'; readonly isNegated: boolean; readonly ranges: readonly (readonly [number, number])[] }

/** A pattern made ready to be matched against many texts. */
export class Glob {
  /** True for `*`: everything matches. */
  readonly matchesAll: boolean
  readonly #tokens: readonly Token[]

  /** @param pattern - Characters of 0 to 255; every pattern is valid. */
  constructor(pattern: string) {
    this.#tokens = parse(pattern)
    this.matchesAll = pattern === '*'
  }

  matches(text: string): boolean {
    if (this.matchesAll) return true
    const tokens = this.#tokens
    let token = 0
    let at = 0
    let star = -1
    let starAt = 0
    // Invariant: the tokens before `token` match the text before `at`, with the last run as short as it can be.
    while (at < text.length) {
      const current = tokens[token]
      if (current?.kind === 'run') {
        star = token++
        starAt = at
      } else if (current !== undefined && matchesByte(current, text.charCodeAt(at))) {
        token++
        at++
      } else if (star !== -1) {
        token = star + 1
        at = ++starAt
      } else return false
    }
    while (tokens[token]?.kind === 'run') token++
    return token === tokens.length
  }
}

function matchesByte(token: Token, byte: number): boolean {
  switch (token.kind) {
    case 'byte':
      return token.byte === byte
    case 'any':
      return true
    case 'class':
      return token.ranges.some(([low, high]) => byte >= low && byte <= high) !== token.isNegated
    default:
      return false
  }
}

function parse(pattern: string): Token[] {
  const tokens: Token[] = []
  let at = 0
  while (at < pattern.length) {
    const character = pattern.charAt(at)
    if (character === '*') {
      if (tokens.at(-1)?.kind !== 'run') tokens.push({ kind: 'run' })
      at++
    } else if (character === '?') {
      tokens.push({ kind: 'any' })
      at++
    } else if (character === '[') {
      const { token, end } = parseClass(pattern, at + 1)
      tokens.push(token)
      at = end
    } else {
      if (character === '\\' && at + 1 < pattern.length) at++
      tokens.push({ kind: 'byte', byte: pattern.charCodeAt(at++) })
    }
  }
  return tokens
}

/** From after the bracket to after the closing one. */
function parseClass(pattern: string, start: number): { token: Token; end: number } {
  let at = start
  const isNegated = pattern.charAt(at) === '^'
  if (isNegated) at++
  const ranges: [number, number][] = []
  while (at < pattern.length && pattern.charAt(at) !== ']') {
    if (pattern.charAt(at) === '\\' && at + 1 < pattern.length) {
      const byte = pattern.charCodeAt(at + 1)
      ranges.push([byte, byte])
      at += 2
    } else if (pattern.charAt(at + 1) === '-' && at + 2 < pattern.length) {
      const [from, to] = [pattern.charCodeAt(at), pattern.charCodeAt(at + 2)]
      ranges.push([Math.min(from, to), Math.max(from, to)])
      at += 3
    } else {
      const byte = pattern.charCodeAt(at++)
      ranges.push([byte, byte])
    }
  }
  return { token: { kind: 'class', isNegated, ranges }, end: Math.min(at + 1, pattern.length) }
}

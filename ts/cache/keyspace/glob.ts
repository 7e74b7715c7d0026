// Redis's patterns (util.c, stringmatchlen): * any run, ? any byte, [abc] [^abc] [a-z] a class, \ takes the next byte as it is.
// A class that is not closed ends with the pattern. Matching goes back to the last star only, so it takes O(pattern x text) at
// most, where going back to every star would take exponential time. The pattern is read where it is: it may be as long as a value.

const STAR = 0x2a
const QUESTION_MARK = 0x3f
const OPENING = 0x5b
const CLOSING = 0x5d
const CARET = 0x5e
const HYPHEN = 0x2d
const BACKSLASH = 0x5c

/** A pattern to be matched against many texts. */
export class Glob {
  /** True for `*`: everything matches. */
  readonly matchesAll: boolean
  readonly #pattern: string

  /** @param pattern - Characters of 0 to 255; every pattern is valid. */
  constructor(pattern: string) {
    this.#pattern = pattern
    this.matchesAll = pattern === '*'
  }

  matches(text: string): boolean {
    if (this.matchesAll) return true
    const pattern = this.#pattern
    let token = 0
    let at = 0
    let afterStar = -1
    let starAt = 0
    // Invariant: the pattern before `token` matches the text before `at`, with the last run as short as it can be.
    while (at < text.length) {
      if (pattern.charCodeAt(token) === STAR) {
        afterStar = ++token
        starAt = at
        if (token === pattern.length) return true
        continue
      }
      const next = token < pattern.length ? matchByte(pattern, token, text.charCodeAt(at)) : -1
      if (next !== -1) {
        token = next
        at++
      } else if (afterStar !== -1) {
        token = afterStar
        at = ++starAt
      } else return false
    }
    while (pattern.charCodeAt(token) === STAR) token++
    return token === pattern.length
  }
}

/** Where the element of the pattern at `token` ends if it matches the byte, else -1. */
function matchByte(pattern: string, token: number, byte: number): number {
  const character = pattern.charCodeAt(token)
  if (character === QUESTION_MARK) return token + 1
  if (character === OPENING) return matchClass(pattern, token + 1, byte)
  const isEscaped = character === BACKSLASH && token + 1 < pattern.length
  const literal = isEscaped ? token + 1 : token
  return pattern.charCodeAt(literal) === byte ? literal + 1 : -1
}

/** The same for a class, from after its opening bracket. */
function matchClass(pattern: string, start: number, byte: number): number {
  let at = start
  const isNegated = pattern.charCodeAt(at) === CARET
  if (isNegated) at++
  let isFound = false
  while (at < pattern.length && pattern.charCodeAt(at) !== CLOSING) {
    if (pattern.charCodeAt(at) === BACKSLASH && at + 1 < pattern.length) {
      if (pattern.charCodeAt(at + 1) === byte) isFound = true
      at += 2
    } else if (pattern.charCodeAt(at + 1) === HYPHEN && at + 2 < pattern.length) {
      const [from, to] = [pattern.charCodeAt(at), pattern.charCodeAt(at + 2)]
      if (byte >= Math.min(from, to) && byte <= Math.max(from, to)) isFound = true
      at += 3
    } else if (pattern.charCodeAt(at++) === byte) isFound = true
  }
  return isFound === isNegated ? -1 : Math.min(at + 1, pattern.length)
}

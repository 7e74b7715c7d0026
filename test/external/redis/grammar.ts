import type { Random } from '../../../ts/io/random.ts'

/**
 * Random commands from patterns such as `SET <key> <value> [ NX | XX ] { a b }`: words stand for themselves, `<name>` for what a
 * slot makes, `[ ]` for what may be left out, `( )` for one of several, `{ }` for what comes once to three times. Signs and words
 * have spaces between them.
 */
export class Pattern {
  readonly #sequence: readonly Part[]

  constructor(text: string) {
    const words = text.split(' ')
    const { branches } = parseBranches(words, 0)
    this.#sequence = branches[0] as readonly Part[]
  }

  make(random: Random, slots: Slots): string[] {
    const args: string[] = []
    makeAll(this.#sequence, random, slots, args)
    return args
  }
}

export type Slots = Readonly<Record<string, () => string>>

interface Group {
  readonly kind: '[' | '(' | '{'
  readonly branches: readonly (readonly Part[])[]
}

type Part = string | Group

const CLOSING: Readonly<Record<string, string>> = { '[': ']', '(': ')', '{': '}' }

function parseBranches(words: readonly string[], start: number): { branches: Part[][]; end: number } {
  const branches: Part[][] = [[]]
  let at = start
  for (; at < words.length; at++) {
    const word = words[at] as string
    if (Object.values(CLOSING).includes(word)) break
    if (word === '|') branches.push([])
    else if (CLOSING[word] === undefined) branches.at(-1)?.push(word)
    else {
      const group = parseBranches(words, at + 1)
      if (words[group.end] !== CLOSING[word]) throw new Error(`'${word}' is not closed in '${words.join(' ')}'`)
      branches.at(-1)?.push({ kind: word as Group['kind'], branches: group.branches })
      at = group.end
    }
  }
  return { branches, end: at }
}

function makeAll(parts: readonly Part[], random: Random, slots: Slots, args: string[]): void {
  for (const part of parts) {
    if (typeof part !== 'string') {
      const times = part.kind === '(' ? 1 : part.kind === '[' ? chance(random, 2) : 1 + chance(random, 3)
      for (let i = 0; i < times; i++) makeAll(pick(random, part.branches), random, slots, args)
    } else if (part.startsWith('<')) {
      const slot = slots[part.slice(1, -1)]
      if (slot === undefined) throw new Error(`no slot makes ${part}`)
      args.push(slot())
    } else args.push(part)
  }
}

/** A whole number below `bound`. */
export function chance(random: Random, bound: number): number {
  return Math.floor(random.next() * bound)
}

export function pick<T>(random: Random, all: readonly T[]): T {
  return all[chance(random, all.length)] as T
}

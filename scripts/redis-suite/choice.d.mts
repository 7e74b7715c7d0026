import type { Expected } from './expected.mjs'

export function chooseFiles(
  all: readonly string[],
  expected: Expected,
  options: {
    readonly files?: string
    readonly changed?: boolean
    readonly third?: boolean
    readonly positionals: readonly string[]
    readonly budget: number
    readonly day?: number
  },
): string[]

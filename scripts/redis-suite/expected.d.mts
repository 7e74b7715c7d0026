/** What one file is known to pass: here, and at redis-server; names of what is missing by reason. */
export interface ExpectedFile {
  readonly redis: number
  readonly ours: number
  readonly seconds: number
  readonly missing: Readonly<Record<string, readonly string[]>>
  /** What redis-server fails in this way: it counts for nothing. */
  readonly failsThere?: readonly string[]
}

export interface Expected {
  readonly files: Readonly<Record<string, ExpectedFile>>
}

export interface Result {
  readonly file: string
  readonly passed: readonly string[]
  readonly failed: readonly string[]
  readonly problem?: string | undefined
  readonly seconds: number
}

export function readExpected(): Expected
export function judge(results: readonly Result[], expected: Expected): { lines: string[]; isGood: boolean }
export function showTable(expected: Expected): string

/** Saves a snapshot when so many changes are that old: one of `save`. */
export interface SavePoint {
  readonly seconds: number
  readonly changes: number
}

/** Reads `3600 1 300 100`; '' is none. @returns Undefined if it is no such list. */
export function parseSavePoints(text: string): SavePoint[] | undefined {
  const words = text
    .trim()
    .split(/\s+/)
    .filter((word) => word !== '')
  if (words.length % 2 !== 0 || words.length > 64) return undefined
  const points: SavePoint[] = []
  for (let i = 0; i < words.length; i += 2) {
    const [seconds, changes] = [Number(words[i]), Number(words[i + 1])]
    if (!Number.isInteger(seconds) || !Number.isInteger(changes) || seconds < 1 || changes < 0) return undefined
    points.push({ seconds, changes })
  }
  return points
}

export function formatSavePoints(points: readonly SavePoint[]): string {
  return points.map(({ seconds, changes }) => `${seconds} ${changes}`).join(' ')
}

// What a writer writes that is going to be killed, and its judge expects: both know from this file alone what a batch holds.
// Batch n puts some keys and its mark, and removes all of batch n - KEPT.

export const KEPT = 30
export const KEYS = 20

export const keyOf = (batch, i) => `${String(batch).padStart(7, '0')}:${String(i).padStart(3, '0')}`
export const textOf = (batch, i) => `${batch} ${i} `.repeat(i === 7 ? 700 : 1 + (batch % 9))

export function operationsOf(batch) {
  const operations = [{ type: 'put', tree: 'marks', key: keyOf(batch, 0), value: '' }]
  for (let i = 0; i < KEYS; i++) operations.push({ type: 'put', key: keyOf(batch, i), value: textOf(batch, i) })
  if (batch < KEPT) return operations
  operations.push({ type: 'delete', tree: 'marks', key: keyOf(batch - KEPT, 0) })
  for (let i = 0; i < KEYS; i++) operations.push({ type: 'delete', key: keyOf(batch - KEPT, i) })
  return operations
}

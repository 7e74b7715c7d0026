/** Orders two byte strings as unsigned bytes, a prefix before what it begins: negative, 0 or positive. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length)
  for (let i = 0; i < shared; i++) {
    const difference = (a[i] as number) - (b[i] as number)
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

/** How many bytes `a` and `b` have in common at their beginning. */
export function commonPrefixLength(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length)
  let length = 0
  while (length < shared && a[length] === b[length]) length++
  return length
}

const STRINGS = '$=!'
const LISTS = '*~>'
const MAPS = '%|'

/**
 * Where the reply that begins at `start` ends; -1 if it is not whole. It knows nothing of our decoder, so that what it cuts
 * out is what was sent.
 */
export function endOfReply(text: string, start: number): number {
  const lineEnd = text.indexOf('\r\n', start)
  if (lineEnd === -1) return -1
  const type = text.charAt(start)
  const count = Number(text.slice(start + 1, lineEnd))
  let at = lineEnd + 2
  if (STRINGS.includes(type)) {
    if (count >= 0) at += count + 2
    return at <= text.length ? at : -1
  }
  const elements = LISTS.includes(type) ? count : MAPS.includes(type) ? 2 * count : 0
  for (let i = 0; i < elements; i++) {
    at = endOfReply(text, at)
    if (at === -1) return -1
  }
  // What an attribute speaks about belongs to it.
  return type === '|' ? endOfReply(text, at) : at
}

/** The replies that a text is made of, all of them whole. */
export function cutReplies(text: string): string[] {
  const replies: string[] = []
  for (let start = 0; start < text.length; ) {
    const end = endOfReply(text, start)
    if (end === -1) throw new Error(`no whole reply: ${JSON.stringify(text.slice(start, start + 200))}`)
    replies.push(text.slice(start, end))
    start = end
  }
  return replies
}

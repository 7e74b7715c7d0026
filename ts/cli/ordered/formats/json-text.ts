// Where a value stands in a JSON text. A number in it may have more digits than JavaScript's numbers keep, and an object
// its own order and spaces: only the text itself says exactly what was written.

/**
 * The text of the member `name` of an object; of the last one if there are several, as JSON.parse has it.
 * @param json - The text of an object that JSON.parse accepts. The time grows with its length alone.
 * @returns The value as it is written there; empty if there is no such member.
 */
export function memberText(json: string, name: string): string {
  let found = ''
  let nameStart = json.indexOf('"')
  while (nameStart >= 0) {
    const nameEnd = endOfString(json, nameStart)
    const start = json.indexOf(':', nameEnd) + 1
    const end = endOfValue(json, start)
    if (JSON.parse(json.slice(nameStart, nameEnd)) === name) found = json.slice(start, end).trim()
    nameStart = json.indexOf('"', end)
  }
  return found
}

/** Behind the closing quote of the string that begins at `start`. */
function endOfString(json: string, start: number): number {
  let quote = start
  do quote = json.indexOf('"', quote + 1)
  while (backslashesBefore(json, quote) % 2 === 1)
  return quote + 1
}

function backslashesBefore(json: string, end: number): number {
  let at = end
  while (json[at - 1] === '\\') at--
  return end - at
}

/** The comma or the brace behind the value that begins at `start`. */
function endOfValue(json: string, start: number): number {
  let depth = 0
  for (let at = start; at < json.length; at++) {
    const character = json[at]
    if (depth === 0 && (character === ',' || character === '}')) return at
    if (character === '"') at = endOfString(json, at) - 1
    else if (character === '{' || character === '[') depth++
    else if (character === '}' || character === ']') depth--
  }
  return json.length
}

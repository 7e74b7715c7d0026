import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

/**
 * What a script was told, as `parseArgs` gives it. --help prints the comment that the script begins with and ends the process; so does
 * what there is not, with status 2.
 * @param script - The URL of the script.
 */
export function readArguments(script, options) {
  const path = fileURLToPath(script)
  let parsed
  try {
    parsed = parseArgs({ allowPositionals: true, options: { ...options, help: { type: 'boolean' } } })
  } catch (error) {
    process.stderr.write(`${error.message}\n\n${openingOf(path)}\n`)
    process.exit(2)
  }
  if (parsed.values.help !== true) return parsed
  process.stdout.write(`${openingOf(path)}\n`)
  process.exit(0)
}

/** The lines of comment that a file begins with. */
function openingOf(path) {
  const lines = readFileSync(path, 'utf8').split('\n')
  const end = lines.findIndex((line) => !line.startsWith('//'))
  return lines
    .slice(0, end)
    .map((line) => line.replace(/^\/\/ ?/, ''))
    .join('\n')
}

// The list of commands in docs/systems/cache.md is that of the table. UPDATE=1 writes it anew.
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { COMMANDS } from '../../ts/cache/commands/table.ts'

const PAGE = fileURLToPath(new URL('../../docs/systems/cache.md', import.meta.url))
const GROUPS =
  /^(?:bitmap|connection|geo|hash|hyperloglog|keyspace|list|pubsub|scripting|set|sortedset|stream|string|transaction)$/
const HEAD = '| group | commands |\n| --- | --- |\n'

it('the page of the cache lists the commands that there are', () => {
  const page = readFileSync(PAGE, 'utf8')
  const start = page.indexOf(HEAD)
  const text = start === -1 ? page : page.slice(0, start)
  const wanted = text + HEAD + rows()
  if (process.env['UPDATE'] === '1') writeFileSync(PAGE, wanted)
  else expect(page).toBe(wanted)
})

function rows(): string {
  const groups = new Map<string, string[]>()
  for (const { name, categories, subcommands } of COMMANDS.values()) {
    const group = categories.find((category) => GROUPS.test(category)) ?? 'server'
    const names = subcommands.size === 0 ? [name] : [...subcommands.keys()].map((each) => `${name} ${each}`)
    groups.set(group, [...(groups.get(group) ?? []), ...names.map((each) => each.toUpperCase())])
  }
  const sorted = [...groups].sort(([a], [b]) => a.localeCompare(b))
  return sorted.map(([group, names]) => `| ${group} | ${names.sort().join(', ')} |\n`).join('')
}

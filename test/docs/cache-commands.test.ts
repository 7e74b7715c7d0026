// The list of commands in docs/systems/cache.md is that of the table. UPDATE=1 writes it anew.
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { COMMAND_SPECS } from '../../ts/cache/commands/specs.ts'
import { COMMANDS } from '../../ts/cache/commands/table.ts'
import { ABSENT, PARTIAL, REDIS_COMMANDS } from './redis-commands.ts'

const PAGE = fileURLToPath(new URL('../../docs/systems/cache.md', import.meta.url))
const GROUPS =
  /^(?:bitmap|connection|geo|hash|hyperloglog|keyspace|list|pubsub|scripting|set|sortedset|stream|string|transaction)$/
const HEAD = '| group | commands |\n| --- | --- |\n'

it('the page of the cache lists the commands that there are', () => {
  const page = readFileSync(PAGE, 'utf8')
  const start = page.indexOf(HEAD)
  const text = start === -1 ? page : page.slice(0, start)
  const wanted = text + HEAD + rows() + support()
  if (process.env['UPDATE'] === '1') writeFileSync(PAGE, wanted)
  else expect(page).toBe(wanted)
})

it('the page says of every command of Redis that is missing why it is', () => {
  expect(absent().filter((name) => reasonOf(name) === undefined)).toEqual([])
  expect(Object.keys(PARTIAL).filter((name) => !COMMAND_SPECS.has(name))).toEqual([])
  const needless = Object.keys(ABSENT).filter((name) =>
    absent().every((each) => each !== name && !each.startsWith(`${name}|`)),
  )
  expect(needless).toEqual([])
})

/** What is not whole, and what of Redis 7.0 is not there. */
function support(): string {
  const ours = REDIS_COMMANDS.length - absent().length
  const count = `${ours} of the ${REDIS_COMMANDS.length} commands and subcommands of Redis 7.0 are there`
  const parts = Object.entries(PARTIAL).map(([name, what]) => `| ${shown(name)} | ${what} |\n`)
  const reasons = new Map<string, string[]>()
  for (const name of absent()) {
    const reason = reasonOf(name) ?? '?'
    reasons.set(reason, [...(reasons.get(reason) ?? []), shown(name)])
  }
  const missing = [...reasons].map(([reason, names]) => `| ${names.join(', ')} | ${reason} |\n`)
  return `
${count}; these are not whole:

| command | what is otherwise |
| --- | --- |
${parts.join('')}
These are not there:

| commands | why |
| --- | --- |
${missing.join('')}`
}

function absent(): string[] {
  return REDIS_COMMANDS.filter((name) => !COMMAND_SPECS.has(name))
}

function reasonOf(name: string): string | undefined {
  return ABSENT[name] ?? ABSENT[name.split('|')[0] as string]
}

function shown(name: string): string {
  return name.replace('|', ' ').toUpperCase()
}

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

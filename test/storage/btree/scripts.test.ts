// Golden scripts for pages and splits (scripts/*.txt; the language: test/support/btree-script.ts). UPDATE=1 rewrites them.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { runScript } from '../../support/btree-script.ts'

const SCRIPTS = new URL('./scripts/', import.meta.url)

describe('a script of the tree', () => {
  it.each(readdirSync(SCRIPTS))('%s prints what it says', async (name) => {
    const file = new URL(name, SCRIPTS)
    const script = readFileSync(file, 'utf8')
    const now = await runScript(script)
    if (process.env['UPDATE'] === '1') writeFileSync(file, now)
    else expect(now).toBe(script)
  })
})

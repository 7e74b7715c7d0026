// Runs the TypeScript of test/ and bench/ in plain Node: `node --import ./scripts/typescript.mjs file.ts`.
//
// They are stripped of their types on load; imports that lead into ts/ are served from dist/, so what runs is the
// compiled product at full speed, and workers and native addon are found as users find them.
import { readFileSync } from 'node:fs'
import * as nodeModule from 'node:module'
import { fileURLToPath } from 'node:url'
import { isMainThread } from 'node:worker_threads'
import { transformSync } from '@swc/core'

const ROOT = new URL('../', import.meta.url).href
const SOURCES = new URL('../ts/', import.meta.url).href
const COMPILED = new URL('../dist/', import.meta.url).href

export function resolve(specifier, context, nextResolve) {
  if (!specifier.startsWith('.') || context.parentURL === undefined) return nextResolve(specifier, context)
  const { href } = new URL(specifier, context.parentURL)
  if (!href.startsWith(SOURCES)) return nextResolve(specifier, context)
  return nextResolve(COMPILED + href.slice(SOURCES.length).replace(/\.ts$/, '.js'), context)
}

export function load(url, context, nextLoad) {
  const ours = url.startsWith(ROOT) && url.endsWith('.ts') && !url.includes('/node_modules/')
  if (!ours) return nextLoad(url, context)
  const filename = fileURLToPath(url)
  const { code } = transformSync(readFileSync(filename, 'utf8'), {
    filename,
    sourceMaps: 'inline',
    swcrc: false,
    jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
  })
  return { format: 'module', source: code, shortCircuit: true }
}

// `register` loads this file once more, in a thread of its own, where it must not register again.
if (nodeModule.registerHooks !== undefined) nodeModule.registerHooks({ resolve, load })
else if (isMainThread) nodeModule.register(import.meta.url)

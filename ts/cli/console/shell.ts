// The console as a browser gets it: one page of several sections, and the modules behind it. Nothing comes from elsewhere, and the
// content security policy allows nothing else (docs/decisions/0014-web-console.md).
import type { Page } from '../../io/http.ts'
import { BASE_JS } from './browser/base.ts'
import { CACHE_HTML, CACHE_JS } from './browser/cache.ts'
import { FAULTS_JS } from './browser/faults.ts'
import { PARTITIONED_HTML, PARTITIONED_JS } from './browser/partitioned.ts'
import { RAFT_HTML, RAFT_JS, REPLAY_HTML, REPLAY_JS } from './browser/raft.ts'
import { RAFT_DRAWING_JS } from './browser/raft-drawing.ts'
import { REPLICATED_HTML, REPLICATED_JS } from './browser/replicated.ts'
import { SERVERS_HTML, SERVERS_JS } from './browser/servers.ts'
import { CONSOLE_CSS } from './browser/style.ts'

/** A part of the console: sections with their links, and the module that fills them. */
interface Part {
  readonly links: readonly (readonly [id: string, name: string])[]
  readonly html: string
  readonly script: string
}

const PARTS = {
  servers: { links: [['servers', 'Servers']], html: SERVERS_HTML, script: SERVERS_JS },
  cache: {
    links: [
      ['keys', 'Keys'],
      ['memory', 'Memory'],
      ['slowlog', 'Slow log'],
      ['cluster', 'Cluster'],
    ],
    html: CACHE_HTML,
    script: CACHE_JS,
  },
  'replicated-kv': { links: [['replicated-kv', 'Replication']], html: REPLICATED_HTML, script: REPLICATED_JS },
  'partitioned-kv': { links: [['partitioned-kv', 'Partitions']], html: PARTITIONED_HTML, script: PARTITIONED_JS },
  raft: { links: [['raft', 'Raft']], html: RAFT_HTML, script: RAFT_JS },
  replay: { links: [['replay', 'Raft, step by step']], html: REPLAY_HTML, script: REPLAY_JS },
} as const satisfies Record<string, Part>

/** Modules that several parts import. */
const SHARED: Readonly<Record<string, string>> = {
  '/base.js': BASE_JS,
  '/faults.js': FAULTS_JS,
  '/raft-drawing.js': RAFT_DRAWING_JS,
}

export type PartName = keyof typeof PARTS

/** Scripts and styles of ours alone: a key or value that is markup stays text. */
const HEADERS = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
}

/** The console of these parts, by path; undefined for what is none of its files. */
export function shellPage(parts: readonly PartName[], path: string): Page | undefined {
  if (path === '/') return file('text/html', htmlOf(parts))
  if (path === '/console.css') return file('text/css', CONSOLE_CSS)
  const shared = SHARED[path]
  if (shared !== undefined) return file('text/javascript', shared)
  if (path === '/console.js') return file('text/javascript', mainOf(parts))
  const part = parts.find((name) => path === `/${name}.js`)
  return part === undefined ? undefined : file('text/javascript', PARTS[part].script)
}

/** A page with the headers of the console. */
export function guarded(page: Page): Page {
  return { ...page, headers: HEADERS }
}

function file(type: string, body: string): Page {
  return { status: 200, type: `${type}; charset=utf-8`, body }
}

function htmlOf(parts: readonly PartName[]): string {
  const links = parts.flatMap((name): readonly (readonly [string, string])[] => PARTS[name].links)
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>bedplate</title>
<link rel="stylesheet" href="/console.css">
<link rel="icon" href="data:,">
<script type="module" src="/console.js"></script>
</head>
<body>
<header><h1>bedplate</h1><nav aria-label="Pages">${links.map(([id, name]) => `<a href="#${id}">${name}</a>`).join('')}</nav><p id="state" role="status">connecting</p></header>
<main>
${parts.map((name) => PARTS[name].html).join('\n')}
</main>
</body>
</html>
`
}

function mainOf(parts: readonly PartName[]): string {
  const imports = parts.map((name) => `import './${name}.js'`)
  return `${["import { start } from './base.js'", ...imports].join('\n')}\nstart()\n`
}

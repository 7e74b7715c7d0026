// The page of the console as the browser gets it. It draws its charts as plain SVG (docs/decisions/0014-web-console.md) and puts
// what comes from servers on the page as text, never as markup.

export const CONSOLE_HTML = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>bedplate</title>
<link rel="stylesheet" href="/console.css">
<link rel="icon" href="data:,">
<script src="/console.js" defer></script>
</head>
<body>
<header><h1>bedplate</h1><p id="state" role="status">connecting</p></header>
<main>
<section id="servers" aria-label="Servers"></section>
<section id="cache" aria-label="Cache" hidden>
<h2>Keys</h2>
<form id="search"><label>Pattern <input id="pattern" value="*" autocomplete="off" spellcheck="false"></label>
<button>Search</button> <button type="button" id="more" hidden>More</button></form>
<div class="columns"><ul id="keys" aria-label="Keys"></ul><div id="value" aria-live="polite">Choose a key.</div></div>
<h2>Slow log</h2>
<div id="slowlog"></div>
</section>
</main>
</body>
</html>
`

export const CONSOLE_CSS = `:root { color-scheme: light dark; --line: #8885; --accent: #2a78d0; }
* { box-sizing: border-box; }
body { margin: 0; font: 15px/1.45 system-ui, sans-serif; }
header { display: flex; gap: 1rem; align-items: baseline; padding: .6rem 1.2rem; border-bottom: 1px solid var(--line); }
h1 { font-size: 1.2rem; margin: 0; }
h2 { font-size: 1rem; margin: 1.4rem 0 .5rem; }
header p { margin: 0; opacity: .75; }
main { padding: 0 1.2rem 2rem; max-width: 75rem; }
code, td, #keys, dd { font-family: ui-monospace, monospace; font-size: .9em; }
.connection { display: flex; gap: .6rem; align-items: center; margin: .2rem 0; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: .8rem; margin-top: .8rem; }
figure { display: flex; flex-direction: column; margin: 0; padding: .5rem .7rem; border: 1px solid var(--line); border-radius: 6px; }
figcaption { font-size: .82rem; opacity: .8; min-height: 2.4em; }
figure strong { font-size: 1.15rem; font-variant-numeric: tabular-nums; }
svg { display: block; width: 100%; height: 44px; margin-top: auto; }
polyline { fill: none; stroke: var(--accent); stroke-width: 1.5; vector-effect: non-scaling-stroke; }
button { font: inherit; padding: .1rem .6rem; }
input { font: inherit; width: 18rem; max-width: 60vw; }
.columns { display: grid; grid-template-columns: minmax(12rem, 1fr) 2fr; gap: 1.2rem; margin-top: .6rem; }
#keys { list-style: none; margin: 0; padding: 0; max-height: 24rem; overflow: auto; border: 1px solid var(--line); }
#keys button { display: block; width: 100%; text-align: left; border: 0; background: none; color: inherit; padding: .15rem .6rem; }
#keys button:hover, #keys button[aria-current] { background: var(--line); }
table { border-collapse: collapse; }
td { padding: .1rem .8rem .1rem 0; vertical-align: top; overflow-wrap: anywhere; border-bottom: 1px solid var(--line); }
dl { display: grid; grid-template-columns: auto 1fr; gap: 0 1rem; margin: 0 0 .6rem; }
dd { margin: 0; }
`

export const CONSOLE_JS = `'use strict'
const POINTS = 120
const EVERY_MS = 1000
const byId = (id) => document.getElementById(id)
const history = new Map()

/** An element with text and children; never markup. */
function element(name, text = '', children = [], attributes = {}) {
  const made = document.createElement(name)
  if (text !== '') made.textContent = text
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value)
  made.append(...children)
  return made
}

async function ask(path) {
  const response = await fetch(path)
  if (!response.ok) throw new Error(path + ': ' + response.status)
  return response.json()
}

function shorten(value) {
  if (value >= 1e9) return (value / 1e9).toFixed(1) + ' G'
  if (value >= 1e6) return (value / 1e6).toFixed(1) + ' M'
  if (value >= 1e4) return (value / 1e3).toFixed(1) + ' k'
  return Number.isInteger(value) ? String(value) : value.toFixed(1)
}

/** Counters are shown as what they grow by in a second, gauges as they are. */
function note(key, metric, atMs) {
  const past = history.get(key) ?? { last: undefined, points: [] }
  history.set(key, past)
  let value = metric.value
  if (metric.kind === 'counter') {
    const { last } = past
    past.last = { value: metric.value, atMs }
    if (last === undefined) return past.points
    value = Math.max(0, (metric.value - last.value) / Math.max(0.001, (atMs - last.atMs) / 1000))
  }
  past.points.push(value)
  if (past.points.length > POINTS) past.points.shift()
  return past.points
}

function chart(points) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg')
  svg.setAttribute('viewBox', '0 0 ' + (POINTS - 1) + ' 40')
  svg.setAttribute('preserveAspectRatio', 'none')
  svg.setAttribute('aria-hidden', 'true')
  const high = Math.max(1, ...points)
  const line = document.createElementNS('http://www.w3.org/2000/svg', 'polyline')
  const place = (value, i) => POINTS - points.length + i + ',' + (39 - (38 * value) / high).toFixed(1)
  line.setAttribute('points', points.map(place).join(' '))
  svg.append(line)
  return svg
}

function figure(server, metric, atMs) {
  const points = note(server.name + ' ' + metric.name, metric, atMs)
  const now = points.length === 0 ? '' : shorten(points[points.length - 1])
  const unit = metric.kind === 'counter' ? ' a second' : ''
  const caption = element('figcaption', metric.help, [], { title: metric.name })
  return element('figure', '', [caption, element('strong', now + unit), chart(points)])
}

function connection(text) {
  const copy = element('button', 'Copy', [], { type: 'button' })
  copy.addEventListener('click', () => navigator.clipboard.writeText(text))
  return element('div', '', [element('code', text), copy], { class: 'connection' })
}

const shown = new Map()

function show(server, atMs) {
  let parts = shown.get(server.name)
  if (parts === undefined) {
    parts = { title: element('h2'), charts: element('div', '', [], { class: 'charts' }) }
    byId('servers').append(element('article', '', [parts.title, ...server.connections.map(connection), parts.charts]))
    shown.set(server.name, parts)
  }
  parts.title.textContent = server.name + ': ' + server.summary + ' at ' + server.address + (server.isReady ? '' : ' (not ready)')
  parts.charts.replaceChildren(...server.metrics.map((metric) => figure(server, metric, atMs)))
}

async function refresh() {
  try {
    const servers = await ask('/api/servers')
    const atMs = performance.now()
    for (const server of servers) show(server, atMs)
    byId('state').textContent = servers.length + (servers.length === 1 ? ' server' : ' servers')
    const hasCache = servers.some(({ name }) => name === 'cache')
    if (hasCache && byId('cache').hidden) {
      byId('cache').hidden = false
      await search()
    }
    if (hasCache) await showSlowlog()
  } catch (error) {
    byId('state').textContent = 'no answer: ' + error.message
  }
  setTimeout(refresh, EVERY_MS)
}

let cursor = '0'

async function search() {
  cursor = '0'
  byId('keys').replaceChildren()
  await addKeys()
}

async function addKeys() {
  const page = await ask('/api/cache/keys/' + cursor + '/' + encodeURIComponent(byId('pattern').value))
  cursor = page.cursor
  for (const { id, name } of page.keys) {
    const button = element('button', name, [], { type: 'button' })
    button.addEventListener('click', () => choose(button, id, name))
    byId('keys').append(element('li', '', [button]))
  }
  byId('more').hidden = cursor === '0'
}

async function choose(button, id, name) {
  for (const other of byId('keys').querySelectorAll('[aria-current]')) other.removeAttribute('aria-current')
  button.setAttribute('aria-current', 'true')
  const { type, encoding, ttlMs, bytes, rows = [] } = await ask('/api/cache/key/' + encodeURIComponent(id))
  const ends = ttlMs === null || ttlMs < 0 ? 'never' : 'in ' + (ttlMs / 1000).toFixed(1) + ' s'
  const facts = [['key', name], ['type', type], ['encoding', encoding ?? ''], ['expires', ends]]
  if (bytes !== null && bytes !== undefined) facts.push(['memory', bytes + ' bytes'])
  const list = element('dl', '', facts.flatMap(([word, value]) => [element('dt', word), element('dd', value)]))
  const table = element('table', '', rows.map((row) => element('tr', '', row.map((cell) => element('td', cell)))))
  byId('value').replaceChildren(list, table)
}

async function showSlowlog() {
  const { missing, entries = [] } = await ask('/api/cache/slowlog')
  if (missing) return byId('slowlog').replaceChildren('This server keeps none.')
  if (entries.length === 0) return byId('slowlog').replaceChildren('Nothing was slow.')
  const rows = entries.map(({ atSeconds, micros, command }) => {
    const cells = [new Date(atSeconds * 1000).toLocaleTimeString(), (micros / 1000).toFixed(1) + ' ms', command]
    return element('tr', '', cells.map((cell) => element('td', cell)))
  })
  byId('slowlog').replaceChildren(element('table', '', rows))
}

byId('search').addEventListener('submit', (event) => {
  event.preventDefault()
  search()
})
byId('more').addEventListener('click', addKeys)
refresh()
`

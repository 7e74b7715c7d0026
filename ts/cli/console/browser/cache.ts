// The pages of a cache: keys, memory, slow log, and the slots of a cluster.

export const CACHE_HTML = `<section data-page="keys" aria-label="Keys">
<form id="search" class="row">
<label>Pattern <input id="pattern" value="*" autocomplete="off" spellcheck="false"></label>
<label>Type <select id="type"><option value="">all</option><option>string</option><option>list</option><option>set</option><option>zset</option><option>hash</option><option>stream</option></select></label>
<label>Database <select id="database"><option value="0">0</option></select></label>
<label class="of-cluster" hidden>Node <select class="node"></select></label>
<button>Search</button>
</form>
<div class="columns">
<div class="card"><div id="key-list" class="scroll"></div><div class="row"><button type="button" id="more" hidden>More</button><span id="key-count" class="soft" role="status"></span></div></div>
<div class="card" id="value" aria-live="polite"><p class="soft">Choose a key.</p></div>
</div>
</section>
<section data-page="memory" aria-label="Memory">
<div class="row"><label class="of-cluster" hidden>Node <select class="node"></select></label></div>
<div class="columns">
<div class="card"><h2>Largest keys</h2><p id="sampled" class="soft"></p><div id="largest"></div></div>
<div class="card"><h2>INFO memory</h2><div id="memory-facts"></div></div>
</div>
</section>
<section data-page="slowlog" aria-label="Slow log">
<div class="row"><label class="of-cluster" hidden>Node <select class="node"></select></label></div>
<div class="card scroll" id="slow-commands"></div>
</section>
<section data-page="cluster" aria-label="Cluster">
<p id="no-cluster" class="soft" hidden>This cache is one server. <code>bedplate up --cluster --memory</code> starts it as a cluster whose nodes can be paused and killed here.</p>
<div id="of-cluster">
<p id="cluster-state" role="status"></p>
<div class="columns">
<div class="card scroll" id="cluster-nodes"></div>
<div class="card"><canvas id="slots" width="128" height="128" role="img" aria-label="Slots by node"></canvas><p class="soft" id="slot-of">Each dot is one of 16,384 slots: 128 a line, slot 0 at the top left.</p></div>
</div>
<h2>What has happened</h2>
<ol class="log card" id="cluster-log" reversed aria-live="polite"></ol>
</div>
</section>`

export const CACHE_JS = `import { ask, attempt, button, byId, change, confirmed, element, facts, Happenings, inBytes, inTime, lookAgain, say, table, update, whileShown } from './base.js'

let node = '0'
let database = '0'
let cursor = '0'
let chosen

// ---- Nodes

async function nodes() {
  const { nodes: all } = await ask('cache', 'nodes')
  for (const label of document.querySelectorAll('label.of-cluster')) label.hidden = all.length < 2
  for (const select of document.querySelectorAll('select.node')) {
    const options = all.map(({ name, state }, i) => {
      return element('option', state === 'running' ? name : name + ' (' + state + ')', [], { value: String(i) })
    })
    if (document.activeElement !== select) update(select, ...options)
    select.value = node
  }
}

for (const select of document.querySelectorAll('select.node')) {
  select.addEventListener('change', () => {
    node = select.value
    attempt(search)
    lookAgain()
  })
}

// ---- Keys

async function search() {
  cursor = '0'
  byId('key-list').replaceChildren(table(['Key', 'Type', '?Expires', '#Memory'], []))
  await addKeys()
}

async function addKeys() {
  const page = await ask('cache', node, 'keys', database, cursor, byId('type').value, byId('pattern').value)
  cursor = page.cursor
  const rows = table(
    ['Key', 'Type', '?Expires', '#Memory'],
    page.keys.map((key) => [button(key.name, () => choose(key), { class: 'link mono', 'data-id': key.id }), key.type, inTime(key.ttlMs), inBytes(key.bytes)]),
  ).tBodies[0]
  byId('key-list').querySelector('tbody').append(...rows.rows)
  byId('more').hidden = cursor === '0'
  const count = byId('key-list').querySelectorAll('tbody tr').length
  byId('key-count').textContent = count === 0 ? 'No key matches.' : count + (count === 1 ? ' key' : ' keys') + (cursor === '0' ? '' : ' so far')
  const known = new Map([[database, '']])
  for (const { index, keys } of page.databases) known.set(String(index), ' (' + keys + ' keys)')
  for (let i = 0; i < 16; i++) if (!known.has(String(i))) known.set(String(i), '')
  const options = [...known].sort((a, b) => a[0] - b[0]).map(([value, text]) => element('option', value + text, [], { value }))
  if (document.activeElement !== byId('database')) update(byId('database'), ...options)
  byId('database').value = database
}

async function choose(key) {
  chosen = key
  for (const row of byId('key-list').querySelectorAll('tbody tr')) {
    if (row.querySelector('button').dataset.id === key.id) row.setAttribute('aria-current', 'true')
    else row.removeAttribute('aria-current')
  }
  const { type, encoding, ttlMs, bytes, size, rows = [] } = await ask('cache', node, 'key', database, key.id)
  if (type === 'none') {
    byId('value').replaceChildren(element('p', 'The key ' + key.name + ' is not there any more.'))
    return
  }
  const unit = type === 'string' ? ' bytes' : ' elements'
  const list = facts([['key', key.name], ['type', type + ', ' + encoding], ['size', size + unit], ['expires', inTime(ttlMs)], ['memory', inBytes(bytes)]])
  const shown = type === 'string' ? element('pre', rows[0]?.[0] ?? '', [], { class: 'mono scroll', id: 'text' }) : valueTable(type, rows)
  const rest = type !== 'string' && rows.length < size ? [element('p', 'The first ' + rows.length + ' of ' + size + '.', [], { class: 'soft' })] : []
  const tools = element('div', '', [button('Look again', () => choose(key)), button('Delete', () => remove(key), { class: 'danger', id: 'delete' })], { class: 'row' })
  byId('value').replaceChildren(list, tools, element('div', '', [shown], { class: 'scroll' }), ...rest)
}

function valueTable(type, rows) {
  const heads = { list: ['#', 'Element'], set: ['Member'], hash: ['Field', 'Value'], zset: ['Member', '#Score'] }[type] ?? ['Id', 'Fields and values']
  if (type !== 'stream') return table(heads, rows)
  return table(heads, rows.map(([id, ...fields]) => [id, fields.map((field, i) => field + (i % 2 === 0 ? ': ' : i < fields.length - 1 ? ', ' : '')).join('')]))
}

async function remove(key) {
  if (!(await confirmed('Delete the key ' + key.name + '? It cannot be brought back.', 'Delete'))) return
  const { deleted } = await change('/api/cache/' + node + '/delete', { db: Number(database), id: key.id })
  say(deleted === 0 ? key.name + ' was gone already' : key.name + ' is deleted')
  byId('value').replaceChildren(element('p', 'Choose a key.', [], { class: 'soft' }))
  await search()
}

byId('search').addEventListener('submit', (event) => {
  event.preventDefault()
  attempt(search)
})
byId('type').addEventListener('change', () => attempt(search))
byId('database').addEventListener('change', () => {
  database = byId('database').value
  attempt(search)
})
byId('more').addEventListener('click', () => attempt(addKeys))
// Up and down go through the list, as in any list.
byId('key-list').addEventListener('keydown', (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
  const all = [...byId('key-list').querySelectorAll('button')]
  const next = all[all.indexOf(document.activeElement) + step]
  if (step === undefined || next === undefined) return
  event.preventDefault()
  next.focus()
})

let isSearched = false
whileShown('keys', 2000, async () => {
  await nodes()
  if (isSearched) return
  isSearched = true
  await search()
})

// ---- Memory

whileShown('memory', 3000, async () => {
  await nodes()
  const { facts: pairs, keyCount, sampledCount, largest } = await ask('cache', node, 'memory', database)
  byId('sampled').textContent = 'Of ' + sampledCount + ' keys that were drawn from ' + keyCount + ' of database ' + database + '.'
  update(byId('largest'), table(['Key', 'Type', '#Memory'], largest.map(({ name, type, bytes }) => [name, type, inBytes(bytes)])))
  update(byId('memory-facts'), table([], pairs))
})

// ---- Slow log

whileShown('slowlog', 1000, async () => {
  await nodes()
  const { missing, entries = [] } = await ask('cache', node, 'slowlog')
  if (missing || entries.length === 0) {
    const why = missing ? 'This server keeps none.' : 'Nothing was slow. CONFIG SET slowlog-log-slower-than says what is.'
    return update(byId('slow-commands'), element('p', why, [], { class: 'soft' }))
  }
  const rows = entries.map(({ atSeconds, micros, command, client }) => {
    return [new Date(atSeconds * 1000).toLocaleTimeString(), (micros / 1000).toFixed(2) + ' ms', command, client]
  })
  update(byId('slow-commands'), table(['At', '#Took', 'Command', '?Client'], rows))
})

// ---- Cluster

const SIDE = 128
const BUTTONS = { running: [['pause', 'Pause'], ['kill', 'Kill']], paused: [['resume', 'Resume'], ['kill', 'Kill']], down: [['start', 'Start']] }
let owners = []
const happenings = new Happenings(byId('cluster-log'))

async function hurt(each, fault) {
  happenings.add(each.name + ': ' + fault, true)
  await change('/api/cache/fault', { fault, node: each.node })
  lookAgain()
}

function stateOf(each) {
  const parts = [each.state === 'unknown' ? '' : each.state]
  if (each.isFailed) parts.push('failed, say the others')
  else if (each.isSuspected) parts.push('suspected')
  return parts.filter((part) => part !== '').join(', ')
}

function slotCount(each) {
  return each.ranges.reduce((sum, [first, last]) => sum + last - first + 1, 0)
}

function compare(nodes, state) {
  const now = new Map([['', 'the state of the cluster is ' + state]])
  for (const each of nodes) now.set(each.address, each.name + ' is a ' + each.role + ' with ' + slotCount(each) + ' slots; ' + stateOf(each))
  happenings.compare(now)
}

function draw(nodes) {
  owners = new Array(SIDE * SIDE).fill(undefined)
  nodes.forEach((each, i) => {
    for (const [first, last] of each.ranges) owners.fill({ each, hue: i % 8 }, first, last + 1)
  })
  const canvas = byId('slots')
  const style = getComputedStyle(document.documentElement)
  const bad = style.getPropertyValue('--bad')
  const context = canvas.getContext('2d')
  context.clearRect(0, 0, SIDE, SIDE)
  owners.forEach((owner, slot) => {
    if (owner === undefined) return
    const isServed = owner.each.state === 'running' && !owner.each.isFailed
    // A slot that nobody serves now is red, every other dot, so that it also shows without colour.
    context.fillStyle = isServed || (slot + Math.floor(slot / SIDE)) % 2 === 0 ? style.getPropertyValue('--hue-' + owner.hue) : bad
    context.fillRect(slot % SIDE, Math.floor(slot / SIDE), 1, 1)
  })
  const shares = nodes.map((each) => each.name + ' ' + slotCount(each)).join(', ')
  canvas.setAttribute('aria-label', 'Slots by node: ' + shares)
}

byId('slots').addEventListener('pointermove', (event) => {
  const { left, top, width } = byId('slots').getBoundingClientRect()
  const slot = Math.floor(((event.clientY - top) / width) * SIDE) * SIDE + Math.floor(((event.clientX - left) / width) * SIDE)
  const owner = owners[slot]
  byId('slot-of').textContent = 'Slot ' + slot + ': ' + (owner === undefined ? 'nobody' : owner.each.name + ' at ' + owner.each.address)
})

whileShown('cluster', 500, async () => {
  const { isCluster, state, epoch, nodes = [] } = await ask('cache', 'cluster')
  byId('no-cluster').hidden = isCluster
  byId('of-cluster').hidden = !isCluster
  if (!isCluster) return
  byId('cluster-state').textContent = 'State: ' + state + ', epoch ' + epoch
  byId('cluster-state').className = state === 'ok' ? 'good' : 'bad'
  compare(nodes, state)
  const { hasFaults } = await ask('cache', 'nodes')
  const rows = nodes.map((each, i) => {
    const name = element('span', '', [element('span', '', [], { class: 'swatch hue-' + (i % 8) }), each.name], { class: 'keep' })
    const of = each.role === 'replica' ? 'replica of ' + (nodes.find(({ address }) => address === each.master)?.name ?? '?') : 'master'
    const ranges = each.ranges.map(([first, last]) => (first === last ? first : first + '-' + last)).join(' ')
    const faults = hasFaults && each.node >= 0 ? BUTTONS[each.state] ?? [] : []
    const more = hasFaults && each.role === 'replica' && each.state === 'running' ? [['failover', 'Take over']] : []
    const tools = [...faults, ...more].map(([fault, word]) => {
      return button(word, () => hurt(each, fault), { 'data-fault': fault, 'data-node': each.name, 'aria-label': word + ' ' + each.name })
    })
    return [name, each.address, of, ranges, stateOf(each), element('span', '', tools, { class: 'keep' })]
  })
  update(byId('cluster-nodes'), table(['Node', '?Address', 'Role', 'Slots', 'State', ''], rows))
  draw(nodes)
})
`

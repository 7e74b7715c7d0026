// The page of a partitioned store: the ring as it is and as it becomes, what the nodes keep for each other, and buttons that hurt them.

export const PARTITIONED_HTML = `<section data-page="partitioned-kv" aria-label="Partitions">
<p id="ring-note" class="soft" hidden>These nodes are threads of one process. Those of <code>partitioned-kv --nodes=node1,node2,node3 --processes</code> and of <code>bedplate up --only partitioned-kv</code> can be hurt here.</p>
<div class="columns">
<div class="card"><svg id="key-ring" class="ring" viewBox="0 0 420 420" role="img"></svg><p class="soft" id="ring-words" role="status"></p></div>
<div class="card">
<h2>Nodes</h2>
<div id="ring-faults"></div>
<div class="row" id="ring-sides"></div>
<form class="row" id="ring-add"><label>Node <input id="ring-new" class="short" value="node4" autocomplete="off" spellcheck="false"></label><button>Add</button><button type="button" id="ring-abort" disabled>Give up the change</button><button type="button" id="ring-repair">Repair</button></form>
<h2>Keys</h2>
<form id="ring-form">
<div class="row"><label>Key <input id="ring-key" class="short" value="user:1" autocomplete="off" spellcheck="false"></label><label>Value <input id="ring-value" class="short" value="Alice" autocomplete="off" spellcheck="false"></label></div>
<div class="row"><label>By <select id="ring-node"></select></label><label>R <select id="ring-r"></select></label><label>W <select id="ring-w"></select></label></div>
<div class="row"><button>Set</button><button type="button" id="ring-beside">Set beside</button><button type="button" id="ring-get">Get</button><button type="button" id="ring-delete">Delete</button></div>
</form>
<p id="ring-answer" role="status" class="soft"></p>
</div>
</div>
<h2>What nodes keep</h2>
<div class="card scroll" id="ring-nodes"></div>
<h2>What has happened</h2>
<ol class="log card" id="ring-log" reversed aria-live="polite"></ol>
</section>`

export const PARTITIONED_JS = `import { answerIn, ask, attempt, button, byId, change, confirmed, element, Happenings, inBytes, offer, shape, shorten, table, update, whileShown } from './base.js'
import { Faults, stateOf } from './faults.js'

const API = '/api/partitioned-kv/'
const CENTRE = 210
const [INNER, OUTER] = [118, 150]
/** A track outside of the ring for each node that receives ranges; of further ones the table tells. */
const [TRACK, TRACKS] = [9, 6]
const faults = new Faults(API + 'faults', byId('ring-sides'))
const happenings = new Happenings(byId('ring-log'))
let drawn = ''
/** Where the key lies that was asked for last: its place, and the nodes that have it. */
let found

// ---- The ring

function pointAt(turn, radius) {
  const angle = 2 * Math.PI * turn
  return (CENTRE + radius * Math.sin(angle)).toFixed(2) + ' ' + (CENTRE - radius * Math.cos(angle)).toFixed(2)
}

/** A part of a band, from one place to another; 0 is on top, clockwise. A whole turn is drawn in halves. */
function arc(from, to, [inner, outer], name) {
  if (to - from > 0.5) {
    const middle = (from + to) / 2
    return [...arc(from, middle, [inner, outer], name), ...arc(middle, to, [inner, outer], name)]
  }
  const d = ['M', pointAt(from, outer), 'A', outer, outer, '0 0 1', pointAt(to, outer), 'L', pointAt(to, inner), 'A', inner, inner, '0 0 0', pointAt(from, inner), 'Z']
  return [shape('path', { d: d.join(' '), class: name })]
}

/** Parts of a band, one a run. */
function band(runs, radii, nameOf) {
  const total = runs.reduce((sum, [count]) => sum + count, 0)
  let at = 0
  return runs.flatMap(([count, what]) => {
    const from = at / total
    at += count
    const name = nameOf(what)
    return name === undefined ? [] : arc(from, at / total, radii, name)
  })
}

function text(words, y, name = '') {
  const made = shape('text', { x: CENTRE, y, class: name })
  made.textContent = words
  return made
}

function drawRing(view) {
  const { names, owners, moving, nodes, replicas, reads, writes, epoch, phase } = view
  const state = new Map(nodes.map(({ id, state }) => [id, state]))
  const key = JSON.stringify([names, owners, moving, [...state], epoch, phase, found])
  if (drawn === key) return
  drawn = key
  const hueOf = (index) => 'arc-' + (index % 8)
  const isAway = (index) => (state.get(names[index]) === 'running' ? '' : ' away')
  const parts = band(owners, [INNER, OUTER], (index) => (index < 0 ? undefined : hueOf(index) + isAway(index)))
  moving.slice(0, TRACKS).forEach(({ name, runs }, i) => {
    const inner = OUTER + 4 + i * TRACK
    parts.push(...band(runs, [inner, inner + TRACK - 3], (what) => (what === 0 ? undefined : hueOf(names.indexOf(name)) + (what === 1 ? ' coming' : ''))))
  })
  if (found !== undefined) {
    const [x1, y1] = pointAt(found.place, INNER - 14).split(' ')
    const [x2, y2] = pointAt(found.place, OUTER).split(' ')
    parts.push(shape('line', { x1, y1, x2, y2, class: 'key-at' }), shape('circle', { cx: x1, cy: y1, r: 4, class: 'key-at' }))
  }
  const count = names.length === 1 ? '1 node' : names.length + ' nodes'
  parts.push(text(count, CENTRE - 16, 'name'), text('N=' + replicas + ' R=' + reads + ' W=' + writes, CENTRE + 4), text('ring ' + epoch + ', ' + phase, CENTRE + 22))
  byId('key-ring').replaceChildren(...parts)
  const shares = nodes.map(({ id, share }) => id + ' ' + (100 * share).toFixed(1) + ' %')
  byId('key-ring').setAttribute('aria-label', 'The ring, by the first node of each part: ' + shares.join(', '))
}

/** In words what the drawing shows of a change. */
function changeWords({ phase, nodes }) {
  if (phase === 'stable') return 'Each part has the colour of its first node; hash 0x0000 is on top, clockwise.'
  if (phase === 'switching') return 'Reads go to the new ring; nodes say that they know.'
  const parts = nodes.filter(({ moves }) => moves).map(({ id, moves }) => id + ' has ' + moves.done + ' of ' + moves.moves + ' ranges')
  return 'Ranges are copied, outside the ring: faint on their way, full when they are there. ' + parts.join(', ') + '.'
}

// ---- Nodes

function swatched(view, id) {
  const index = view.names.indexOf(id)
  const swatch = element('span', '', [], { class: index < 0 ? 'swatch' : 'swatch hue-' + (index % 8) })
  return element('span', '', [swatch, id], { class: 'keep' })
}

async function remove({ id, state }) {
  const lost = state === 'down' ? ' It is down: what is on its disk counts as lost.' : ''
  if (!(await confirmed('Remove ' + id + ' from the ring? The others get its part, and it ends.' + lost, 'Remove'))) return
  await alter({ kind: 'remove', name: id })
}

function showNodes(view) {
  const { nodes, hasFaults, phase } = view
  const rows = nodes.map((node) => {
    const gone = button('Remove', () => remove(node), { class: 'danger', 'data-remove': node.id, 'aria-label': 'Remove ' + node.id })
    const tools = element('span', '', hasFaults ? [...faults.tools(node).childNodes, gone] : [gone], { class: 'tools' })
    return [swatched(view, node.id), stateOf(node, node.isMember === false ? 'waits' : 'running'), tools]
  })
  update(byId('ring-faults'), table(['Node', 'State', ''], rows))
  if (hasFaults) faults.showSides(nodes)
  byId('ring-abort').disabled = phase !== 'streaming'
  const kept = nodes.map((node) => {
    const { id, share, hints, hintsFor, siblings, moves, down, port, isKnown, problem } = node
    const part = (100 * share).toFixed(1) + ' %'
    if (!isKnown) return [swatched(view, id), part, '', '', '', '', '', port]
    const owed = Object.entries(hintsFor).map(([name, count]) => count + ' for ' + name)
    const moved = moves ? moves.done + ' of ' + moves.moves + ' ranges, ' + shorten(moves.keys) + ' keys, ' + inBytes(moves.bytes) : ''
    const trouble = problem ?? (down.length === 0 ? '' : 'does not hear ' + down.join(', '))
    return [swatched(view, id), part, hints === 0 ? '0' : owed.join(', '), siblings, moved, trouble, shorten(node.requests), port]
  })
  update(byId('ring-nodes'), table(['Node', '#Part', 'Hints', '#Siblings', 'Copies', 'Trouble', '?Requests', '?Port'], kept))
}

function note({ nodes, epoch, phase }) {
  const now = new Map([['', 'the ring is ' + phase + ', in epoch ' + epoch]])
  for (const node of nodes) {
    const { id, hintsFor = {}, siblings = 0 } = node
    const owed = Object.keys(hintsFor)
    const hints = owed.length === 0 ? '' : ', keeps hints for ' + owed.join(', ')
    const several = siblings === 0 ? '' : ', has ' + siblings + (siblings === 1 ? ' key' : ' keys') + ' with siblings'
    now.set(id, id + ' is ' + stateOf(node, 'up') + hints + several)
  }
  happenings.compare(now)
}

// ---- What is asked for

function showChoices({ nodes, replicas }) {
  offer(byId('ring-node'), [['', 'any node'], ...nodes.map(({ id }) => [id, id])])
  const counts = Array.from({ length: replicas }, (_, i) => [String(i + 1), String(i + 1)])
  for (const id of ['ring-r', 'ring-w']) offer(byId(id), [['', 'default'], ...counts])
}

function asking(act) {
  return answerIn(byId('ring-answer'), act)
}

function alter(request) {
  return asking(async () => (await change(API + 'change', request)).text)
}

function request(action, more = {}) {
  const chosen = (id) => (byId(id).value === '' ? null : Number(byId(id).value))
  return asking(async () => {
    const node = byId('ring-node').value === '' ? null : byId('ring-node').value
    const body = { action, key: byId('ring-key').value, node, r: chosen('ring-r'), w: chosen('ring-w'), ...more }
    const { text, place, replicas } = await change(API + 'key', body)
    found = { place, replicas }
    return text
  })
}

byId('ring-form').addEventListener('submit', (event) => {
  event.preventDefault()
  attempt(() => request('set', { value: byId('ring-value').value }))
})
byId('ring-beside').addEventListener('click', () => attempt(() => request('set', { value: byId('ring-value').value, beside: true })))
byId('ring-get').addEventListener('click', () => attempt(() => request('get')))
byId('ring-delete').addEventListener('click', () => attempt(() => request('delete')))
byId('ring-add').addEventListener('submit', (event) => {
  event.preventDefault()
  attempt(() => alter({ kind: 'add', name: byId('ring-new').value }))
})
byId('ring-abort').addEventListener('click', () => attempt(() => alter({ kind: 'abort' })))
byId('ring-repair').addEventListener('click', () => attempt(() => alter({ kind: 'repair' })))

whileShown('partitioned-kv', 300, async () => {
  const view = await ask('partitioned-kv', 'view')
  byId('ring-note').hidden = view.hasFaults
  drawRing(view)
  byId('ring-words').textContent = changeWords(view)
  showNodes(view)
  showChoices(view)
  note(view)
})
`

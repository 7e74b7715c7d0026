// The pages of Raft: a cluster of processes as it runs, with its faults, and a simulated one that is played step by step.

export const RAFT_DRAWING_JS = `import { element, shape, table, update } from './base.js'

// A cluster is {nodes: [{id, state, role, term, leader, commit, first, terms}], cuts: [[a, b]], messages: [{from, to, isLost}]}.

const CENTRE = [210, 175]
const RADIUS = 130
const SIZE = 34

function placeOf(i, count) {
  const angle = (2 * Math.PI * i) / count - Math.PI / 2
  return [CENTRE[0] + RADIUS * Math.cos(angle), CENTRE[1] + RADIUS * Math.sin(angle)]
}

/** A line from the edge of one circle to that of another, a little to its right, so that two ways do not cover each other. */
function wayOf(from, to, aside) {
  const [dx, dy] = [to[0] - from[0], to[1] - from[1]]
  const length = Math.hypot(dx, dy) || 1
  const [ux, uy] = [dx / length, dy / length]
  const [ox, oy] = [-uy * aside, ux * aside]
  const gap = SIZE + 4
  return { x1: from[0] + ux * gap + ox, y1: from[1] + uy * gap + oy, x2: to[0] - ux * gap + ox, y2: to[1] - uy * gap + oy }
}

export function drawRing(place, { nodes, cuts, messages }) {
  const at = new Map(nodes.map(({ id }, i) => [id, placeOf(i, nodes.length)]))
  const parts = [
    shape('defs', {}, [
      shape('marker', { id: 'arrow', viewBox: '0 0 8 8', refX: 7, refY: 4, markerWidth: 6, markerHeight: 6, orient: 'auto' }, [shape('path', { d: 'M0 0 L8 4 L0 8 z' })]),
    ]),
  ]
  const isCut = (a, b) => cuts.some(([x, y]) => (x === a && y === b) || (x === b && y === a))
  nodes.forEach(({ id: a }, i) => {
    for (const { id: b } of nodes.slice(i + 1)) {
      parts.push(shape('line', { ...wayOf(at.get(a), at.get(b), 0), class: isCut(a, b) ? 'way cut' : 'way' }))
    }
  })
  for (const { from, to, isLost } of messages) {
    if (!at.has(from) || !at.has(to)) continue
    parts.push(shape('line', { ...wayOf(at.get(from), at.get(to), 5), class: isLost ? 'message lost' : 'message' }))
  }
  for (const { id, role, term, state } of nodes) {
    const [x, y] = at.get(id)
    const line = (text, dy, name = '') => {
      const made = shape('text', { x, y: y + dy, class: name })
      made.textContent = text
      return made
    }
    const isUp = state === 'running'
    parts.push(
      shape('g', { class: (isUp ? role : state) + ' node-' + id }, [
        shape('circle', { cx: x, cy: y, r: SIZE }),
        line('node ' + id, -8, 'name'),
        line(isUp ? role : state, 6),
        line('term ' + term, 20),
      ]),
    )
  }
  const words = nodes.map(({ id, role, term, state }) => 'node ' + id + ' ' + (state === 'running' ? role : state) + ' in term ' + term)
  place.setAttribute('aria-label', words.join(', '))
  place.replaceChildren(...parts)
}

const SHOWN = 24

/** The terms of the entries of each log; those that are not known to be committed are open. */
export function drawLogs(place, nodes) {
  const last = Math.max(0, ...nodes.map(({ first, terms }) => first + terms.length - 1))
  const from = Math.max(1, last - SHOWN + 1)
  const rows = nodes.map(({ id, state, role, term, commit, first, terms }) => {
    const cells = []
    for (let index = from; index <= Math.min(last, first + terms.length - 1); index++) {
      const value = terms[index - first]
      const isCommitted = index <= commit
      const title = 'entry ' + index + ', term ' + (value ?? '?') + (isCommitted ? ', committed' : '')
      cells.push(element('span', String(value ?? '?'), [], { class: isCommitted ? 'hue-' + ((value ?? 7) % 8) : 'open', title }))
    }
    const log = element('div', '', cells, { class: 'entries', 'data-log': String(id) })
    return [id, state === 'running' ? role : state, term, commit, log]
  })
  const head = ['#Node', 'Role', '#Term', '#Committed', 'Log from ' + from + ': the term of each entry; dashed if it does not know it to be committed']
  update(place, table(head, rows))
}
`

export const RAFT_HTML = `<section data-page="raft" aria-label="Raft">
<div class="columns">
<div class="card"><svg id="live-ring" class="ring" viewBox="0 0 420 350" role="img"></svg></div>
<div class="card">
<h2>Faults</h2>
<div id="live-nodes"></div>
<div class="row" id="sides"></div>
<form class="row" id="append"><label>Command <input id="command" value="SET x 1" autocomplete="off" spellcheck="false"></label><button>Append</button></form>
<p id="appended" role="status" class="soft"></p>
</div>
</div>
<h2>Logs</h2>
<div class="card scroll" id="live-logs"></div>
<h2>Messages</h2>
<p class="soft" id="heartbeats"></p>
<ol class="log card" id="live-messages" reversed></ol>
</section>`

export const RAFT_JS = `import { ask, attempt, button, byId, change, element, lookAgain, table, update, whileShown } from './base.js'
import { drawLogs, drawRing } from './raft-drawing.js'

const LISTED = 300
const BUTTONS = { running: [['pause', 'Pause'], ['kill', 'Kill']], paused: [['resume', 'Resume'], ['kill', 'Kill']], down: [['start', 'Start']] }
let next = 1
let traffic = new Map()
const otherSide = new Set()

async function fault(request) {
  await change('/faults', request)
  lookAgain()
}

function showNodes(nodes) {
  const rows = nodes.map(({ id, state, role, port, cutFrom }) => {
    const tools = BUTTONS[state].map(([name, word]) => {
      return button(word, () => fault({ fault: name, node: id }), { 'data-fault': name, 'data-node': String(id), 'aria-label': word + ' node ' + id })
    })
    const cut = cutFrom.length === 0 ? '' : ', cut from ' + cutFrom.join(', ')
    return [id, (state === 'running' ? role : state) + cut, port, element('span', '', tools, { class: 'keep' })]
  })
  update(byId('live-nodes'), table(['#Node', 'State', '?Port', ''], rows))
  if (byId('sides').childNodes.length > 0) return
  const boxes = nodes.map(({ id }) => {
    const box = element('input', '', [], { type: 'checkbox', value: String(id), 'data-side': String(id) })
    box.addEventListener('change', () => (box.checked ? otherSide.add(id) : otherSide.delete(id)))
    return element('label', '', [box, ' ' + id])
  })
  const cut = button('Partition', () => fault({ fault: 'partition', groups: [[...otherSide]] }), { id: 'partition' })
  byId('sides').append('One side:', ...boxes, cut, button('Heal', () => fault({ fault: 'heal' }), { id: 'heal' }))
}

byId('append').addEventListener('submit', (event) => {
  event.preventDefault()
  attempt(async () => {
    byId('appended').textContent = 'asking'
    try {
      const { index, node } = await change('/api/raft/append', { command: byId('command').value })
      byId('appended').textContent = 'node ' + node + ': command ' + index + ' is committed'
    } catch (error) {
      byId('appended').textContent = error.message
      throw error
    }
  })
})

whileShown('raft', 300, async () => {
  const view = await ask('raft', 'since', String(next))
  next = view.next
  const cuts = view.nodes.flatMap(({ id, cutFrom }) => cutFrom.map((other) => [id, other]))
  let quiet = 0
  const spoke = view.traffic.filter(({ from, to, count }) => {
    const key = from + '-' + to
    const grew = count - (traffic.get(key) ?? count)
    traffic.set(key, count)
    quiet += grew
    return grew > 0
  })
  const fresh = view.messages.slice(-40)
  const lost = fresh.filter(({ isLost }) => isLost)
  drawRing(byId('live-ring'), { nodes: view.nodes, cuts, messages: [...spoke, ...lost] })
  drawLogs(byId('live-logs'), view.nodes)
  showNodes(view.nodes)
  byId('heartbeats').textContent = 'Since the last look ' + quiet + ' messages arrived; heartbeats are not listed.'
  for (const { atMs, from, to, text, isLost } of view.messages) {
    const line = new Date(atMs).toISOString().slice(11, 23) + '  ' + from + ' to ' + to + '  ' + text
    byId('live-messages').prepend(element('li', line, [], { class: isLost ? 'lost' : 'fresh' }))
  }
  while (byId('live-messages').childNodes.length > LISTED) byId('live-messages').lastChild.remove()
})
`

export const REPLAY_HTML = `<section data-page="replay" aria-label="Raft, step by step">
<form class="row" id="story">
<label>Story <select id="story-name"><option value="election">an election</option><option value="faults">faults, drawn from the seed</option><option value="figure8">figure 8</option><option value="figure8-without-rule">figure 8 without its rule</option></select></label>
<label>Seed <input id="seed" type="number" min="0" max="4294967295" value="1"></label>
<button>Tell</button>
</form>
<p id="about" class="soft"></p>
<div class="row" id="player">
<button type="button" id="first" aria-label="To the first step">|&lt;</button>
<button type="button" id="back">Back</button>
<button type="button" id="play" aria-pressed="false">Play</button>
<button type="button" id="step">Step</button>
<button type="button" id="last" aria-label="To the last step">&gt;|</button>
<input type="range" id="position" min="0" max="0" value="0" aria-label="Step">
<label>Speed <select id="speed"><option value="1000">slow</option><option value="300" selected>medium</option><option value="60">fast</option></select></label>
<span id="step-count" role="status"></span>
</div>
<div class="columns">
<div class="card"><svg id="story-ring" class="ring" viewBox="0 0 420 350" role="img"></svg></div>
<ol class="log card" id="story-steps"></ol>
</div>
<h2>Logs</h2>
<div class="card scroll" id="story-logs"></div>
</section>`

export const REPLAY_JS = `import { ask, attempt, byId, element, whileShown } from './base.js'
import { drawLogs, drawRing } from './raft-drawing.js'

const AROUND = 12
let steps = []
/** By step: the nodes as they are after it. */
let moments = []
let at = 0
let timer

async function load() {
  stop()
  const story = await ask('replay', byId('story-name').value, byId('seed').value)
  steps = story.steps
  const nodes = new Map()
  moments = steps.map((step) => {
    for (const node of step.nodes) nodes.set(node.id, node)
    return [...nodes.values()].sort((a, b) => a.id - b.id)
  })
  byId('about').textContent = story.about
  byId('seed').value = story.seed
  byId('position').max = String(Math.max(0, steps.length - 1))
  show(0)
}

function show(index) {
  if (steps.length === 0) return
  at = Math.max(0, Math.min(steps.length - 1, index))
  const step = steps[at]
  const nodes = moments[at]
  drawRing(byId('story-ring'), { nodes, cuts: [], messages: step.from === undefined ? [] : [{ from: step.from, to: step.to, isLost: false }] })
  drawLogs(byId('story-logs'), nodes)
  byId('position').value = String(at)
  byId('step-count').textContent = 'Step ' + (at + 1) + ' of ' + steps.length + ', ' + step.atMs.toFixed(1) + ' ms'
  const from = Math.max(0, at - AROUND)
  const lines = steps.slice(from, at + AROUND + 1).map((each, i) => {
    const way = each.from === undefined ? '' : each.from + ' to ' + each.to + '  '
    const attributes = from + i === at ? { 'aria-current': 'step' } : {}
    if (each.text.startsWith('-- ')) attributes.class = 'fault'
    const line = element('li', each.atMs.toFixed(1).padStart(8) + ' ms  ' + way + each.text, [], attributes)
    line.addEventListener('click', () => show(from + i))
    return line
  })
  const list = byId('story-steps')
  list.replaceChildren(...lines)
  list.scrollTop = lines[at - from].offsetTop - list.offsetTop - list.clientHeight / 2
}

function stop() {
  clearInterval(timer)
  timer = undefined
  byId('play').textContent = 'Play'
  byId('play').setAttribute('aria-pressed', 'false')
}

function play() {
  stop()
  if (at === steps.length - 1) show(0)
  byId('play').textContent = 'Pause'
  byId('play').setAttribute('aria-pressed', 'true')
  timer = setInterval(() => {
    show(at + 1)
    if (at === steps.length - 1) stop()
  }, Number(byId('speed').value))
}

const acts = {
  first: () => show(0),
  back: () => show(at - 1),
  step: () => show(at + 1),
  last: () => show(steps.length - 1),
  play: () => (timer === undefined ? play() : stop()),
}
for (const [id, act] of Object.entries(acts)) {
  byId(id).addEventListener('click', () => {
    if (id !== 'play') stop()
    act()
  })
}
byId('speed').addEventListener('change', () => timer !== undefined && play())
byId('position').addEventListener('input', () => {
  stop()
  show(Number(byId('position').value))
})
byId('story').addEventListener('submit', (event) => {
  event.preventDefault()
  attempt(load)
})
byId('story-name').addEventListener('change', () => attempt(load))
addEventListener('keydown', (event) => {
  const isTyping = event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement
  if (byId('position').closest('section').hidden || isTyping) return
  const act = { ArrowLeft: 'back', ArrowRight: 'step' }[event.key]
  if (act === undefined) return
  event.preventDefault()
  stop()
  acts[act]()
})

let isLoaded = false
whileShown('replay', 1000, async () => {
  if (isLoaded) return
  isLoaded = true
  await load()
})
`

// The pages of Raft: a cluster of processes as it runs, with its faults, and a simulated one that is played step by step. What is drawn is
// in raft-drawing.ts.

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

export const RAFT_JS = `import { ask, attempt, byId, change, table, update, whileShown } from './base.js'
import { Faults, stateOf } from './faults.js'
import { drawLogs, drawRing, Talk } from './raft-drawing.js'

const faults = new Faults('/api/raft/faults', byId('sides'))
const talk = new Talk(byId('live-messages'), byId('heartbeats'))

function showNodes(nodes) {
  const rows = nodes.map((node) => [node.id, stateOf(node, node.role), node.port, faults.tools(node)])
  update(byId('live-nodes'), table(['#Node', 'State', '?Port', ''], rows))
  faults.showSides(nodes)
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
  const view = await ask('raft', 'since', String(talk.next))
  drawRing(byId('live-ring'), { nodes: view.nodes, cuts: faults.cutsOf(view.nodes), messages: talk.heard(view) })
  drawLogs(byId('live-logs'), view.nodes, view.contents)
  showNodes(view.nodes)
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

// The page of a replicated store: who leads, who follows how far behind, what is in the logs, and buttons that hurt the nodes.

export const REPLICATED_HTML = `<section data-page="replicated-kv" aria-label="Replication">
<p id="replica-note" class="soft" hidden>This is one node. <code>bedplate up --only replicated-kv --cluster</code> runs three that can be hurt here, and what they have is gone when it ends; <code>replicated-kv up</code> keeps its data.</p>
<div class="columns">
<div class="card"><svg id="replica-ring" class="ring" viewBox="0 0 420 350" role="img"></svg></div>
<div class="card">
<h2>Nodes</h2>
<div id="replica-faults"></div>
<div class="row" id="replica-sides"></div>
<h2>Keys</h2>
<form id="replica-form">
<div class="row"><label>Key <input id="replica-key" value="user:1" class="short" autocomplete="off" spellcheck="false"></label><label>Value <input id="replica-value" value="Alice" class="short" autocomplete="off" spellcheck="false"></label></div>
<div class="row"><label>By <select id="replica-node"></select></label><button>Set</button><button type="button" id="replica-get">Get</button><label>Read <select id="replica-consistency"><option>linearizable</option><option>stale</option></select></label></div>
</form>
<p id="replica-answer" role="status" class="soft"></p>
</div>
</div>
<h2>Replication</h2>
<div class="card scroll" id="replica-nodes"></div>
<h2>Logs</h2>
<div class="card scroll" id="replica-logs"></div>
<h2>Last entries</h2>
<div class="card scroll" id="replica-tail"></div>
<h2>Messages</h2>
<p class="soft" id="replica-heartbeats"></p>
<ol class="log card" id="replica-messages" reversed></ol>
</section>`

export const REPLICATED_JS = `import { answerIn, ask, attempt, byId, change, inBytes, offer, table, update, whileShown } from './base.js'
import { Faults, nameOf, stateOf } from './faults.js'
import { drawLogs, drawRing, Talk } from './raft-drawing.js'

const API = '/api/replicated-kv/'
const TAIL = 12
const faults = new Faults(API + 'faults', byId('replica-sides'))
const talk = new Talk(byId('replica-messages'), byId('replica-heartbeats'))

function followed({ state, role, leader }) {
  if (state === 'down') return ''
  if (role === 'leader') return 'leads'
  return leader === null ? 'nobody' : nameOf(leader)
}

/** What a node knows of how far it is behind; of one that is down or stands still nothing is known. */
function lagOf({ state, lag }) {
  if (state !== 'running' || lag === null) return ''
  if (lag.entries === 0) return 'none'
  const since = lag.seconds === null ? '' : ', ' + lag.seconds.toFixed(1) + ' s'
  return lag.entries + (lag.entries === 1 ? ' entry' : ' entries') + ', ' + inBytes(lag.bytes) + since
}

/** What the leader knows of a follower. */
function heardOf(nodes, id) {
  const leader = nodes.find(({ state, role }) => state === 'running' && role === 'leader')
  const follower = leader?.followers.find((each) => each.id === id)
  return follower === undefined ? '' : lagOf({ state: 'running', lag: follower.lag })
}

function showNodes(nodes, hasFaults) {
  const rows = nodes.map((node) => {
    const tools = hasFaults ? faults.tools(node) : ''
    return [node.id, stateOf(node, node.role), tools]
  })
  update(byId('replica-faults'), table(['#Node', 'State', ''], rows))
  if (hasFaults) faults.showSides(nodes)
  const figures = nodes.map((node) => {
    const { id, port, term, commit, offset, keys } = node
    return [id, followed(node), term, offset, commit, lagOf(node), heardOf(nodes, id), keys, port]
  })
  const head = ['#Node', 'Follows', '#Term', '#Offset', '#Committed', 'Lag, as it knows', '?Lag, as the leader knows', '#Keys', '?Port']
  update(byId('replica-nodes'), table(head, figures))
}

/** The last entries of all logs, the newest first; where logs differ, an index has several. */
function showTail(nodes, contents) {
  const last = Math.max(0, ...nodes.map(({ first, terms }) => first + terms.length - 1))
  const rows = []
  for (let index = last; index > Math.max(0, last - TAIL); index--) {
    const byTerm = new Map()
    for (const { id, first, terms, commit } of nodes) {
      const term = terms[index - first]
      if (term === undefined || term === null) continue
      const entry = byTerm.get(term) ?? { ids: [], isCommitted: false }
      byTerm.set(term, entry)
      entry.ids.push(id)
      entry.isCommitted ||= index <= commit
    }
    for (const [term, { ids, isCommitted }] of byTerm) {
      rows.push([index, term, contents[index + '-' + term] ?? '', ids.join(', '), isCommitted ? 'yes' : 'not yet known'])
    }
  }
  update(byId('replica-tail'), table(['#Entry', '#Term', 'What', 'In the logs of', 'Committed'], rows))
}

function request(what, body) {
  const node = byId('replica-node').value === '' ? null : Number(byId('replica-node').value)
  const asked = { node, key: byId('replica-key').value, ...body }
  return answerIn(byId('replica-answer'), async () => (await change(API + what, asked)).text)
}

byId('replica-form').addEventListener('submit', (event) => {
  event.preventDefault()
  attempt(() => request('set', { value: byId('replica-value').value }))
})
byId('replica-get').addEventListener('click', () => attempt(() => request('get', { consistency: byId('replica-consistency').value })))

whileShown('replicated-kv', 300, async () => {
  const view = await ask('replicated-kv', 'since', String(talk.next))
  const { nodes, hasFaults, contents } = view
  byId('replica-note').hidden = hasFaults
  drawRing(byId('replica-ring'), { nodes, cuts: faults.cutsOf(nodes), messages: talk.heard(view) })
  drawLogs(byId('replica-logs'), nodes, contents)
  showNodes(nodes, hasFaults)
  showTail(nodes, contents)
  offer(byId('replica-node'), [['', 'any node'], ...nodes.map(({ id }) => [String(id), nameOf(id)])])
})
`

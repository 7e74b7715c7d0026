// What is drawn of nodes on Raft, live or told step by step: who they are, their logs, what they say to each other.

export const RAFT_DRAWING_JS = `import { element, shape, table, update } from './base.js'

// A cluster is {nodes: [{id, state, role, term, leader, commit, first, terms}], cuts: [[a, b]], messages: [{from, to, isLost}]}.

const CENTRE = [210, 175]
const RADIUS = 130
const SIZE = 34
/** What fits into a circle. */
const SHORT = { preCandidate: 'pre-vote' }

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
        line(isUp ? (SHORT[role] ?? role) : state, 6),
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
export function drawLogs(place, nodes, contents = {}) {
  const last = Math.max(0, ...nodes.map(({ first, terms }) => first + terms.length - 1))
  const from = Math.max(1, last - SHOWN + 1)
  const rows = nodes.map(({ id, state, role, term, commit, first, terms }) => {
    const cells = []
    for (let index = from; index <= Math.min(last, first + terms.length - 1); index++) {
      const value = terms[index - first]
      const isCommitted = index <= commit
      const content = contents[index + '-' + value]
      const title = 'entry ' + index + ', term ' + (value ?? '?') + (isCommitted ? ', committed' : '') + (content === undefined ? '' : ': ' + content)
      cells.push(element('span', String(value ?? '?'), [], { class: isCommitted ? 'hue-' + ((value ?? 7) % 8) : 'open', title }))
    }
    const log = element('div', '', cells, { class: 'entries', 'data-log': String(id) })
    return [id, state === 'running' ? role : state, term, commit, log]
  })
  const head = ['#Node', 'Role', '#Term', '#Committed', 'Log from ' + from + ': the term of each entry; dashed if it does not know it to be committed']
  update(place, table(head, rows))
}

const LISTED = 300

/** What nodes say, as it comes in. */
export class Talk {
  constructor(list, heartbeats) {
    this.list = list
    this.heartbeats = heartbeats
    this.traffic = new Map()
    /** What is asked for next. */
    this.next = 1
  }

  /** Lists what is new. Gives what is to be drawn as arrows. */
  heard({ messages, next, traffic }) {
    this.next = next
    let quiet = 0
    const spoke = traffic.filter(({ from, to, count }) => {
      const key = from + '-' + to
      const grew = count - (this.traffic.get(key) ?? count)
      this.traffic.set(key, count)
      quiet += grew
      return grew > 0
    })
    this.heartbeats.textContent = 'Since the last look ' + quiet + ' messages arrived; heartbeats are not listed.'
    for (const { atMs, from, to, text, isLost } of messages) {
      const line = new Date(atMs).toISOString().slice(11, 23) + '  ' + from + ' to ' + to + '  ' + text
      this.list.prepend(element('li', line, [], { class: isLost ? 'lost' : 'fresh' }))
    }
    while (this.list.childNodes.length > LISTED) this.list.lastChild.remove()
    return [...spoke, ...messages.slice(-40).filter(({ isLost }) => isLost)]
  }
}
`

// The buttons that hurt the nodes of a local cluster, the same for every system: kill, start, pause, resume, partition, heal.

export const FAULTS_JS = `import { button, change, element, lookAgain } from './base.js'

const BUTTONS = { running: [['pause', 'Pause'], ['kill', 'Kill']], paused: [['resume', 'Resume'], ['kill', 'Kill']], down: [['start', 'Start']] }

export const nameOf = (id) => (typeof id === 'number' ? 'node ' + id : id)

/** How a node is, in words. */
export function stateOf({ state, cutFrom }, running = 'running') {
  return (state === 'running' ? running : state) + (cutFrom.length === 0 ? '' : ', cut from ' + cutFrom.join(', '))
}

export class Faults {
  /** @param sides - Where it is said who is cut off. */
  constructor(path, sides) {
    this.path = path
    this.sides = sides
    this.otherSide = new Set()
    this.shown = ''
  }

  async ask(request) {
    await change(this.path, request)
    lookAgain()
  }

  /** The buttons of a node. */
  tools({ id, state }) {
    const made = BUTTONS[state].map(([fault, word]) => {
      const attributes = { 'data-fault': fault, 'data-node': String(id), 'aria-label': word + ' ' + nameOf(id) }
      return button(word, () => this.ask({ fault, node: id }), attributes)
    })
    return element('span', '', made, { class: 'keep' })
  }

  /** A box a node, and the buttons that cut off those that are ticked. Drawn again when there are other nodes. */
  showSides(nodes) {
    const shown = nodes.map(({ id }) => id).join(' ')
    if (this.shown === shown) return
    this.shown = shown
    this.otherSide.clear()
    const boxes = nodes.map(({ id }) => {
      const box = element('input', '', [], { type: 'checkbox', value: String(id), 'data-side': String(id) })
      box.addEventListener('change', () => (box.checked ? this.otherSide.add(id) : this.otherSide.delete(id)))
      return element('label', '', [box, ' ' + id])
    })
    const cut = () => this.ask({ fault: 'partition', groups: [[...this.otherSide]] })
    const heal = () => this.ask({ fault: 'heal' })
    this.sides.replaceChildren('One side:', ...boxes, button('Partition', cut, { 'data-fault': 'partition' }), button('Heal', heal, { 'data-fault': 'heal' }))
  }

  /** Pairs that do not hear each other. */
  cutsOf(nodes) {
    return nodes.flatMap(({ id, cutFrom }) => cutFrom.map((other) => [id, other]))
  }
}
`

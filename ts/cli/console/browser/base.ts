// What all pages of the console share in the browser: elements, requests, dialogs, pages, polling. What comes from servers is put on
// the page as text, never as markup.

export const BASE_JS = `export const byId = (id) => document.getElementById(id)

/** An element with text and children; never markup. */
export function element(name, text = '', children = [], attributes = {}) {
  const made = document.createElement(name)
  if (text !== '') made.textContent = text
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value)
  made.append(...children)
  return made
}

/** The same of SVG. */
export function shape(name, attributes = {}, children = []) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', name)
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value)
  made.append(...children)
  return made
}

export function button(text, act, attributes = {}) {
  const made = element('button', text, [], { type: 'button', ...attributes })
  made.addEventListener('click', () => attempt(act))
  return made
}

/** A table; a cell is a text or an element, a column that begins with # holds numbers, one with ? may be left out where it is narrow. */
export function table(columns, rows, attributes = {}) {
  const kinds = columns.map((column) => (column[0] === '#' ? 'number' : column[0] === '?' ? 'optional' : ''))
  const head = columns.map((column, i) => element('th', column.replace(/^[#?]/, ''), [], { class: kinds[i], scope: 'col' }))
  const body = rows.map((row) => {
    const cells = row.map((cell, i) => {
      const attributes = { class: kinds[i] ?? '' }
      return typeof cell === 'object' ? element('td', '', [cell], attributes) : element('td', String(cell), [], attributes)
    })
    return element('tr', '', cells)
  })
  const parts = [element('tbody', '', body)]
  if (head.length > 0) parts.unshift(element('thead', '', [element('tr', '', head)]))
  return element('table', '', parts, attributes)
}

export function facts(pairs) {
  return element('dl', '', pairs.flatMap(([word, value]) => [element('dt', word), element('dd', String(value), [], { class: 'mono' })]))
}

/** Replaces what is there, unless it would be the same: the focus and a selection stay where they are. */
export function update(place, ...parts) {
  const next = element('div', '', parts)
  if (place.childNodes.length === next.childNodes.length && place.innerHTML === next.innerHTML) return
  place.replaceChildren(...next.childNodes)
}

// ---- Requests

async function answerOf(response, path) {
  const text = await response.text()
  let value
  try {
    value = JSON.parse(text)
  } catch {
    throw new Error(path + ': ' + response.status + ' ' + text.trim())
  }
  if (!response.ok) throw new Error(value.error?.message ?? value.message ?? String(response.status))
  return value
}

export async function ask(...parts) {
  const path = '/api/' + parts.map(encodeURIComponent).join('/')
  return answerOf(await fetch(path), path)
}

/** Changes something. */
export async function change(path, body) {
  const headers = { 'content-type': 'application/json' }
  return answerOf(await fetch(path, { method: 'POST', headers, body: JSON.stringify(body) }), path)
}

export function say(text, isBad = false) {
  const state = byId('state')
  if (state.textContent !== text) state.textContent = text
  state.toggleAttribute('data-bad', isBad)
}

/** Does something, and says why it could not be done. */
export async function attempt(act) {
  try {
    await act()
  } catch (error) {
    say(error.message, true)
  }
}

/** Asks before something is done that cannot be undone. Resolves to whether it shall be. */
export function confirmed(question, word) {
  const no = element('button', 'Cancel', [], { value: 'no' })
  const yes = element('button', word, [], { value: 'yes', class: 'danger' })
  const form = element('form', '', [element('p', question), element('div', '', [no, yes], { class: 'row' })], { method: 'dialog' })
  const dialog = element('dialog', '', [form], { 'aria-label': word })
  document.body.append(dialog)
  dialog.showModal()
  no.focus()
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => {
      dialog.remove()
      resolve(dialog.returnValue === 'yes')
    })
  })
}

/** Shows in a place that something is asked for, and then what came of it. */
export async function answerIn(place, act) {
  place.textContent = 'asking'
  try {
    place.textContent = await act()
  } catch (error) {
    place.textContent = error.message
    throw error
  }
  lookAgain()
}

/** Offers values and their words; what was chosen stays so, and nothing changes under who chooses. */
export function offer(select, options) {
  const { value } = select
  if (document.activeElement === select) return
  update(select, ...options.map(([each, words]) => element('option', words, [], { value: each })))
  select.value = value
  if (select.selectedIndex < 0) select.selectedIndex = 0
}

// ---- What has happened

const HAPPENINGS = 100

/** A list of what has happened since the page was opened, the last of it first. */
export class Happenings {
  constructor(list) {
    this.list = list
    this.before = new Map()
  }

  add(text, isBad = false) {
    const line = element('li', new Date().toLocaleTimeString() + '  ' + text, [], isBad ? { class: 'fault' } : {})
    this.list.prepend(line)
    while (this.list.childNodes.length > HAPPENINGS) this.list.lastChild.remove()
  }

  /** Adds what is said otherwise than the last time; at first all is as it was. */
  compare(now) {
    for (const [key, text] of now) if (this.before.get(key) !== text && this.before.size > 0) this.add(text)
    this.before = now
  }
}

// ---- Pages: each is a section, chosen by the part of the address behind #.

const shownPage = () => {
  const wanted = location.hash.slice(1)
  const known = [...document.querySelectorAll('main > section')].map(({ dataset }) => dataset.page)
  return known.includes(wanted) ? wanted : known[0]
}

function turn() {
  const page = shownPage()
  document.title = page + ' - bedplate'
  for (const section of document.querySelectorAll('main > section')) section.hidden = section.dataset.page !== page
  for (const link of document.querySelectorAll('nav a')) {
    if (link.hash.slice(1) === page) link.setAttribute('aria-current', 'page')
    else link.removeAttribute('aria-current')
  }
}

const polls = []

/** Runs something now and then while a page is looked at. */
export function whileShown(page, everyMs, act) {
  const poll = { page, everyMs, act, dueMs: 0, isBusy: false }
  polls.push(poll)
}

async function run(poll) {
  poll.isBusy = true
  try {
    await poll.act()
    if (byId('state').hasAttribute('data-poll')) {
      say('connected')
      byId('state').removeAttribute('data-poll')
    }
  } catch (error) {
    say('no answer: ' + error.message, true)
    byId('state').setAttribute('data-poll', '')
  }
  poll.isBusy = false
  poll.dueMs = performance.now() + poll.everyMs
}

function beat() {
  const page = shownPage()
  for (const poll of polls) {
    if (poll.page === page && !poll.isBusy && !document.hidden && performance.now() >= poll.dueMs) run(poll)
  }
}

/** Looks again at once at what the page shows. */
export function lookAgain() {
  for (const poll of polls) poll.dueMs = 0
  beat()
}

export function start() {
  addEventListener('hashchange', () => {
    turn()
    lookAgain()
  })
  turn()
  byId('state').setAttribute('data-poll', '')
  beat()
  setInterval(beat, 100)
}

// ---- Figures

export function shorten(value) {
  if (value >= 1e9) return (value / 1e9).toFixed(1) + ' G'
  if (value >= 1e6) return (value / 1e6).toFixed(1) + ' M'
  if (value >= 1e4) return (value / 1e3).toFixed(1) + ' k'
  return Number.isInteger(value) ? String(value) : value.toFixed(1)
}

export function inBytes(value) {
  if (value === null) return ''
  if (value < 1024) return value + ' B'
  if (value < 1024 * 1024) return (value / 1024).toFixed(1) + ' KiB'
  return (value / 1024 / 1024).toFixed(1) + ' MiB'
}

export function inTime(ms) {
  if (ms === null || ms < 0) return 'never'
  if (ms < 60000) return 'in ' + (ms / 1000).toFixed(1) + ' s'
  if (ms < 3600000) return 'in ' + Math.round(ms / 60000) + ' min'
  return 'in ' + (ms / 3600000).toFixed(1) + ' h'
}
`

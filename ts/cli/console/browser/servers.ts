// The page of all servers: where they are, how to connect, and their figures as charts of the last two minutes.

export const SERVERS_HTML = '<section data-page="servers" aria-label="Servers"><div id="server-list"></div></section>'

export const SERVERS_JS = `import { ask, byId, element, shape, shorten, whileShown } from './base.js'

const POINTS = 120
const HEIGHT = 60
const history = new Map()

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
  past.points.push({ value, atMs })
  if (past.points.length > POINTS) past.points.shift()
  return past.points
}

/** A chart that is drawn once and then changes; the pointer shows what was when. */
class Chart {
  constructor(metric) {
    this.points = []
    this.unit = metric.kind === 'counter' ? ' a second' : ''
    this.line = shape('polyline')
    this.area = shape('polygon')
    this.cursor = shape('line', { y1: 0, y2: HEIGHT, visibility: 'hidden' })
    this.svg = shape('svg', { viewBox: '0 0 ' + (POINTS - 1) + ' ' + HEIGHT, preserveAspectRatio: 'none', 'aria-hidden': 'true' }, [
      this.area,
      this.line,
      this.cursor,
    ])
    this.high = element('span')
    this.now = element('strong')
    const axis = element('div', '', [this.high, element('span', '0')], { class: 'axis' })
    const times = element('div', '', [element('span', '2 min ago'), element('span', 'now')], { class: 'times' })
    const plot = element('div', '', [this.svg, axis, times], { class: 'plot' })
    this.figure = element('figure', '', [element('figcaption', metric.help, [], { title: metric.name }), this.now, plot], { class: 'card' })
    this.svg.addEventListener('pointermove', (event) => this.point(event))
    this.svg.addEventListener('pointerleave', () => {
      this.at = undefined
      this.tell()
    })
  }

  point(event) {
    const { left, width } = this.svg.getBoundingClientRect()
    const x = Math.round(((event.clientX - left) / width) * (POINTS - 1))
    this.at = Math.min(POINTS - 1, Math.max(POINTS - this.points.length, x))
    this.tell()
  }

  draw(points) {
    this.points = points
    const high = Math.max(1, ...points.map(({ value }) => value))
    const first = POINTS - points.length
    const places = points.map(({ value }, i) => first + i + ',' + (HEIGHT - 1 - ((HEIGHT - 4) * value) / high).toFixed(1))
    this.line.setAttribute('points', places.join(' '))
    this.area.setAttribute('points', places.length === 0 ? '' : [first + ',' + HEIGHT, ...places, POINTS - 1 + ',' + HEIGHT].join(' '))
    this.high.textContent = shorten(high)
    this.tell()
  }

  tell() {
    const last = this.points[this.points.length - 1]
    const chosen = this.at === undefined ? last : this.points[this.at - POINTS + this.points.length]
    this.cursor.setAttribute('visibility', this.at === undefined || chosen === undefined ? 'hidden' : 'visible')
    if (chosen === undefined) return
    if (this.at !== undefined) {
      this.cursor.setAttribute('x1', this.at)
      this.cursor.setAttribute('x2', this.at)
    }
    const when = this.at === undefined ? '' : ', ' + Math.round((last.atMs - chosen.atMs) / 1000) + ' s ago'
    this.now.replaceChildren(shorten(chosen.value), element('small', this.unit + when))
  }
}

function connection(text) {
  const copy = element('button', 'Copy', [], { type: 'button', 'aria-label': 'Copy ' + text })
  copy.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(text)
      copy.textContent = 'Copied'
    } catch {
      copy.textContent = 'Select and copy by hand'
    }
    setTimeout(() => {
      copy.textContent = 'Copy'
    }, 1500)
  })
  return element('div', '', [element('code', text), copy], { class: 'row' })
}

const shown = new Map()

function show(server, atMs) {
  let parts = shown.get(server.name)
  if (parts === undefined) {
    parts = { ready: element('span'), charts: element('div', '', [], { class: 'charts' }), byName: new Map() }
    const title = element('h2', server.name + ' ', [element('span', server.summary + ' at ' + server.address + ' ', [], { class: 'soft' }), parts.ready])
    byId('server-list').append(element('article', '', [title, ...server.connections.map(connection), parts.charts]))
    shown.set(server.name, parts)
  }
  parts.ready.textContent = server.isReady ? 'ready' : 'not ready'
  parts.ready.className = server.isReady ? 'good' : 'bad'
  for (const metric of server.metrics) {
    let chart = parts.byName.get(metric.name)
    if (chart === undefined) {
      chart = new Chart(metric)
      parts.byName.set(metric.name, chart)
      parts.charts.append(chart.figure)
    }
    chart.draw(note(server.name + ' ' + metric.name, metric, atMs))
  }
}

whileShown('servers', 1000, async () => {
  const servers = await ask('servers')
  const atMs = performance.now()
  for (const server of servers) show(server, atMs)
})
`

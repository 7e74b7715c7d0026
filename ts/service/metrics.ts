// Figures for Prometheus: https://prometheus.io/docs/instrumenting/exposition_formats/, text format 0.0.4.

/** One figure, or several that differ in a label. */
export interface Metric {
  /** With the unit last, and `_total` behind a counter: `bedplate_cache_commands_total`. */
  readonly name: string
  readonly help: string
  readonly kind: 'counter' | 'gauge'
  readonly samples: readonly { readonly value: number; readonly labels?: Readonly<Record<string, string>> }[]
}

/** The content type of `renderMetrics`. */
export const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

/** A figure without labels. */
export function metric(kind: Metric['kind'], name: string, help: string, value: number): Metric {
  return { kind, name, help, samples: [{ value }] }
}

/** The page that Prometheus reads. */
export function renderMetrics(metrics: readonly Metric[]): string {
  let page = ''
  for (const { name, help, kind, samples } of metrics) {
    page += `# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n# TYPE ${name} ${kind}\n`
    for (const { labels = {}, value } of samples) page += `${name}${renderLabels(labels)} ${renderValue(value)}\n`
  }
  return page
}

function renderLabels(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(value)}"`)
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}

function escapeLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}

function renderValue(value: number): string {
  if (Number.isFinite(value)) return String(value)
  return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf'
}

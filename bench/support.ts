import type { ParseArgsConfig } from 'node:util'
import Benchmark from 'benchmark'

/** Options of one benchmark, as `parseArgs` takes them. */
export type OwnOptions = NonNullable<ParseArgsConfig['options']>

/** What the command line said. */
export interface BenchmarkSettings {
  /** How long to measure; a default if it was not given. */
  seconds: number
  /** All options that were given, by name. */
  options: Readonly<Record<string, string | boolean | undefined>>
}

/** A wrong option: its message is all that has to be shown. */
export class UsageError extends Error {}

/** What a `bench/NAME.bench.ts` exports. */
export interface BenchmarkModule {
  /** What it understands beside --seconds. */
  options?: OwnOptions
  default(settings: BenchmarkSettings): Promise<void> | void
}

/** One way to do the work. */
export interface Contestant {
  name: string
  run(): void
}

/** What was measured, in seconds a call. */
export interface Measurement {
  name: string
  median: number
  /** The middle half of the samples lies within this part of the median, e.g. 0.02 for 2 %. */
  spread: number
}

/** How often the contestants take turns, so that a noisy moment does not hit one of them alone. */
const ROUNDS = 5

/** Measures the contestants against each other; together they take about `seconds`. */
export function compare(contestants: readonly Contestant[], seconds: number): Measurement[] {
  const samples = new Map<string, number[]>(contestants.map(({ name }) => [name, []]))
  for (let round = 0; round < ROUNDS; round++) {
    for (const { name, run } of contestants)
      samples.get(name)!.push(...measure(run, seconds / ROUNDS / contestants.length))
  }
  return contestants.map(({ name }) => ({ name, ...summarise(samples.get(name)!) }))
}

function measure(run: () => void, seconds: number): number[] {
  const benchmark = new Benchmark(run, { maxTime: seconds, minSamples: 5 }).run()
  return benchmark.stats.sample
}

/** The median of samples, and how far the middle half of them lies from it. */
export function summarise(samples: readonly number[]): { median: number; spread: number } {
  const sorted = samples.toSorted((a, b) => a - b)
  const quantile = (part: number): number => sorted[Math.floor(part * (sorted.length - 1))]!
  const median = quantile(0.5)
  return { median, spread: Math.max(quantile(0.75) - median, median - quantile(0.25)) / median }
}

/** Seconds as a short text with a fitting unit. */
export function duration(seconds: number): string {
  const [factor, unit] = seconds < 1e-6 ? [1e9, 'ns'] : seconds < 1e-3 ? [1e6, 'us'] : [1e3, 'ms']
  return `${(seconds * factor).toPrecision(3)} ${unit}`
}

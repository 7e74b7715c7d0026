// What happened in a run: a hash over all of it, which two runs of one seed must share, and the end of it for people.
import type { ProcessId } from './types.ts'

/** Kinds of events, in the order of their numbers in the hash. */
const EVENT_KINDS = ['message', 'timer', 'sync', 'outside'] as const
export type EventKind = (typeof EVENT_KINDS)[number]

/** One event as the trace remembers it; texts are made only when somebody reads them. */
export interface Traced {
  readonly timeMs: number
  readonly kind: EventKind
  readonly process: ProcessId
  readonly from: ProcessId
  readonly message: unknown
}

interface Note {
  readonly timeMs: number
  readonly text: string
}

const EVENTS_KEPT = 64
const NOTES_KEPT = 400
/** Bits of a float, for the hash. */
const FLOAT = new Float64Array(1)
const WORDS = new Uint32Array(FLOAT.buffer)

/** Remembers a run. Memory is bounded: the hash covers everything, the texts the end. */
export class Trace {
  private hash = 0x811c9dc5 | 0
  private count = 0
  private readonly events: (Traced | undefined)[] = new Array<undefined>(EVENTS_KEPT).fill(undefined)
  private notes: Note[] = []
  private notesForgotten = 0

  /** Events so far. */
  get eventCount(): number {
    return this.count
  }

  /** Equal for runs in which the same happened at the same times. */
  get digest(): string {
    return (this.hash >>> 0).toString(16).padStart(8, '0')
  }

  /** @param detail - A number that tells messages apart, or 0. */
  add(event: Traced, detail: number): void {
    this.events[this.count++ % EVENTS_KEPT] = event
    FLOAT[0] = event.timeMs
    let { hash } = this
    hash = mix(hash, WORDS[0] as number)
    hash = mix(hash, WORDS[1] as number)
    hash = mix(hash, EVENT_KINDS.indexOf(event.kind) + event.process * 4 + event.from * 4096)
    this.hash = mix(hash, detail)
  }

  /** Writes down what a reader of the trace wants to know: a fault, a new leader. Counts for the hash. */
  note(timeMs: number, text: string): void {
    for (let i = 0; i < text.length; i++) this.hash = mix(this.hash, text.charCodeAt(i))
    this.notes.push({ timeMs, text })
    if (this.notes.length < 2 * NOTES_KEPT) return
    this.notesForgotten += NOTES_KEPT
    this.notes = this.notes.slice(NOTES_KEPT)
  }

  /**
   * The last events and notes as lines, in order of time.
   * @param describe - Says in a few words what a message is.
   */
  lines(describe: (message: unknown) => string, noteCount = 60): string[] {
    const start = Math.max(0, this.count - EVENTS_KEPT)
    const events = Array.from(
      { length: this.count - start },
      (_, i) => this.events[(start + i) % EVENTS_KEPT] as Traced,
    )
    const shown = this.notes.slice(-noteCount)
    const left = this.notesForgotten + this.notes.length - shown.length
    const merged = [
      ...shown.map((note) => ({ timeMs: note.timeMs, text: `-- ${note.text}` })),
      ...events.map((event) => ({ timeMs: event.timeMs, text: textOf(event, describe) })),
    ].sort((a, b) => a.timeMs - b.timeMs)
    return [
      `${this.count} events; the last ${events.length} follow, and the last ${shown.length} notes of ${left + shown.length}`,
      ...merged.map(({ timeMs, text }) => `${timeMs.toFixed(3).padStart(12)} ms  ${text}`),
    ]
  }
}

/** Mixes a 32-bit word into a hash (the round of MurmurHash3, Appleby). */
export function mix(hash: number, word: number): number {
  let k = Math.imul(word, 0xcc9e2d51)
  k = Math.imul((k << 15) | (k >>> 17), 0x1b873593)
  const h = hash ^ k
  return (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0
}

function textOf(event: Traced, describe: (message: unknown) => string): string {
  if (event.kind === 'message') return `${event.from} -> ${event.process}  ${describe(event.message)}`
  if (event.kind === 'outside') return 'outside'
  return `${event.process}  ${event.kind}`
}

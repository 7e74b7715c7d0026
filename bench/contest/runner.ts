// Runs the children: turn by turn, within a turn task by task, within a task one contestant after the other. So what they
// are compared by was measured within seconds, and every one of them has a process and a memory of its own.
import { fork } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { owned } from '../leftovers.ts'
import type { LeftOut, Turn } from './results.ts'
import { type Contest, type Contestant, EMPTY, type Outcome, type Scale, type TaskRequest } from './types.ts'

const LOADER = new URL('../../scripts/typescript.mjs', import.meta.url).href
/** A child that takes longer is stopped, and its contestant goes on without that task. */
const CHILD_TIMEOUT_MS = 15 * 60 * 1000

export interface Plan {
  contest: Contest
  contestants: readonly Contestant[]
  tasks: ReadonlySet<string>
  turns: number
  scale: Scale
  /** An empty folder on the disk under test. */
  directory: string
  onProgress(text: string): void
}

/** Runs everything. Whoever fails at a task is not asked for it again. */
export async function runTurns(plan: Plan): Promise<{ turns: Turn[]; leftOut: LeftOut[] }> {
  const turns: Turn[] = []
  const leftOut: LeftOut[] = plan.contestants.flatMap(knownGaps)
  for (let turn = 0; turn < plan.turns; turn++) turns.push(await runTurn(plan, turn, leftOut))
  return { turns, leftOut: leftOut.filter(({ task }) => task === undefined || plan.tasks.has(task)) }
}

function knownGaps({ id, cannot = {} }: Contestant): LeftOut[] {
  return Object.entries(cannot).map(([task, reason]) => ({ contestant: id, task, reason }))
}

async function runTurn(plan: Plan, turn: number, leftOut: LeftOut[]): Promise<Turn> {
  const outcomes: Turn = new Map(plan.contestants.map(({ id }) => [id, new Map()]))
  const { tasks, needsStore, makesStore } = plan.contest
  for (const task of tasks.filter((name) => plan.tasks.has(name))) {
    for (const contestant of rotated(plan.contestants, turn)) {
      if (!takesPart(plan.contest, contestant, task, leftOut)) continue
      plan.onProgress(`turn ${turn + 1} of ${plan.turns}: ${contestant.label}, ${task}`)
      const directory = directoryFor(plan, contestant, task)
      try {
        const request: TaskRequest = {
          ...plan.scale,
          seed: plan.scale.seed + turn,
          contestant: contestant.id,
          task,
          directory,
        }
        outcomes.get(contestant.id)!.set(task, await runChild(plan.contest.child, contestant, request))
      } catch (error) {
        leftOut.push(gap(contestant, task, (error as Error).message))
      }
      if (!needsStore.includes(task) && task !== makesStore) rmSync(directory, { recursive: true, force: true })
    }
  }
  rmSync(plan.directory, { recursive: true, force: true })
  return outcomes
}

/** Another one begins in every turn, so that nobody always has the same predecessor's cold caches. */
function rotated<T>(all: readonly T[], by: number): T[] {
  return all.map((_, i) => all[(i + by) % all.length]!)
}

function takesPart(
  { needsStore, makesStore }: Contest,
  { id, tasks }: Contestant,
  task: string,
  leftOut: readonly LeftOut[],
): boolean {
  if (tasks !== undefined && !tasks.includes(task)) return false
  const needed = needsStore.includes(task) ? [task, makesStore] : [task]
  return !leftOut.some((gap) => gap.contestant === id && (gap.task === undefined || needed.includes(gap.task)))
}

/** Who cannot even open an empty store takes no part; without a filled store nothing can be read. */
function gap({ id }: Contestant, task: string, reason: string): LeftOut {
  return task === EMPTY ? { contestant: id, reason } : { contestant: id, task, reason }
}

/** The store of the task that makes one is kept for those that read it; all others start with a new one. */
function directoryFor(plan: Plan, contestant: Contestant, task: string): string {
  mkdirSync(plan.directory, { recursive: true })
  const { needsStore, makesStore } = plan.contest
  if (needsStore.includes(task)) return join(plan.directory, `${contestant.id}-${makesStore}`)
  const directory = join(plan.directory, `${contestant.id}-${task}`)
  rmSync(directory, { recursive: true, force: true })
  return directory
}

function runChild(module: URL, { environment }: Contestant, request: TaskRequest): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = owned(
      fork(fileURLToPath(module), [JSON.stringify(request)], {
        execArgv: ['--import', LOADER],
        env: { ...process.env, ...environment },
        stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
        timeout: CHILD_TIMEOUT_MS,
      }),
    )
    let complaints = ''
    let outcome: Outcome | undefined
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      complaints += text
    })
    child.on('message', (message) => {
      outcome = message as Outcome
    })
    child.on('error', reject)
    child.on('close', (status, signal) => {
      if (outcome !== undefined && status === 0) resolve(outcome)
      else reject(new Error(errorIn(complaints) ?? `ended with ${signal ?? `status ${status}`}`))
    })
  })
}

/** The line of an uncaught error that says what is wrong. */
function errorIn(complaints: string): string | undefined {
  return /^\s*\[?\w*Error\b.*$/m.exec(complaints)?.[0].trim()
}

// A contestant that is an engine in our process: it does the tasks of ../tasks.ts.
import type { Contestant } from '../../contest/types.ts'
import { runTask } from '../tasks.ts'
import type { Engine, LsmContestant } from '../types.ts'

export function engineContestant(contestant: Contestant, engine: Engine): LsmContestant {
  return { ...contestant, run: (request) => runTask(engine, request) }
}

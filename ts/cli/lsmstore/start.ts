// Where lsmstore begins.
import { startStore } from '../ordered/start.ts'
import { LSMSTORE } from './store.ts'

/** Runs `lsmstore ...args` and gives its exit status. */
export function run(args: readonly string[]): Promise<number> {
  return startStore(args, LSMSTORE, () => import('./command.ts'))
}

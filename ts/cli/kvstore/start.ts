// Where kvstore begins.
import { startStore } from '../ordered/start.ts'
import { KVSTORE } from './store.ts'

/** Runs `kvstore ...args` and gives its exit status. */
export function run(args: readonly string[]): Promise<number> {
  return startStore(args, KVSTORE, () => import('./command.ts'))
}

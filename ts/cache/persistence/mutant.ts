// The rules of persistence that a test can take away, one at a time, to prove that the crash suite would notice.
import type { Mutant as AnyMutant } from '../../storage/mutant.ts'

/** A rule of this folder; docs/systems/cache.md says what each is for. */
export type Rule =
  | 'reply after sync' // with `always` no reply leaves before what it tells is durable
  | 'group sync' // and what is durable was synced
  | 'snapshot sync' // a snapshot is synced before it gets its name
  | 'snapshot name sync' // and its name before it counts as saved
  | 'base sync' // a base is synced before the manifest names it
  | 'names before manifest' // files have durable names before the manifest names them
  | 'manifest sync' // the manifest is synced before it gets its name
  | 'manifest name sync' // and its name before anything that it takes for granted
  | 'manifest before increment' // nothing is written to an increment that no manifest names
  | 'increment closed' // an increment is synced before the next one is written to

/** A server with one rule taken away. */
export type Mutant = AnyMutant<Rule>

// What users import as `bedplate/ring`: where keys belong, and what has to move when that changes. Pure: no disk, no network.
export { BedplateError, type ErrorCode } from '../../base/errors.ts'
export { type BoundedLoadOptions, BoundedLoads } from './bounded-load.ts'
export { restoreRing } from './description.ts'
export { type Hash64, hashKey, positionOf } from './hash.ts'
export { jumpHash, jumpHash64 } from './jump.ts'
export { KetamaRing, type KetamaServer } from './ketama.ts'
export { type MovementOptions, type MovementPlan, planMovement, type RangeMove, type RangeRelease } from './movement.ts'
export { Rendezvous, type RendezvousNode } from './rendezvous.ts'
export { buildRing } from './ring.ts'
export type {
  DescribedNode,
  Key,
  KnownNode,
  Position,
  Ring,
  RingDescription,
  RingNode,
  RingOptions,
  TokenRange,
} from './types.ts'

// The simulator of clusters, and the checker of what clients saw.
export { chance, pick, sample, untilNext, wholeBetween } from './chance.ts'
export { checkLinearizable, type Operation, type SequentialModel } from './linearizability.ts'
export { Nemesis } from './nemesis.ts'
export { Simulation } from './simulation.ts'
export { describeFaults, drawFaults, NO_FAULTS, simplifyFaults } from './swarm.ts'
export { mix } from './trace.ts'
export {
  type FaultPlan,
  type Havoc,
  HEALTHY_NETWORK,
  HEALTHY_STORAGE,
  type NetworkFaults,
  type Process,
} from './types.ts'

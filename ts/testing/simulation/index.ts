// The simulator of clusters, and the checker of what clients saw.
export { chance, pick, sample, untilNext, wholeBetween } from './chance.ts'
export {
  type CheckOptions,
  checkLinearizable,
  type Operation,
  type SequentialModel,
  type Verdict,
} from './linearizability.ts'
export { Nemesis, type NemesisOptions } from './nemesis.ts'
export { Simulation, type SimulationOptions } from './simulation.ts'
export { describeFaults, drawFaults, NO_FAULTS, simplifyFaults } from './swarm.ts'
export { mix } from './trace.ts'
export {
  type ClockFaults,
  type FaultPlan,
  type Havoc,
  HEALTHY_NETWORK,
  HEALTHY_STORAGE,
  type NemesisPlan,
  type NetworkFaults,
  type Process,
  type ProcessId,
  type StorageFaults,
} from './types.ts'

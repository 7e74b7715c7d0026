// Streams between the nodes of a cluster, for the systems that have one.
export {
  type Aside,
  beginFrame,
  beginsLike,
  checkClusterId,
  endFrame,
  type Frame,
  FrameDecoder,
  type Greeting,
  MAX_CLUSTER_ID_BYTES,
  MAX_INCARNATION_BYTES,
} from './frame.ts'
export { type CallOutcome, type Links, type LinksOptions, openLinks, type Protocol } from './links.ts'
export {
  bearer,
  checkSecret,
  checkSecretText,
  MAX_PROOF_BYTES,
  NONCE_BYTES,
  refuseOpenHost,
  takeNonce,
} from './secret.ts'

// RESP2 and RESP3, the protocol of Redis: bytes <-> commands and replies.
export { CommandDecoder } from './command-decoder.ts'
export { formatDouble } from './double.ts'
export { splitInline } from './inline.ts'
export { plainOf } from './plain.ts'
export { ReplyDecoder } from './reply-decoder.ts'
export { ReplyWriter } from './reply-writer.ts'
export {
  DEFAULT_LIMITS,
  MAX_STRING_BYTES,
  type Reply,
  RespProtocolError,
  UNAUTHENTICATED_LIMITS,
} from './types.ts'

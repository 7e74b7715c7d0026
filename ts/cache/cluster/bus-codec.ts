// Messages of the cluster bus as bytes, in the format of Redis 7.0 (cluster.h, clusterMsg). Numbers are big-endian.
//
//   offset  size
//        0     4  "RCmb"
//        4     4  length of the whole message
//        8     2  version, 1
//       10     2  port of the sender
//       12     2  type: 0 ping, 1 pong, 2 meet, 3 fail, 4 publish, 5 failover auth request, 6 failover auth ack, 7 update,
//                 8 mfstart, 9 module, 10 publish shard
//       14     2  count of gossip entries
//       16     8  current epoch
//       24     8  config epoch
//       32     8  replication offset
//       40    40  name of the sender
//       80  2048  its slots, or those of its master, as bits
//     2128    40  name of its master, zeros for none
//     2168    46  its address as text, zeros for the one that the connection comes from
//     2214     2  count of extensions, which follow the gossip entries
//     2216    30  zeros
//     2246     2  its other port where TLS is spoken
//     2248     2  its bus port
//     2250     2  its flags
//     2252     1  0 if it serves commands, 1 if not
//     2253     3  bits: 1 paused, 2 force the vote, 4 extensions; zeros
//     2256        what belongs to the type
//
//   ping, pong, meet   entries of 104 bytes: name 40, ping sent 4 and pong received 4 (seconds since 1970), address 46, port 2,
//                      bus port 2, flags 2, other port 2, zeros 2
//   fail               name 40
//   publish, shard     length of the channel 4, of the message 4, both
//   update             config epoch 8, name 40, slots 2048
import { BedplateError } from '../../base/errors.ts'
import type { BusBody, BusHeader, BusMessage, GossipEntry } from './bus-message.ts'
import { isNodeName } from './nodes-conf.ts'
import { BITMAP_BYTES } from './slots.ts'
import { MAX_NODES, type NodeName } from './types.ts'

const HEADER_BYTES = 2256
const ENTRY_BYTES = 104
const NAME_BYTES = 40
const ADDRESS_BYTES = 46
const SIGNATURE = 0x52436d62 // "RCmb"
const VERSION = 1
const PAUSED = 1
const FORCES_VOTE = 2
/** Longer than a ping about all nodes that there may be, or than a message on a channel should be; more is refused. */
const MAX_BUS_MESSAGE_BYTES = 64 * 2 ** 20
const KINDS = [
  'ping',
  'pong',
  'meet',
  'fail',
  'publish',
  'failoverAuthRequest',
  'failoverAuthAck',
  'update',
  'mfstart',
  'module',
  'publishShard',
] as const
const NO_NAME = '\0'.repeat(NAME_BYTES)

/** The bytes of a message. O(bytes). */
export function encodeBusMessage({ header, body }: BusMessage): Uint8Array {
  const bytes = Buffer.alloc(HEADER_BYTES + bodyBytes(body))
  bytes.writeUInt32BE(SIGNATURE, 0)
  bytes.writeUInt32BE(bytes.length, 4)
  bytes.writeUInt16BE(VERSION, 8)
  bytes.writeUInt16BE(header.port, 10)
  bytes.writeUInt16BE(KINDS.indexOf(body.kind), 12)
  bytes.writeUInt16BE('gossip' in body ? body.gossip.length : 0, 14)
  writeNumber(bytes, header.currentEpoch, 16)
  writeNumber(bytes, header.configEpoch, 24)
  writeNumber(bytes, header.offset, 32)
  bytes.write(header.sender, 40, NAME_BYTES, 'latin1')
  bytes.set(header.slots, 80)
  bytes.write(header.master ?? '', 2128, NAME_BYTES, 'latin1')
  bytes.write(header.host, 2168, ADDRESS_BYTES - 1, 'latin1')
  bytes.writeUInt16BE(header.busPort, 2248)
  bytes.writeUInt16BE(header.flags, 2250)
  bytes[2252] = header.isUp ? 0 : 1
  bytes[2253] = (header.isPaused ? PAUSED : 0) | (header.forcesVote ? FORCES_VOTE : 0)
  writeBody(bytes, body)
  return bytes
}

/**
 * Reads the message that is in `bytes` from the first to the last.
 * @returns Undefined for a kind that means nothing here: those of modules.
 * @throws INVALID_INPUT that says what is wrong. O(bytes).
 */
export function decodeBusMessage(bytes: Uint8Array): BusMessage | undefined {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (buffer.length < HEADER_BYTES) throw broken(`${buffer.length} bytes are too few`)
  if (buffer.readUInt32BE(0) !== SIGNATURE) throw broken('it does not begin with RCmb')
  if (buffer.readUInt32BE(4) !== buffer.length) throw broken('its length is another')
  if (buffer.readUInt16BE(8) !== VERSION) throw broken(`version ${buffer.readUInt16BE(8)} is not spoken here`)
  const kind = KINDS[buffer.readUInt16BE(12)]
  if (kind === undefined) throw broken(`type ${buffer.readUInt16BE(12)} is unknown`)
  if (kind === 'module') return undefined
  return { header: readHeader(buffer), body: readBody(buffer, kind) }
}

/** Cuts a stream of bytes into messages. What it holds is bounded by the longest message. */
export class BusDecoder {
  #pending: Uint8Array[] = []
  #size = 0

  push(bytes: Uint8Array): void {
    this.#pending.push(bytes)
    this.#size += bytes.length
  }

  /**
   * The next message; undefined until there are enough bytes. Those of kinds that mean nothing here are passed over.
   * @throws INVALID_INPUT if that cannot be one: the stream is of no use any more.
   */
  next(): BusMessage | undefined {
    while (this.#size >= 8) {
      const first = this.#joined(8)
      if (first.readUInt32BE(0) !== SIGNATURE) throw broken('it does not begin with RCmb')
      const length = first.readUInt32BE(4)
      if (length < HEADER_BYTES || length > MAX_BUS_MESSAGE_BYTES) throw broken(`a length of ${length} is out of range`)
      if (this.#size < length) return undefined
      const all = this.#joined(length)
      this.#pending = all.length === length ? [] : [all.subarray(length)]
      this.#size -= length
      const message = decodeBusMessage(all.subarray(0, length))
      if (message !== undefined) return message
    }
    return undefined
  }

  /** At least `count` bytes in one piece. */
  #joined(count: number): Buffer {
    let [first = new Uint8Array()] = this.#pending
    if (first.length < count) {
      first = Buffer.concat(this.#pending)
      this.#pending = [first]
    }
    return Buffer.from(first.buffer, first.byteOffset, first.byteLength)
  }
}

function bodyBytes(body: BusBody): number {
  switch (body.kind) {
    case 'ping':
    case 'pong':
    case 'meet':
      return body.gossip.length * ENTRY_BYTES
    case 'fail':
      return NAME_BYTES
    case 'update':
      return 8 + NAME_BYTES + BITMAP_BYTES
    case 'publish':
    case 'publishShard':
      return 8 + body.channel.length + body.message.length
    default:
      return 0
  }
}

function writeBody(bytes: Buffer, body: BusBody): void {
  switch (body.kind) {
    case 'ping':
    case 'pong':
    case 'meet':
      for (const [index, entry] of body.gossip.entries()) writeEntry(bytes, entry, HEADER_BYTES + index * ENTRY_BYTES)
      break
    case 'fail':
      bytes.write(body.node, HEADER_BYTES, NAME_BYTES, 'latin1')
      break
    case 'update':
      writeNumber(bytes, body.configEpoch, HEADER_BYTES)
      bytes.write(body.node, HEADER_BYTES + 8, NAME_BYTES, 'latin1')
      bytes.set(body.slots, HEADER_BYTES + 8 + NAME_BYTES)
      break
    case 'publish':
    case 'publishShard':
      bytes.writeUInt32BE(body.channel.length, HEADER_BYTES)
      bytes.writeUInt32BE(body.message.length, HEADER_BYTES + 4)
      bytes.write(body.channel + body.message, HEADER_BYTES + 8, 'latin1')
      break
    default:
      break
  }
}

function readHeader(bytes: Buffer): BusHeader {
  const master = bytes.toString('latin1', 2128, 2128 + NAME_BYTES)
  const bits = bytes[2253] as number
  return {
    sender: readName(bytes, 40),
    host: readAddress(bytes, 2168),
    port: bytes.readUInt16BE(10),
    busPort: bytes.readUInt16BE(2248),
    flags: bytes.readUInt16BE(2250),
    isUp: bytes[2252] === 0,
    currentEpoch: readNumber(bytes, 16),
    configEpoch: readNumber(bytes, 24),
    slots: bytes.subarray(80, 80 + BITMAP_BYTES),
    master: master === NO_NAME ? undefined : readName(bytes, 2128),
    offset: readNumber(bytes, 32),
    isPaused: (bits & PAUSED) !== 0,
    forcesVote: (bits & FORCES_VOTE) !== 0,
  }
}

function readBody(bytes: Buffer, kind: Exclude<(typeof KINDS)[number], 'module'>): BusBody {
  const size = bytes.length - HEADER_BYTES
  switch (kind) {
    case 'ping':
    case 'pong':
    case 'meet': {
      const count = bytes.readUInt16BE(14)
      if (count > MAX_NODES) throw broken(`${count} nodes are too many`)
      // Extensions may follow; none of them is needed.
      if (size < count * ENTRY_BYTES) throw broken(`${count} nodes do not fit into it`)
      const gossip = Array.from({ length: count }, (_, index) => readEntry(bytes, HEADER_BYTES + index * ENTRY_BYTES))
      return { kind, gossip }
    }
    case 'fail':
      if (size !== NAME_BYTES) throw broken('the name of who failed has another length')
      return { kind, node: readName(bytes, HEADER_BYTES) }
    case 'update':
      if (size !== 8 + NAME_BYTES + BITMAP_BYTES) throw broken('an update has another length')
      return {
        kind,
        configEpoch: readNumber(bytes, HEADER_BYTES),
        node: readName(bytes, HEADER_BYTES + 8),
        slots: bytes.subarray(HEADER_BYTES + 8 + NAME_BYTES),
      }
    case 'publish':
    case 'publishShard': {
      if (size < 8) throw broken('a message of a channel has no lengths')
      const channel = bytes.readUInt32BE(HEADER_BYTES)
      const message = bytes.readUInt32BE(HEADER_BYTES + 4)
      if (8 + channel + message > size) throw broken('a message of a channel is longer than itself')
      const at = HEADER_BYTES + 8
      return {
        kind,
        channel: bytes.toString('latin1', at, at + channel),
        message: bytes.toString('latin1', at + channel, at + channel + message),
      }
    }
    default:
      return { kind }
  }
}

function writeEntry(bytes: Buffer, entry: GossipEntry, at: number): void {
  bytes.write(entry.name, at, NAME_BYTES, 'latin1')
  bytes.writeUInt32BE(seconds(entry.pingSentMs), at + 40)
  bytes.writeUInt32BE(seconds(entry.pongReceivedMs), at + 44)
  bytes.write(entry.host, at + 48, ADDRESS_BYTES - 1, 'latin1')
  bytes.writeUInt16BE(entry.port, at + 94)
  bytes.writeUInt16BE(entry.busPort, at + 96)
  bytes.writeUInt16BE(entry.flags, at + 98)
}

function readEntry(bytes: Buffer, at: number): GossipEntry {
  return {
    name: readName(bytes, at),
    pingSentMs: bytes.readUInt32BE(at + 40) * 1000,
    pongReceivedMs: bytes.readUInt32BE(at + 44) * 1000,
    host: readAddress(bytes, at + 48),
    port: bytes.readUInt16BE(at + 94),
    busPort: bytes.readUInt16BE(at + 96),
    flags: bytes.readUInt16BE(at + 98),
  }
}

function readName(bytes: Buffer, at: number): NodeName {
  const name = bytes.toString('latin1', at, at + NAME_BYTES)
  return isNodeName(name) ? name : refuse('a name is no name of a node')
}

/** Text up to the first zero byte: letters, digits, dots, colons and such, as addresses have. */
function readAddress(bytes: Buffer, at: number): string {
  const text = bytes.toString('latin1', at, at + ADDRESS_BYTES)
  const end = text.indexOf('\0')
  const address = end === -1 ? text : text.slice(0, end)
  return /^[\w.:%-]*$/.test(address) ? address : refuse('an address is no address')
}

/** Epochs and offsets beyond 2^53 do not come about by counting. */
function readNumber(bytes: Buffer, at: number): number {
  const value = bytes.readUInt32BE(at) * 2 ** 32 + bytes.readUInt32BE(at + 4)
  return value <= Number.MAX_SAFE_INTEGER ? value : refuse('an epoch or offset is out of range')
}

function writeNumber(bytes: Buffer, value: number, at: number): void {
  bytes.writeUInt32BE(Math.floor(value / 2 ** 32), at)
  bytes.writeUInt32BE(value % 2 ** 32, at + 4)
}

function seconds(ms: number): number {
  return Math.min(0xffff_ffff, Math.max(0, Math.floor(ms / 1000)))
}

function refuse(what: string): never {
  throw broken(what)
}

function broken(what: string): BedplateError {
  return new BedplateError('INVALID_INPUT', `no message of the cluster bus: ${what}`)
}

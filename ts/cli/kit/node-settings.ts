// What the commands of nodes on Raft can be told alike, in the same words.
import { type Address, parseAddress } from '../../io/network.ts'
import { numberSetting, SERVER_SETTINGS, type Setting, textSetting } from '../../service/index.ts'
import { UsageError } from './program.ts'
import { asUsage } from './server-command.ts'

export const MAX_PORT = 65_535

/** Where nodes and clients come in together. */
export const HOST_SETTING = textSetting(
  'the address to listen on; others than this machine need --tls-ca',
  '<address>',
  '127.0.0.1',
)

const { 'max-clients': clients, 'tls-cert': cert, 'tls-key': key, 'tls-ca': ca, ...others } = SERVER_SETTINGS

/** What a node that speaks HTTP and Raft on one port shares with other servers. */
export const NODE_SETTINGS = {
  'max-clients': { ...clients, summary: 'connections of HTTP at a time' },
  'tls-cert': { ...cert, summary: 'speak TLS, to nodes and clients, with this certificate, a PEM file' },
  'tls-key': key,
  'tls-ca': { ...ca, summary: 'let only nodes and clients in whose certificate this authority has signed' },
  'log-level': others['log-level'],
  'drain-ms': others['drain-ms'],
}

/** @param fallback - Bytes. */
export function snapshotSetting(fallback: number): Setting<number> {
  return numberSetting('make a snapshot after so many bytes of commands', fallback, {
    low: 1024,
    placeholder: '<bytes>',
  })
}

/** A number that no other one stands in for if it is not given. */
export function optionalNumber(
  summary: string,
  options: { low?: number; high?: number; placeholder: string },
): Setting<number | undefined> {
  return { ...numberSetting(summary, 0, options), fallback: undefined } as Setting<number | undefined>
}

/** An address on the command line. @throws UsageError */
export function addressOf(flag: string, text: string): Address | undefined {
  if (text === '') return undefined
  try {
    return parseAddress(text)
  } catch (error) {
    const { message, hint } = asUsage(error)
    throw new UsageError(`${flag}: ${message}`, hint)
  }
}

// What nodes of Raft say to each other, in words.
import type { Message } from '../../distributed/raft/index.ts'

const COMMAND_CHARACTERS = 24
const COMMANDS_SHOWN = 3

/** Heartbeats go to everybody all the time: they would hide everything else. */
export function isHeartbeat({ kind }: Message): boolean {
  return kind === 'heartbeat' || kind === 'heartbeatAck'
}

/** A message as a short sentence of its sender. */
export function wordsOf(message: Message): string {
  switch (message.kind) {
    case 'requestVote': {
      const { isPre, term, lastIndex, lastTerm } = message
      const end = `my log ends at ${lastIndex}, term ${lastTerm}`
      return `${isPre ? 'would you' : 'do you'} vote for me in term ${term}? ${end}`
    }
    case 'vote':
      return `${message.granted ? 'yes' : 'no'}${message.isPre && message.granted ? ', I would' : ''}`
    case 'append':
      return appendOf(message)
    case 'appended':
      return `my log is yours up to ${message.match}`
    case 'refused':
      return `I have no ${message.prevIndex} like yours; perhaps ${message.hintIndex}, term ${message.hintTerm}`
    case 'heartbeat':
      return `I lead term ${message.term}; committed up to ${message.commit}`
    case 'heartbeatAck':
      return 'I hear you'
    case 'snapshotChunk':
      return `a piece of the snapshot at ${message.snapshot.index}, from byte ${message.offset}`
    case 'chunkReceived':
      return `I have the snapshot up to byte ${message.offset}`
    case 'timeoutNow':
      return 'campaign now'
    case 'stale':
      return `it is term ${message.term} already`
    case 'removed':
      return `you were removed at ${message.index}`
  }
}

function appendOf({ prevIndex, prevTerm, entries, commit }: Message & { kind: 'append' }): string {
  const after = `after ${prevIndex}, term ${prevTerm}; committed up to ${commit}`
  if (entries.length === 0) return `nothing new ${after}`
  const shown = entries.slice(0, COMMANDS_SHOWN).map((entry) => `${entry.index}: ${contentOf(entry)}`)
  const more = entries.length > COMMANDS_SHOWN ? ` and ${entries.length - COMMANDS_SHOWN} more` : ''
  return `${shown.join(', ')}${more} ${after}`
}

function contentOf(entry: (Message & { kind: 'append' })['entries'][number]): string {
  if (entry.kind === 'membership') return `members ${entry.membership.voters.join(' ')}`
  if (entry.kind === 'empty') return `begin of term ${entry.term}`
  const text = Buffer.from(entry.command)
    .toString()
    .replaceAll(/[^ -~]+/g, '')
  return text.length <= COMMAND_CHARACTERS ? text : `${text.slice(0, COMMAND_CHARACTERS - 1)}…`
}

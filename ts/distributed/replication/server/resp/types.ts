// What commands are, and what those that concern their connection may ask of it.
import type { ReplyWriter } from '../../../../wire/resp/index.ts'
import type { KeyReader, ReadOptions } from '../types.ts'
import type { WriteBatch } from '../write-batch.ts'

/** How the reads of a connection are answered. */
export type ReadWish = Pick<ReadOptions, 'consistency' | 'maxStalenessMs'>

/** What commands that concern their connection alone may ask of it. */
export interface Talker {
  readonly id: number
  readonly reply: ReplyWriter
  /** It has shown that it knows the secret of the cluster, or there is none. */
  readonly isKnown: boolean
  name: string
  wish: ReadWish
  /** What its writes and reads have come to, as a token; undefined before the first. */
  session: string | undefined
  /** INFO of a section, or of all. */
  info(section: string | undefined): string
  /** Takes the secret of the cluster as a password. @throws CommandError if it is another one, or there is none */
  authenticate(password: string): void
  /** Takes that back: a secret, if there is one, has to be shown again. */
  forget(): void
  /** ROLE. */
  role(): void
  /** It is closed once it has its replies. */
  hangUp(): void
}

/** Changes keys. */
export interface WriteCommand {
  readonly kind: 'write'
  readonly least: number
  readonly most: number
  /** Arguments of one write. */
  readonly width: 1 | 2
  /** @returns What to answer: OK, or how many of so many deletes were there. */
  readonly put: (args: readonly string[], batch: WriteBatch) => number
}

/** Reads keys. */
export interface ReadCommand {
  readonly kind: 'read'
  readonly least: number
  readonly most: number
  /** @param keys - Of one moment for all calls. */
  readonly answer: (args: readonly string[], keys: KeyReader<string>, reply: ReplyWriter) => void
}

/** Needs no keys. */
export interface DirectCommand {
  readonly kind: 'direct'
  /** May be run by who has not shown that it knows the secret of the cluster. */
  readonly isOpen: boolean
  readonly least: number
  readonly most: number
  readonly answer: (talker: Talker, args: readonly string[]) => void
}

export type Command = WriteCommand | ReadCommand | DirectCommand

/** The answer OK of a `WriteCommand`. */
export const OK = -1

/** What a server lends to commands that keep the data: files and the end of the process. Texts are replies. */
export interface PersistenceDoor {
  /** Saves a snapshot before it returns. @returns What is wrong. */
  save(): string | undefined
  /** Begins to save one. @param isScheduled - Later, if it cannot be now. */
  saveInBackground(isScheduled: boolean): DoorAnswer
  /** Begins to rewrite the append-only file. */
  rewrite(): DoorAnswer
  /** When a snapshot was saved last, or the start; milliseconds since 1970. */
  readonly savedAtMs: number
  /** Ends the server. @param saves - Undefined: if it saves by itself. @returns What is in the way; undefined if it ends. */
  shutdown(saves: boolean | undefined, isForced: boolean): string | undefined
}

/** A reply, or a refusal. */
export type DoorAnswer = { readonly text: string } | { readonly refusal: string }

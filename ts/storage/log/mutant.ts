// The rules of the log that a test can take away, one at a time, to prove that the crash suite would notice.
import type { Mutant as AnyMutant } from '../mutant.ts'

/** A rule of this folder; README.md and docs/formats/log.md say what each is for. */
export type Rule =
  | 'group sync' // a group is synced before it is acknowledged
  | 'old segment sync' // a segment is synced before a frame goes into the next one
  | 'new segment sync' // a segment is synced before it gets its name
  | 'names before recycling' // a segment that lost its name has durably lost it before it is overwritten
  | 'names after publishing' // a segment's new name is durable before anything in it is acknowledged
  | 'page alignment' // after a sync the next frame starts in a page of its own
  | 'header checksum'
  | 'payload checksum'
  | 'generation' // a frame counts only in the life of the file it was written in: its segment and generation
  | 'offset' // a frame counts only where it was written
  | 'durable proof' // a bad frame that had been durable is corruption, not a torn tail
  | 'rewritten tail' // recovery writes again what it accepted and cannot know to be durable
  | 'segment length' // a segment that is shorter than it was made is corruption, unless a closed log has cut it
  | 'closing frame sync' // a segment is cut only when the frame that says so is durable
  | 'frame before name' // the first frame is in its segment before that gets its name, which supersedes older ones

/** A log with one rule taken away. */
export type Mutant = AnyMutant<Rule>

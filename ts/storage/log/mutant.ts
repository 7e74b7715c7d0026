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
  | 'void segments' // a segment that begins behind where a later one takes over holds nothing
  | 'durable truncation' // a truncation is acknowledged when the segment that takes over is durable
  | 'start sync' // where an append log begins is synced before it gets its name
  | 'start name sync' // and its name before segments go
  | 'start before discarding' // segments go when it is durable that they are not needed
  | 'flush before start' // a log begins at no record that a power cut could take away
  | 'start checksum'
  | 'readable is durable' // with durability `sync` nobody reads what a power cut could take away
  | 'readable of this segment' // what a writer said of another segment or life says nothing of this one
  | 'numbers of the truncated' // while a truncation is under way, what was durable before says nothing of later records

/** A log with one rule taken away. */
export type Mutant = AnyMutant<Rule>

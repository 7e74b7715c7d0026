// The rules of the log that a test can take away, one at a time, to prove that the crash suite
// would notice. The same as in ts/storage/log/mutant.ts.
#ifndef BEDPLATE_LOG_MUTANT_H_
#define BEDPLATE_LOG_MUTANT_H_

#include "core/mutant.h"

namespace bedplate::log {

// A rule of this folder; docs/formats/log.md says what each is for.
enum class Rule {
  kGroupSync,             // a group is synced before it is acknowledged
  kOldSegmentSync,        // a segment is synced before a frame goes into the next one
  kNewSegmentSync,        // a segment is synced before it gets its name
  kNamesBeforeRecycling,  // a segment that lost its name has durably lost it before it is
                          // overwritten
  kNamesAfterPublishing,  // a segment's new name is durable before anything in it is acknowledged
  kPageAlignment,         // after a sync the next frame starts in a page of its own
  kHeaderChecksum,
  kPayloadChecksum,
  kGeneration,     // a frame counts only in the life of the file it was written in
  kOffset,         // a frame counts only where it was written
  kDurableProof,   // a bad frame that had been durable is corruption, not a torn tail
  kRewrittenTail,  // recovery writes again what it accepted and cannot know to be durable
  kSegmentLength,  // a segment shorter than it was made is corruption, unless a closed log cut it
  kClosingFrameSync,  // a segment is cut only when the frame that says so is durable
  kFrameBeforeName,   // the first frame is in its segment before that gets its name
};

// A log with one rule taken away.
using Mutant = bedplate::Mutant<Rule>;

}  // namespace bedplate::log

#endif  // BEDPLATE_LOG_MUTANT_H_

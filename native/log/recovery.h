// Reads a log back: which records it holds, and whether what is missing may be missing. Changes
// nothing.
//
// A segment is read up to the record at which its successor takes over; what lies behind that is
// void. Only in the last segment may frames be bad, and only frames that nothing proves to have
// been durable: they are the torn tail.
#ifndef BEDPLATE_LOG_RECOVERY_H_
#define BEDPLATE_LOG_RECOVERY_H_

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "core/status.h"
#include "log/frame.h"
#include "log/log.h"
#include "log/segment.h"

namespace bedplate::log {

// A frame that is whole, but not known to be durable.
struct UnprovenFrame {
  FrameHeader header;
  std::vector<uint8_t> payload;
};

// What was found.
struct Recovered {
  // The segments of the log, in order.
  std::vector<SegmentHeader> segments;
  // Names of files that were to become segments.
  std::vector<std::string> prepared;
  // The number of the last record, in the log or kept elsewhere.
  uint64_t last_position = 0;
  // Every record up to and with this one is known to be durable.
  uint64_t durable_position = 0;
  // The frames from the first one that is not known to be durable; empty if what is kept elsewhere
  // reaches as far.
  std::deque<UnprovenFrame> unproven;
  // Whether the last segment is known to have its name durably: only then was a second frame
  // written to it.
  bool is_name_proven = false;
};

// Replays every record above `kept_elsewhere`, in order. CORRUPTION if records are missing or
// damaged that had been durable; INCOMPATIBLE for a newer version; what `replay` returns.
Status Recover(const LogOptions& options, const Log::Replay& replay, Recovered* recovered);

}  // namespace bedplate::log

#endif  // BEDPLATE_LOG_RECOVERY_H_

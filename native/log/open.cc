// Opening a log: read it back, then go on behind it.
#include <memory>
#include <string>
#include <utility>

#include "log/log.h"
#include "log/mutant.h"
#include "log/read_only_log.h"
#include "log/recovery.h"
#include "log/writer.h"

namespace bedplate::log {
namespace {

// The smallest segment: its header, a frame, and the frame that closes the log.
constexpr uint64_t kSmallestSegmentBytes = kSegmentHeaderBytes + 2 * kPageBytes;

Status CheckSegmentBytes(const char* name, uint64_t bytes) {
  if (bytes >= kSmallestSegmentBytes && bytes % kPageBytes == 0) return Status::Ok();
  return Status::Error(ErrorCode::kInvalidInput, std::string(name) + " is a multiple of " +
                                                     std::to_string(kPageBytes) + ", at least " +
                                                     std::to_string(kSmallestSegmentBytes));
}

Status CheckSizes(const LogOptions& options) {
  Status status = CheckSegmentBytes("firstSegmentBytes", options.first_segment_bytes);
  if (status.ok()) status = CheckSegmentBytes("maxSegmentBytes", options.max_segment_bytes);
  if (status.ok() && options.max_pending_bytes == 0) {
    status = Status::Error(ErrorCode::kInvalidInput, "maxPendingBytes is above 0");
  }
  return status;
}

}  // namespace

Status Log::Open(const LogOptions& options, const Replay& replay, std::unique_ptr<Log>* log) {
  if (Status status = CheckSizes(options); !status.ok()) return status;
  Recovered recovered;
  if (Status status = Recover(options, replay, &recovered); !status.ok()) return status;
  if (options.read_only) {
    *log = std::make_unique<ReadOnlyLog>(recovered);
    return Status::Ok();
  }
  // Its writer may have ended before the name was durable, or because it could not make it so.
  if (!recovered.segments.empty() && !recovered.is_name_proven &&
      !Lacks(options.mutant, Rule::kNamesAfterPublishing)) {
    Status status = options.disk->SyncDirectory(options.directory);
    if (!status.ok()) return status;
  }
  if (Lacks(options.mutant, Rule::kRewrittenTail)) recovered.unproven.clear();
  auto writer = std::make_unique<LogWriter>(options, recovered);
  if (Status status = writer->Start(recovered.unproven); !status.ok()) return status;
  *log = std::move(writer);
  return Status::Ok();
}

}  // namespace bedplate::log

#ifndef BEDPLATE_LOG_READ_ONLY_LOG_H_
#define BEDPLATE_LOG_READ_ONLY_LOG_H_

#include <algorithm>
#include <cstdint>

#include "log/log.h"
#include "log/recovery.h"

namespace bedplate::log {

// A log that was read and cannot be written to. Holds no files.
class ReadOnlyLog final : public Log {
 public:
  explicit ReadOnlyLog(const Recovered& recovered)
      : last_position_(recovered.last_position), durable_position_(recovered.durable_position) {
    stats_.segment_count = recovered.segments.size();
    for (const SegmentHeader& segment : recovered.segments) {
      stats_.segment_bytes += segment.size_bytes;
    }
  }

  [[nodiscard]] uint64_t last_position() const override { return last_position_; }
  [[nodiscard]] uint64_t durable_position() const override { return durable_position_; }
  [[nodiscard]] uint64_t acknowledged_position() const override { return last_position_; }
  [[nodiscard]] Status failure() const override { return Status::Ok(); }
  [[nodiscard]] LogStats stats() const override { return stats_; }

  Status Reserve(uint64_t /*bytes*/) override { return ReadOnly(); }
  // Never called: `Reserve` did not succeed.
  uint64_t Append(Bytes /*record*/) override { return last_position_; }
  void Submit() override {}
  void RequestSync(uint64_t /*position*/) override {}
  Status SyncTo(uint64_t position) override {
    return std::min(position, last_position_) > durable_position_ ? ReadOnly() : Status::Ok();
  }
  void Hold() override {}
  void Release() override {}
  void DiscardUpTo(uint64_t /*position*/) override {}
  Status Close() override { return Status::Ok(); }

 private:
  static Status ReadOnly() {
    return Status::Error(ErrorCode::kReadOnly, "the log was opened for reading only");
  }

  const uint64_t last_position_;
  const uint64_t durable_position_;
  LogStats stats_;
};

}  // namespace bedplate::log

#endif  // BEDPLATE_LOG_READ_ONLY_LOG_H_

// The log that is written to: gathers records into groups, writes each group as one frame, says
// when it is durable.
//
// All writing is a sequence of steps, `DoStep`, taken by one thread, so that it has one order: take
// a group, write its frame, sync if the durability level asks for it. The next group gathers its
// records meanwhile.
//
// A new segment is written under a temporary name, its first frame included, and synced; then it
// gets its name, and the directory is synced; then the frame counts as durable. So a segment of the
// log always starts with a whole frame.
#ifndef BEDPLATE_LOG_WRITER_H_
#define BEDPLATE_LOG_WRITER_H_

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/bytes.h"
#include "core/status.h"
#include "core/thread.h"
#include "log/group.h"
#include "log/log.h"
#include "log/recovery.h"
#include "log/segment_pool.h"

namespace bedplate::log {

// The log of one writer. Made by `Log::Open`.
class LogWriter final : public Log {
 public:
  // Goes on behind what was recovered. Records that are not known to be durable are not part of it
  // yet: `Start` writes them again.
  LogWriter(const LogOptions& options, const Recovered& recovered);
  ~LogWriter() override;

  // Starts the thread, and writes again what recovery accepted and cannot know to be durable.
  // Returns when it is.
  Status Start(const std::deque<UnprovenFrame>& unproven);

  [[nodiscard]] uint64_t last_position() const override { return last_; }
  [[nodiscard]] uint64_t durable_position() const override { return durable_; }
  [[nodiscard]] uint64_t acknowledged_position() const override;
  [[nodiscard]] Status failure() const override;
  [[nodiscard]] LogStats stats() const override;

  Status Reserve(uint64_t bytes) override;
  uint64_t Append(Bytes record) override;
  void Submit() override;
  void RequestSync(uint64_t position) override;
  Status SyncTo(uint64_t position) override;
  void Hold() override;
  void Release() override;
  void DiscardUpTo(uint64_t position) override;
  Status Close() override;

 private:
  using Lock = std::unique_lock<std::mutex>;
  static constexpr uint64_t kNotHeld = std::numeric_limits<uint64_t>::max();

  // Room for records: with the mutex held.
  Status CheckUsable() const;
  Status Relieve(Lock* lock, uint64_t bytes);
  Status ProvideRoom(Lock* lock, uint64_t bytes);
  [[nodiscard]] uint64_t LimitInNewest() const;
  Group* OpenGroup(uint64_t bytes);
  void CloseGroup();
  Status AwaitDurable(Lock* lock, uint64_t position);

  // What there is to do: with the mutex held.
  [[nodiscard]] bool CanTakeGroup() const;
  [[nodiscard]] bool IsSyncDue() const;
  [[nodiscard]] bool HasWork() const { return failure_.ok() && (CanTakeGroup() || IsSyncDue()); }
  // Waits until `is_done`, doing the work if nobody else does.
  template <typename IsDone>
  void Await(Lock* lock, IsDone is_done);
  // Has the thread look for work, or does it; gives the mutex back.
  void Wake(Lock* lock);

  // The thread.
  void Run();
  void Sleep(Lock* lock);
  void DoWork(Lock* lock);
  void DoStep(Lock* lock);
  void Settle(const Group& group);
  void Fail(const Status& cause);

  // Writing and syncing, without the mutex: by the one who takes steps.
  Status WriteGroup(Group* group);
  Status EnterSegment(Group* group);
  Status WriteFrame(Group* group);
  Status SyncCurrent();
  Status SyncFile(SegmentFile* segment);
  Status SyncNames();

  void StopThread();
  bool LeaveSmall();
  void MarkClean();

  const LogOptions options_;
  const uint32_t seed_;
  const uint64_t generation_;
  const bool syncs_groups_;
  SegmentPool pool_;

  // Belongs to the one who takes steps. Records are written up to `written_`.
  std::shared_ptr<SegmentFile> current_;
  uint64_t written_;
  // Changed by the one who takes steps, read by anybody.
  std::atomic<uint64_t> durable_;
  std::atomic<uint64_t> acknowledged_;
  std::atomic<uint64_t> frames_{0};
  std::atomic<uint64_t> syncs_{0};
  // Changed by the writer, with the mutex held; read by anybody.
  std::atomic<uint64_t> last_;

  // Guards everything below.
  mutable std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable progress_;
  // Groups to be written, in order. The last one takes records if it is `open_`.
  std::deque<std::unique_ptr<Group>> queue_;
  Group* open_ = nullptr;
  // Where the newest group goes.
  std::shared_ptr<SegmentFile> newest_segment_;
  BufferPool buffers_;
  // What was appended and is neither acknowledged nor lost.
  uint64_t pending_bytes_ = 0;
  // Records from this number on are held back.
  uint64_t held_from_ = kNotHeld;
  // Everything up to these was asked to be written, and to be synced.
  uint64_t write_wanted_ = 0;
  uint64_t sync_wanted_ = 0;
  // When what was written is to be synced unasked.
  std::optional<std::chrono::steady_clock::time_point> sync_at_;
  bool is_working_ = false;
  bool is_asleep_ = false;
  bool is_stopping_ = false;
  bool is_closed_ = false;
  Status failure_;
  uint64_t appends_ = 0;

  Thread thread_;
};

}  // namespace bedplate::log

#endif  // BEDPLATE_LOG_WRITER_H_

// The shared log, native: the same files and the same rules as its twin, ts/storage/log (see its
// README; bytes in docs/formats/log.md). What differs is who works: a thread of the log writes and
// syncs the groups, so the owner of the log never waits for the device.
#ifndef BEDPLATE_LOG_LOG_H_
#define BEDPLATE_LOG_LOG_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "core/bytes.h"
#include "core/status.h"
#include "log/mutant.h"
#include "vfs/disk.h"

namespace bedplate::log {

// The bounds of ts/storage/log/types.ts.
inline constexpr uint64_t kFirstSegmentBytes = uint64_t{256} << 10;
inline constexpr uint64_t kMaxSegmentBytes = uint64_t{64} << 20;
inline constexpr uint64_t kMaxRecordBytes = uint64_t{1} << 30;
inline constexpr uint64_t kMaxPendingBytes = uint64_t{16} << 20;

// When a record counts as acknowledged; see `Durability` in ts/storage/log/types.ts.
enum class Durability {
  kSync,      // its group was synced
  kInterval,  // its group was handed to the kernel; synced every `interval_ms`
  kOs,        // its group was handed to the kernel
  kMemory,    // at once
};

struct LogOptions {
  vfs::Disk* disk = nullptr;
  // Must exist. Segments are `log-<number>` in it.
  std::string directory;
  std::array<uint8_t, 16> uuid{};
  Durability durability = Durability::kSync;
  uint32_t interval_ms = 0;
  // Records up to and with this one are known to be kept elsewhere; recovery need not find them.
  uint64_t kept_elsewhere = 0;
  // Opens for reading alone: nothing on disk changes, no thread is started.
  bool read_only = false;
  uint64_t first_segment_bytes = kFirstSegmentBytes;
  uint64_t max_segment_bytes = kMaxSegmentBytes;
  uint64_t max_pending_bytes = kMaxPendingBytes;
  // For simulations: no thread is started. What would be its work is done by whoever calls
  // `RequestSync`, `SyncTo` or `Close`, has to wait in `Reserve`, or gives the log files to
  // recycle.
  bool manual = false;
  // For a test of the tests: see mutant.h.
  Mutant* mutant = nullptr;
  // Called on the log's thread whenever `acknowledged_position`, `durable_position` or `failure`
  // has moved. Must return soon, and must not call back into the log except for those three.
  std::function<void()> on_progress;
};

// Figures since opening; segment figures are of now.
struct LogStats {
  uint64_t appends = 0;
  uint64_t frames = 0;
  uint64_t syncs = 0;
  uint64_t segment_bytes = 0;
  uint64_t segment_count = 0;
};

// An append-only log of records numbered 1, 2, 3, ...
//
// Thread-safety: `Reserve`, `Append`, `Hold` and `Close` belong to the one writer, who serialises
// them by a lock of its own. Everything else may be called by any thread.
//
//   Status status = log->Reserve(record.size());   // may wait for the device, or find it full
//   ... change memory ...
//   const uint64_t position = log->Append(record); // cannot fail
//   log->Submit();                                 // the log's thread writes it, on its own time
//   status = log->SyncTo(position);                // only for who has to know that it is durable
class Log {
 public:
  // Called for every record above `kept_elsewhere`, in order, while opening; its error ends it.
  using Replay = std::function<Status(uint64_t position, Bytes record)>;

  // Opens the log in `options.directory`, or starts one there. Returns when every replayed record
  // is durable. CORRUPTION if a record that had been durable is damaged or missing: nothing on disk
  // has changed then. INCOMPATIBLE for a newer version's files; DISK_FULL if there is no space to
  // secure an unfinished tail; what `replay` returns.
  static Status Open(const LogOptions& options, const Replay& replay, std::unique_ptr<Log>* log);

  // Closes the files without writing anything more; `Close` comes first where records should stay.
  virtual ~Log() = default;

  // The number of the last appended record; 0 if there never was one.
  [[nodiscard]] virtual uint64_t last_position() const = 0;
  // Every record up to and with this one is durable.
  [[nodiscard]] virtual uint64_t durable_position() const = 0;
  // Every record up to and with this one is acknowledged, as the durability level has it.
  [[nodiscard]] virtual uint64_t acknowledged_position() const = 0;
  // OK, or what a write or a sync once failed with: the log takes no more records then, and what
  // was not acknowledged may or may not be there after reopening.
  [[nodiscard]] virtual Status failure() const = 0;
  [[nodiscard]] virtual LogStats stats() const = 0;

  // Makes sure that a record of `bytes` will find its place in preallocated segments. Waits only if
  // the writer outran preallocation or `max_pending_bytes`. DISK_FULL: nothing has changed.
  virtual Status Reserve(uint64_t bytes) = 0;
  // Appends a record; `Reserve` of at least its size has just succeeded. Copies the bytes, and does
  // nothing else: it is written once somebody calls `Submit`. Gives its position.
  virtual uint64_t Append(Bytes record) = 0;
  // Has what was appended written soon, as the durability level has it.
  virtual void Submit() = 0;

  // Asks for everything to be written, and for what is up to `position` to be made durable, soon
  // and whatever the durability level.
  virtual void RequestSync(uint64_t position) = 0;
  // The same, and waits for it.
  virtual Status SyncTo(uint64_t position) = 0;

  // Records appended from now on are kept in memory, not written, until `Release`.
  virtual void Hold() = 0;
  virtual void Release() = 0;
  // Segments whose records are all <= `position` are no longer needed: recycled or removed.
  virtual void DiscardUpTo(uint64_t position) = 0;

  // Writes and syncs what is pending, marks the end as clean, closes. After a failure it only
  // closes.
  virtual Status Close() = 0;
};

}  // namespace bedplate::log

#endif  // BEDPLATE_LOG_LOG_H_

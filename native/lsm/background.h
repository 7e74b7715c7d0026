// Flushes and compactions, each on a thread of its own. The twin is ts/storage/lsm/background.ts,
// which does one after the other.
//
// Order, each step durable before the next: tables and their names; the manifest that names them;
// and only then the log and the tables that it makes needless are let go. A full disk ends the work
// without a trace, and it is tried again later. While level 0 is crowded, flushes wait for merges,
// and writers for both.
#ifndef BEDPLATE_LSM_BACKGROUND_H_
#define BEDPLATE_LSM_BACKGROUND_H_

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "core/status.h"
#include "core/thread.h"
#include "lsm/build_tables.h"
#include "lsm/compaction.h"
#include "lsm/events.h"
#include "lsm/live_table.h"
#include "lsm/manifest.h"
#include "lsm/mutant.h"
#include "lsm/states.h"
#include "lsm/survivors.h"
#include "lsm/tables.h"
#include "vfs/disk.h"

namespace bedplate::lsm {

// How long a flush that found no space is put off.
inline constexpr uint32_t kRetryMs = 1000;

struct BackgroundOptions {
  vfs::Disk* disk = nullptr;
  std::string path;
  CompactionLimits limits;
  // A table of a compaction is full once its data has so many bytes.
  uint64_t table_bytes = 0;
  // Milliseconds since 1970.
  std::function<uint64_t()> now_ms;
  // Fills it with what nobody can guess.
  std::function<void(std::span<uint8_t>)> random;
  States* states = nullptr;
  Tables* tables = nullptr;
  std::shared_ptr<Janitor> janitor;
  // Gets what has ended.
  Events* events = nullptr;
  // No threads: work is done by who asks for it.
  bool manual = false;
  Mutant* mutant = nullptr;
  // Called, on any thread, when a flush or a compaction has ended, or was put off for want of
  // space.
  std::function<void()> on_progress;
  // Makes the log durable up to `position`, as far as it is not held back.
  std::function<Status(uint64_t position)> sync_log;
  // Everything up to `position` is in tables, for good.
  std::function<void(uint64_t position)> on_flushed;
  // Takes note of an error that ends the work of the store. Called on any thread.
  std::function<void(const Status&)> fail;
  // True once something has failed for good.
  std::function<bool()> has_failed;
};

// Figures since opening.
struct BackgroundStats {
  uint64_t flushes = 0;
  uint64_t compactions = 0;
  // Bytes of keys and values that flushes took from memory, and bytes written to tables altogether.
  uint64_t flushed_bytes = 0;
  uint64_t written_bytes = 0;
};

// True if nothing was changed, and the same may succeed later: no space, or too many open files.
[[nodiscard]] bool IsShortage(ErrorCode code);
// The error of the store at `path` for what waits for the end of a shortage.
[[nodiscard]] Status ShortOf(const std::string& path, ErrorCode shortage);

// Any thread may call it.
class Background {
 public:
  // `manifest` is the one in force.
  Background(BackgroundOptions options, Manifest manifest);
  // The threads have ended by then: see `Close`.
  ~Background();
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;

  // The number of a table that is to be made.
  [[nodiscard]] uint64_t TakeNumber() { return next_number_++; }
  // Starts the threads. UNAVAILABLE if there are none to be had.
  Status Start();
  // Has the threads look for work.
  void Wake();
  // The same for who removes tables and merges them.
  void WakeCompaction();
  // Waits until what is frozen now is in tables that the manifest names. DISK_FULL if there is no
  // space for that.
  Status Flush();
  // The same, then merges what tables hold of `span`.
  Status CompactAll(const KeySpan& span);
  // Does everything that is due, as the threads would: for simulations.
  Status DoAllThatIsDue();
  // Ends the threads, leaving compactions; flushes what is frozen, if there is space.
  Status Close();
  // Ends the threads, and nothing else.
  void Abandon();

  // What the last flush found no space or no file for; kOk if it did.
  [[nodiscard]] ErrorCode shortage() const { return shortage_; }
  [[nodiscard]] bool is_starved() const { return shortage_ != ErrorCode::kOk; }
  [[nodiscard]] BackgroundStats stats() const;
  // The manifest in force.
  [[nodiscard]] Manifest manifest() const;

 private:
  using Lock = std::unique_lock<std::mutex>;
  // What a manifest says beside its tables, if that changes too.
  struct Flushed {
    uint64_t position;
    std::shared_ptr<const Catalogue> catalogue;
  };

  void RunThread(bool* is_wanted, const std::function<bool()>& work);
  [[nodiscard]] uint64_t NextLookMs() const;
  [[nodiscard]] bool MustMergeFirst() const;
  void WakeFlush();

  // With `flush_mutex_` held.
  Status FlushOldest();
  Status TablesOf(const Memtable& memtable, std::vector<TableInfo>* made);
  // True if it is to be tried again later.
  bool FlushAllFrozen();
  void Starve(const Status& shortage);
  // With `compaction_mutex_` held.
  bool CompactWhileDue();
  Status Compact(Compaction compaction);
  Status MergeTables(const Compaction& compaction, std::vector<TableInfo>* made);

  void TellOf(Event event, const VersionEdit& edit);
  Status Build(VersionCursor* versions, const RangeTombstones& tombstones,
               const Retention& retention, uint64_t table_bytes, bool is_compaction,
               std::vector<TableInfo>* made);
  // Puts the version in force that `edit` makes of the present one, durably. `made` are its new
  // tables: removed again if that has to be put off.
  Status Install(const std::vector<TableInfo>& made, const VersionEdit& edit,
                 const Flushed* flushed);
  void RemoveObsolete();
  void RemoveReplaced(const VersionEdit& edit);
  [[nodiscard]] Retention RetentionOf(std::vector<Run> older) const;
  [[nodiscard]] TableIdentity NewIdentity();
  // Takes note of what ended some work. True if it is to be tried again later.
  bool PutOff(const Status& status);

  const BackgroundOptions options_;
  const CompactionPlan plan_;
  Workshop workshop_;
  std::atomic<uint64_t> next_number_;
  std::atomic<ErrorCode> shortage_{ErrorCode::kOk};
  std::atomic<bool> is_stopping_{false};
  // True while merges make no room in level 0: what they read is damaged, or there is no space or
  // no file for what they write.
  std::atomic<bool> are_merges_stuck_{false};
  std::atomic<uint64_t> flushes_{0};
  std::atomic<uint64_t> compactions_{0};
  std::atomic<uint64_t> flushed_bytes_{0};
  std::atomic<uint64_t> written_bytes_{0};

  // Held while one works; in this order, and before the next one.
  std::mutex compaction_mutex_;
  std::mutex flush_mutex_;
  // What a compaction has read that is damaged: there are no more of them, and everything else goes
  // on. With `compaction_mutex_` held.
  Status damage_;

  // Held while a manifest is written.
  std::mutex install_mutex_;
  // Changes with `install_mutex_` held too; whoever reads it never waits for a disk.
  mutable std::mutex manifest_mutex_;
  Manifest manifest_;

  // For the threads to sleep on.
  std::mutex sleep_mutex_;
  std::condition_variable sleep_;
  bool is_flush_wanted_ = false;
  bool is_compaction_wanted_ = false;
  Thread flush_thread_;
  Thread compaction_thread_;
};

}  // namespace bedplate::lsm

#endif  // BEDPLATE_LSM_BACKGROUND_H_

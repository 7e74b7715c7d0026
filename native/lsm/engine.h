// The engine of a store: applies commits at once to a memtable, logs their outcome, and has full
// memtables written to tables in the background. One engine serves all threads of a process. The
// twin is ts/storage/lsm/engine.ts.
//
// Invariants:
//   1. Memtables and tables together are the state after log record `position`; the tables alone
//      that after the manifest's.
//   2. What a source holds of a key is newer than what any source behind it holds: memtables and
//      tables that were ingested since the manifest, level 0, level 1, ...
//   3. Space in the log is reserved before anything in memory changes.
//   4. After a failed write or sync nothing is accepted any more: what is on disk is unknown until
//      reopened.
//
// Locks: `writer_` by everything that commits. Readers and the threads of the background share
// `States`, which nobody holds for long; no lock is held by anybody who waits for the device but
// `writer_`, by a commit that has outrun the log. The background never takes `writer_`.
#ifndef BEDPLATE_LSM_ENGINE_H_
#define BEDPLATE_LSM_ENGINE_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/bytes.h"
#include "core/key_range.h"
#include "core/status.h"
#include "log/log.h"
#include "lsm/background.h"
#include "lsm/block_cache.h"
#include "lsm/catalogue.h"
#include "lsm/compaction.h"
#include "lsm/events.h"
#include "lsm/live_table.h"
#include "lsm/lookup.h"
#include "lsm/manifest.h"
#include "lsm/memory.h"
#include "lsm/mutant.h"
#include "lsm/states.h"
#include "lsm/tables.h"
#include "lsm/tree_slot.h"
#include "lsm/visible_cursor.h"
#include "ordered/block.h"
#include "ordered/operation.h"
#include "ordered/record.h"
#include "ordered/values.h"
#include "vfs/disk.h"

namespace bedplate::lsm {

// Full memtables that may wait to be written to a table. With so many waiting, the acknowledgements
// of commits wait too.
inline constexpr size_t kMaxFrozenMemtables = 2;
// Writes are refused once the memtable has so many times its size, and at least so many bytes:
// their callers do not wait for acknowledgements.
inline constexpr uint64_t kMemtableOverrun = 4;
inline constexpr uint64_t kMemtableOverrunBytes = uint64_t{512} << 20;
// Blocks, filters and indexes get this part of the memory even while memtables are overrun.
inline constexpr uint64_t kLeastCacheShare = 8;

struct EngineOptions {
  vfs::Disk* disk = nullptr;
  // A store's directory; the store must exist, and the caller holds its lock.
  std::string path;
  // Bytes of newest writes that are gathered before they become a table.
  uint64_t memtable_bytes = uint64_t{64} << 20;
  // Bound of memtables, blocks, filters and indexes together.
  uint64_t memory_bytes = uint64_t{192} << 20;
  size_t max_open_files = 256;
  uint64_t table_bytes = uint64_t{32} << 20;
  CompactionLimits limits;
  bool read_only = false;
  log::Durability durability = log::Durability::kSync;
  uint32_t interval_ms = 0;
  uint64_t first_segment_bytes = log::kFirstSegmentBytes;
  uint64_t max_segment_bytes = log::kMaxSegmentBytes;
  // Milliseconds since 1970.
  std::function<uint64_t()> now_ms;
  // Fills it with what nobody can guess.
  std::function<void(std::span<uint8_t>)> random;
  // Commits leave it to the caller to call `Submit`: once for many of them.
  bool submits_apart = false;
  // For simulations: no thread is started. Flushes and compactions come only when asked for, and
  // the log works as log::LogOptions says.
  bool manual = false;
  // For a test of the tests: see mutant.h.
  Mutant* mutant = nullptr;
  // Called on a thread of the log or of the background when a position has moved, or something has
  // failed; see log::LogOptions.
  std::function<void()> on_progress;
};

struct LevelStats {
  size_t level = 0;
  uint64_t tables = 0;
  uint64_t bytes = 0;
  uint64_t entries = 0;
};

// Figures since opening, unless they say what is there now.
struct EngineStats {
  // Those that hold tables.
  std::vector<LevelStats> levels;
  // Places that a read of a key that is not there may have to look at.
  uint64_t runs = 0;
  // Of memtables, blocks, filters and indexes together.
  uint64_t memory_bytes = 0;
  uint64_t memtable_bytes = 0;
  uint64_t memtable_entries = 0;
  uint64_t frozen_memtables = 0;
  BlockCache::Figures cache{};
  uint64_t open_files = 0;
  log::LogStats log;
  uint64_t position = 0;
  uint64_t durable_position = 0;
  uint64_t flushed_position = 0;
  BackgroundStats background;
  // About what merges have to read before nothing is due any more.
  uint64_t compaction_debt_bytes = 0;
  uint64_t stall_count = 0;
  uint64_t stall_ms = 0;
  uint64_t open_snapshots = 0;
  uint64_t oldest_snapshot_ms = 0;
};

class Engine;

// A thread's way into an engine. The store needs nothing of it; other engines do.
class Attachment {
 private:
  friend class Engine;
  Attachment() = default;
};

// A moment that is kept readable while it lives. Any thread may use and destroy it.
class Snapshot {
 public:
  ~Snapshot();
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;

  [[nodiscard]] uint64_t position() const { return position_; }
  [[nodiscard]] const Catalogue& catalogue() const { return *catalogue_; }

 private:
  friend class Engine;
  Snapshot() = default;
  Engine* engine_ = nullptr;
  uint64_t position_ = 0;
  uint64_t since_ms_ = 0;
  std::shared_ptr<const Catalogue> catalogue_;
};

// Keeps files of tables readable while it lives, and counts as an open snapshot. Any thread may
// destroy it.
class Hold {
 public:
  ~Hold();
  Hold(const Hold&) = delete;
  Hold& operator=(const Hold&) = delete;

  [[nodiscard]] const Moment& moment() const { return moment_; }

 private:
  friend class Engine;
  explicit Hold(Engine* engine) : engine_(engine) {}
  Engine* engine_;
  Moment moment_;
};

class Engine {
 public:
  // Opens the store at `options.path`: CORRUPTION, INCOMPATIBLE, IO and what else its files give.
  static Status Open(EngineOptions options, std::unique_ptr<Engine>* engine);
  // Closes without writing anything more. Snapshots and holds must be gone.
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  Status Attach(std::unique_ptr<Attachment>* attachment);

  [[nodiscard]] const std::string& path() const { return options_.path; }
  [[nodiscard]] bool read_only() const { return options_.read_only; }
  // The last commit.
  [[nodiscard]] uint64_t position() const { return states_->position(); }
  [[nodiscard]] log::Log* log() const { return log_.get(); }
  // Commits up to and with this one are acknowledged: by the log, and no flushes are behind.
  [[nodiscard]] uint64_t acknowledged_position() const;

  // -- reading --

  // The place of the tree called `name`, whether it exists or not. It stays.
  [[nodiscard]] TreeSlot* TreeOf(std::string_view name) { return memory_->SlotOf(name); }
  // Sorted.
  [[nodiscard]] std::vector<std::string> TreeNames(Attachment* attachment);

  Status Get(Attachment* attachment, const TreeSlot* tree, Bytes key, ordered::ValueTarget* value);
  // The same of what is in memory; else `*done` is false, and it takes a read.
  Status TryGet(Attachment* attachment, const TreeSlot* tree, Bytes key,
                ordered::ValueTarget* value, bool* done);
  Status Has(Attachment* attachment, const TreeSlot* tree, Bytes key, bool* found);
  // Adds the values of `keys`, in their order.
  Status GetMany(Attachment* attachment, const TreeSlot* tree, std::span<const Bytes> keys,
                 ordered::ValueList* values);

  Status OpenSnapshot(std::shared_ptr<Snapshot>* snapshot);
  // The id of the tree called `name` in that moment; 0 if there was no such tree.
  Status RootIn(Attachment* attachment, const Snapshot& snapshot, std::string_view name,
                uint32_t* tree_id);
  Status GetIn(Attachment* attachment, const Snapshot& snapshot, uint32_t tree_id, Bytes key,
               ordered::ValueTarget* value);
  Status GetManyIn(Attachment* attachment, const Snapshot& snapshot, uint32_t tree_id,
                   std::span<const Bytes> keys, ordered::ValueList* values);
  // Reads all of `range` as it is now into `block`, if it fits there; else `*done` is false, and it
  // takes a RangeWalk.
  Status TryReadRange(Attachment* attachment, const TreeSlot* tree, const KeyRange& range,
                      bool reverse, const ordered::BlockLimits& limits, ordered::Block* block,
                      bool* done);
  // Keeps everything readable that there is now.
  Status OpenHold(std::shared_ptr<Hold>* hold);
  // The keys of `span` that have a value in `moment`, which outlives the cursor as `span` does.
  Status OpenCursor(const Moment& moment, const KeySpan& span, bool reverse,
                    std::unique_ptr<VisibleCursor>* cursor);

  // -- writing: the log position of the commit comes out --

  Status Put(Attachment* attachment, TreeSlot* tree, Bytes key, Bytes value, uint64_t* position);
  // Applies all of `operations` at one instant.
  Status Apply(Attachment* attachment, std::span<const Operation> operations, uint64_t* position);
  // Writes `value` (none: deletes) if the key holds `expected` (none: is absent).
  Status CompareAndSwap(Attachment* attachment, TreeSlot* tree, Bytes key,
                        const std::optional<Bytes>& expected, const std::optional<Bytes>& value,
                        bool* swapped, uint64_t* position);
  // Has the log write what was committed: see EngineOptions::submits_apart.
  void Submit() { log_->Submit(); }
  // Applies `operations` if nothing in `reads` differs from what `snapshot` shows; else CONFLICT.
  Status CommitIfUnchanged(Attachment* attachment, const Snapshot& snapshot, const ReadSet& reads,
                           std::span<const Operation> operations, uint64_t* position);

  // -- ingestion: tables that are made beside the store's own work --

  // The id of `tree`, which is made if there is none.
  Status IdFor(TreeSlot* tree, uint32_t* tree_id);
  // The number of a table that is to be made.
  [[nodiscard]] uint64_t TakeTableNumber() { return background_->TakeNumber(); }
  // Puts tables above all that there is, at one instant. They are of the tree `tree_id`, in order,
  // without a shared key; their entries have the sequence 0. The log is held back from there on
  // until the manifest names them, so what is written later is never durable without them; that is
  // done once `FlushFrozen` succeeds. CONFLICT if `tree` has another id by now, DISK_FULL: then
  // nothing has changed, and the files are the caller's.
  Status Ingest(const TreeSlot& tree, uint32_t tree_id, const Run& tables, uint64_t* position);
  // Waits until what is frozen now is in tables that the manifest names. DISK_FULL if there is no
  // space for that: it is tried again now and then.
  Status FlushFrozen();
  // Log records from this one on are held back; UINT64_MAX if none are.
  [[nodiscard]] uint64_t held_from() const;
  // True if the log is held back, and there is no space for what would end that.
  [[nodiscard]] bool is_waiting_for_space() const;
  // Ends the work of the store: a sync of a table that was to be ingested has failed.
  void NoteFailedSync(const Status& cause) { Fail(cause); }

  // -- the whole store --

  // Writes what is in memory to tables.
  Status Flush();
  // The same, then merges all tables.
  Status Compact();
  // The same of what tables hold of a range of a tree.
  Status CompactRange(const TreeSlot& tree, const KeyRange& range);
  // What the threads of the background would do by now: for simulations.
  Status DoBackgroundWork() { return background_->DoAllThatIsDue(); }
  // The manifest in force. Whoever has it keeps the files of the tables that it names.
  [[nodiscard]] Manifest manifest() const { return background_->manifest(); }
  [[nodiscard]] EngineStats Stats();
  // What has ended of its own accord: told before `EngineOptions::on_progress` is called.
  [[nodiscard]] const Events& events() const { return events_; }
  // OK while the store is open and sound.
  [[nodiscard]] Status CheckOpen() const;
  [[nodiscard]] Status CheckWritable() const;
  // Flushes, and lets go of the files; later calls give CLOSED. Call it once.
  Status Close();

 private:
  friend class Snapshot;
  friend class Hold;

  explicit Engine(EngineOptions options) : options_(std::move(options)) {}
  Status OpenFiles();
  Status OpenLog(const Manifest& manifest);
  void MakeBackground(Manifest manifest);

  // How far a read may go, and whether it would have had to go further.
  struct Reach {
    Tables::Loading loading = Tables::Loading::kBlocking;
    bool missing = false;
  };
  // The value of an internal key in a state at `sequence`.
  Status LookUp(const ReadState& state, Bytes key, uint64_t sequence, Reach* reach,
                FoundValue* value);
  // Calls `take(found)` with the value that a key has now, unless it is out of reach.
  template <typename Take>
  Status LookUpLive(const TreeSlot& tree, Bytes key, Reach* reach, Take take);
  // Adds to `lookup` what the tables of a run know of its key.
  Status LookUpIn(std::span<const Run> runs, Reach* reach, Lookup* lookup);
  // The same for many.
  Status LookUpAll(const Run& run, std::span<Lookup* const> lookups);
  Status GetMany(const ReadState& state, uint64_t sequence, uint32_t tree_id,
                 std::span<const Bytes> keys, ordered::ValueList* values);
  // The same of Tables::kGroupSize keys at most, which take each step together.
  Status GetGroup(const ReadState& state, uint64_t sequence, uint32_t tree_id,
                  std::span<const Bytes> keys, ordered::ValueList* values);

  // With `writer_` held.
  Status Commit(std::span<const Operation> operations, uint64_t* position);
  // Applies a record, and logs it. DISK_FULL: then nothing has changed.
  Status LogRecord(Bytes record, uint64_t* position);
  // Refuses writes that memory has no room for, and those that could only wait.
  Status Admit();
  Status Reserve(uint64_t bytes);
  void FreezeIfFull();
  // True if something was written that is not frozen, if only a tree made: the memtable of that is
  // empty.
  [[nodiscard]] bool HasUnfrozen() const;
  void Freeze();
  // From here on acknowledgements wait for a flush.
  void BeginStall();
  // Holds the log back from `position` on, which is ingested.
  void HoldLog(uint64_t position);
  // The newest of that was not ingested after all.
  void TakeBackHold();
  // Everything up to `position` is in tables. Any thread.
  void OnFlushed(uint64_t position);
  // With `held_mutex_` held.
  void ReleaseLogIfNamed();
  // CONFLICT if the moment and the present differ in what was read.
  Status CheckUnchanged(Attachment* attachment, const Snapshot& snapshot, const ReadSet& reads);
  Status CompareRange(const Snapshot& before, const Snapshot& now, const TreeSlot& tree,
                      const KeyRange& range);

  // Called by the background when work has ended or was put off.
  void OnBackgroundProgress();
  void OnStallMayBeOver();
  // The cache gets what memtables leave of the memory. Any thread.
  void ShareMemory();

  // Takes note of an error unless it is one that changed nothing, and gives it back.
  Status Failed(Status status);
  // The same for an error that left something half done.
  Status FailedHalfWay(const Status& status);
  [[nodiscard]] Status CheckSound() const;
  void Fail(const Status& cause);
  Status CloseFiles();
  Status CompactSpan(const KeySpan& span);

  const EngineOptions options_;
  std::shared_ptr<Janitor> janitor_;
  std::unique_ptr<Tables> tables_;
  std::unique_ptr<Memory> memory_;
  std::unique_ptr<States> states_;
  std::atomic<uint64_t> open_holds_{0};
  Events events_;

  std::mutex writer_;
  ordered::RecordWriter record_;
  // The active memtable had so many bytes when the memory was shared out.
  uint64_t shared_at_bytes_ = 0;

  // Before nothing else but the log's and the pool's own.
  mutable std::mutex held_mutex_;
  // Positions at which tables were ingested that the manifest does not name, rising.
  std::deque<uint64_t> ingested_;
  // The first of them since the log was held back.
  static constexpr uint64_t kNotHeld = UINT64_MAX;
  uint64_t held_from_ = kNotHeld;

  // Acknowledgements stop before this position while flushes are behind.
  static constexpr uint64_t kNoStall = UINT64_MAX;
  std::atomic<uint64_t> stalled_from_{kNoStall};
  std::atomic<uint64_t> stall_began_ms_{0};
  // In memtables, when it began.
  std::atomic<uint64_t> stall_bytes_{0};
  std::atomic<uint64_t> stall_count_{0};
  std::atomic<uint64_t> stall_ms_{0};

  mutable std::mutex failure_mutex_;
  Status failure_;
  std::atomic<bool> has_failed_{false};
  std::atomic<bool> is_open_{true};

  // Declared last: they end first, and call nobody after that.
  std::unique_ptr<log::Log> log_;
  std::unique_ptr<Background> background_;
};

}  // namespace bedplate::lsm

#endif  // BEDPLATE_LSM_ENGINE_H_

// The engine of a store: applies commits at once to the tree in memory, logs their outcome, folds
// the log into the data file by checkpoints. One engine serves all threads of a process. The twin
// is ts/storage/btree/engine.ts.
//
// Invariants:
//   1. The tree in memory is the state after log record `position`. A checkpoint is exactly the
//   state at
//      its position.
//   2. Space in the log is reserved, and long values are written, before anything in memory
//   changes.
//   3. After a failed write or fsync nothing is accepted any more: what is on disk is unknown until
//      reopened.
//
// Locks, in the order in which they are taken: `maintenance_` by work on the whole store; `writer_`
// by everything that commits; the gate, shared by readers and alone by whoever changes memory,
// never during I/O that may be long.
#ifndef BEDPLATE_BTREE_ENGINE_H_
#define BEDPLATE_BTREE_ENGINE_H_

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_set>
#include <vector>

#include "btree/block_reader.h"
#include "btree/catalogue.h"
#include "btree/pager.h"
#include "btree/store_files.h"
#include "btree/tree.h"
#include "core/bytes.h"
#include "core/gate.h"
#include "core/status.h"
#include "log/log.h"
#include "ordered/operation.h"
#include "ordered/record.h"
#include "ordered/values.h"
#include "vfs/disk.h"

namespace bedplate::btree {

// A checkpoint starts once so many bytes of log wait to be folded into the tree; up to four times
// as many for large ones.
inline constexpr uint64_t kCheckpointLogBytes = uint64_t{32} << 20;
// Closing a store writes its data file anew if that gives back so many bytes, half of the file, and
// costs no more.
inline constexpr uint64_t kDenseCloseBytes = uint64_t{16} << 20;
// The most bytes of log records that may come in while a store is compacted.
inline constexpr uint64_t kMaxCompactionTailBytes = uint64_t{64} << 20;

struct EngineOptions {
  vfs::Disk* disk = nullptr;
  // A store's directory; the store must exist, and the caller holds its lock.
  std::string path;
  uint64_t cache_bytes = uint64_t{64} << 20;
  bool read_only = false;
  log::Durability durability = log::Durability::kSync;
  uint32_t interval_ms = 0;
  uint64_t checkpoint_log_bytes = kCheckpointLogBytes;
  uint64_t dense_close_bytes = kDenseCloseBytes;
  uint64_t first_segment_bytes = log::kFirstSegmentBytes;
  uint64_t max_segment_bytes = log::kMaxSegmentBytes;
  // Commits leave it to the caller to call `Submit`: once for many of them.
  bool submits_apart = false;
  // For simulations: no thread is started. Checkpoints come only when asked for, and the log works
  // as log::LogOptions says.
  bool manual = false;
  // For a test of the tests: see mutant.h.
  Mutant* mutant = nullptr;
  // Called on a thread of the log when a position has moved; see log::LogOptions.
  std::function<void()> on_progress;
};

using Operation = ordered::Operation<TreeSlot>;
using ReadSet = ordered::ReadSet<TreeSlot>;
using ordered::RecordWriter;
using ordered::ValueList;
using ordered::ValueTarget;

struct EngineStats {
  CacheStats cache;
  uint64_t cache_hits = 0;
  log::LogStats log;
  uint64_t data_file_bytes = 0;
  uint64_t page_count = 0;
  uint64_t free_pages = 0;
  uint64_t retired_pages = 0;
  uint64_t position = 0;
  uint64_t durable_position = 0;
  uint64_t checkpoint_position = 0;
  uint64_t checkpoints = 0;
  uint64_t open_snapshots = 0;
  uint64_t oldest_snapshot_ms = 0;
};

// What has to add up in a moment, for checks of the whole store.
struct StoreState {
  uint64_t page_count = 0;
  // Free, waiting, and taken by loads under way.
  std::vector<uint64_t> unused;
  // The pages of the list of free pages.
  std::vector<Reference> list_pages;
};

class Engine;
class TreeBuilder;

// A thread's way into an engine. One thread at a time uses it.
class Attachment {
 public:
  ~Attachment();
  Attachment(const Attachment&) = delete;
  Attachment& operator=(const Attachment&) = delete;

  // Pages found in memory by this thread.
  [[nodiscard]] uint64_t hits() const { return hits_.load(std::memory_order_relaxed); }

 private:
  friend class Engine;
  Attachment(Engine* engine, Gate::Reader* reader) : engine_(engine), reader_(reader) {}
  Engine* engine_;
  void CountHits(uint64_t hits) {
    // Only its own thread adds to it, so no locked instruction is needed.
    hits_.store(hits_.load(std::memory_order_relaxed) + hits, std::memory_order_relaxed);
  }

  Gate::Reader* reader_;
  std::atomic<uint64_t> hits_{0};
};

// A moment that is kept readable while it lives. Any thread may use and destroy it.
class Snapshot {
 public:
  ~Snapshot();
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;

  [[nodiscard]] uint64_t position() const { return position_; }
  [[nodiscard]] const Reference& catalogue() const { return catalogue_; }
  [[nodiscard]] const std::shared_ptr<Pager>& pager() const { return pager_; }

 private:
  friend class Engine;
  Snapshot() = default;
  Engine* engine_ = nullptr;
  std::shared_ptr<Pager> pager_;
  uint64_t epoch_ = 0;
  Reference catalogue_;
  uint64_t position_ = 0;
  uint64_t since_ms_ = 0;
};

// Entries on their way into an empty tree, written where nothing refers to yet. Dropping it before
// `Finish` leaves the store as it was. One thread at a time uses it; the engine outlives it.
class BulkLoad {
 public:
  ~BulkLoad();
  BulkLoad(const BulkLoad&) = delete;
  BulkLoad& operator=(const BulkLoad&) = delete;

  // Adds an entry; keys must rise, else INVALID_INPUT.
  Status Add(Bytes key, Bytes value);
  // Makes what was added the content of the tree, durably. CONFLICT if others wrote to the tree
  // meanwhile.
  Status Finish(uint64_t* count);

 private:
  friend class Engine;
  BulkLoad(Engine* engine, TreeSlot* tree);

  Engine* engine_;
  TreeSlot* tree_;
  std::shared_ptr<Pager> pager_;
  std::unique_ptr<TreeBuilder> builder_;
  std::vector<uint64_t> pages_;
};

class Engine {
 public:
  // Opens the store at `options.path`: CORRUPTION, INCOMPATIBLE, IO and what else its files give.
  static Status Open(EngineOptions options, std::unique_ptr<Engine>* engine);
  // Closes without writing anything more. Attachments and snapshots must be gone.
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // UNAVAILABLE if too many threads have come.
  Status Attach(std::unique_ptr<Attachment>* attachment);

  [[nodiscard]] const std::string& path() const { return options_.path; }
  [[nodiscard]] bool read_only() const { return options_.read_only; }
  [[nodiscard]] uint32_t page_size_bytes() const { return page_size_bytes_; }
  [[nodiscard]] uint64_t position() const { return log_->last_position(); }
  [[nodiscard]] log::Log* log() const { return log_.get(); }
  // Commits up to and with this one are acknowledged.
  [[nodiscard]] uint64_t acknowledged_position() const { return log_->acknowledged_position(); }

  // -- reading --

  // The place of the tree called `name`, whether it exists or not. It stays.
  [[nodiscard]] TreeSlot* TreeOf(std::string_view name);
  [[nodiscard]] std::vector<std::string> TreeNames(Attachment* attachment);
  // Keys of the tree, and its levels; both 0 if there is none.
  Status Measure(Attachment* attachment, const TreeSlot* tree, uint64_t* key_count,
                 uint32_t* depth);

  Status Get(Attachment* attachment, const TreeSlot* tree, Bytes key, ValueTarget* value);
  Status Has(Attachment* attachment, const TreeSlot* tree, Bytes key, bool* found);
  // Adds the values of `keys`, in their order; each is of a moment of its own.
  Status GetMany(Attachment* attachment, const TreeSlot* tree, std::span<const Bytes> keys,
                 ValueList* values);

  Status OpenSnapshot(std::shared_ptr<Snapshot>* snapshot);
  // The root of the tree called `name` in that moment; none if there was no such tree.
  Status RootIn(Attachment* attachment, const Snapshot& snapshot, std::string_view name,
                Reference* root);
  Status GetIn(Attachment* attachment, const Snapshot& snapshot, const Reference& root, Bytes key,
               ValueTarget* value);
  Status GetManyIn(Attachment* attachment, const Snapshot& snapshot, const Reference& root,
                   std::span<const Bytes> keys, ValueList* values);
  // The same as `Get` of what is in memory; else `*done` is false, and it takes a read.
  Status TryGet(Attachment* attachment, const TreeSlot* tree, Bytes key, ValueTarget* value,
                bool* done);
  // Reads all of `range` as it is now into `block`, if it is in memory and fits there; else `*done`
  // is false, and it takes a snapshot and `ReadBlock`.
  Status TryReadRange(Attachment* attachment, const TreeSlot* tree, const KeyRange& range,
                      bool reverse, const BlockLimits& limits, Block* block, bool* done);
  // Fills `block` with entries of `range`. `*done` if none is left; else go on behind the last key.
  Status ReadBlock(Attachment* attachment, const Snapshot& snapshot, const Reference& root,
                   const KeyRange& range, bool reverse, const BlockLimits& limits, Block* block,
                   bool* done);

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

  // -- the whole store --

  // Opens a snapshot, and says what else there is at that moment beside its trees.
  Status OpenSnapshotAndState(std::shared_ptr<Snapshot>* snapshot, StoreState* state);
  // The bytes of a page of that moment as they are in the file, past the cache, unless memory is
  // ahead of the file. `target` is a page; `*count` is less only at the end of the file. Nothing is
  // checked.
  Status ReadPage(Attachment* attachment, const Snapshot& snapshot, uint64_t page,
                  std::span<uint8_t> target, size_t* count);
  // Begins to fill an empty tree with sorted entries. UNAVAILABLE while the store is compacted.
  Status BeginBulkLoad(TreeSlot* tree, std::unique_ptr<BulkLoad>* load);
  // Writes every tree of a moment into a new data file at `path`, page after page, and syncs it.
  Status CopyTo(Attachment* attachment, const Snapshot& snapshot, const std::string& path,
                const std::array<uint8_t, 16>& uuid);
  // Rewrites the data file densely, while others go on reading and writing.
  Status Compact(Attachment* attachment);

  // Folds the log into the data file: after it, reopening replays nothing older than this call.
  Status Checkpoint();
  [[nodiscard]] EngineStats Stats();
  // OK while the store is open and sound.
  [[nodiscard]] Status CheckOpen() const;
  [[nodiscard]] Status CheckWritable() const;
  // Folds everything in and lets go of the files; later calls give CLOSED. Call it once.
  Status Close();

 private:
  friend class Attachment;
  friend class BulkLoad;
  friend class Snapshot;

  explicit Engine(EngineOptions options) : options_(std::move(options)) {}
  Status OpenFiles();

  // Gives the pager of the current state, inside the gate.
  [[nodiscard]] auto PagerNow() const {
    return [this]() -> const std::shared_ptr<Pager>& { return pager_; };
  }
  // Runs `look` inside the gate until it needs no page that is not in memory. `look(Missing*)` sets
  // what it misses; `pager_of()` gives the pager it looks into, asked inside the gate.
  template <typename PagerOf, typename Look>
  Status LookUp(Attachment* attachment, PagerOf pager_of, Look look);
  // Calls `found(leaf, slot)`, inside the gate, if `key` is there, below the root that `root_of()`
  // gives.
  template <typename PagerOf, typename RootOf, typename Found>
  Status FindKey(Attachment* attachment, PagerOf pager_of, RootOf root_of, Bytes key, Found found);
  Status FetchMissing(Pager* pager, const Missing& missing, std::vector<FrameHandle>* kept,
                      std::optional<Reference>* failed);
  // Copies the inline value of a slot, or notes where the overflowing one is.
  static void TakeValue(const Page& leaf, uint32_t slot, ValueTarget* value,
                        std::optional<Reference>* overflow);
  // Reads `keys` in groups: `look(group, looks, count, hits)` is FindGroup of the right root,
  // inside the gate; `read_one(key, value)` reads one that a group could not.
  template <typename Look, typename ReadOne>
  Status GetInGroups(Attachment* attachment, std::span<const Bytes> keys, ValueList* values,
                     Look look, ReadOne read_one);
  void CloseSnapshot(Snapshot* snapshot);

  // With `writer_` held.
  Status Commit(Attachment* attachment, std::span<const Operation> operations, uint64_t* position);
  // Writes all of `operations` into the record, new trees first. Gives the id of each one's tree; 0
  // where there is no tree and nothing to be done.
  void Encode(std::span<const Operation> operations, std::vector<uint32_t>* ids);
  Status Reserve();
  Status Prepare(std::span<const Operation> operations, const std::vector<uint32_t>& ids,
                 std::vector<LeafValue>* cells);
  Status PrepareLong(uint32_t tree_id, Bytes value, LeafValue* cell);
  void DropPrepared(const std::vector<LeafValue>& cells);
  using KeyGroup = std::array<Bytes, kGroupedKeys>;
  // The keys of the first operations that are for keys of one tree, as many as are searched at
  // once.
  static size_t TakeGroup(std::span<const Operation> operations, KeyGroup* keys);
  // Inside the gate. Searches keys as they are now; `*count` of the first ones have all their pages
  // in memory, and those on their way to the processor.
  Status FindKeys(const TreeSlot& tree, std::span<const Bytes> keys, size_t* count);
  // Alone inside the gate. Has the processor fetch the pages of the first operations, together.
  // Gives how many.
  size_t Prefetch(std::span<const Operation> operations);
  // Fetches the pages that the operations will change, so that nothing waits for the device later,
  // when readers are kept out.
  Status Warm(Attachment* attachment, std::span<const Operation> operations);
  Status Perform(const Operation& operation, uint32_t id, const LeafValue& cell);
  // Brings the cache back under its bound, by writing changed pages if need be.
  Status MakeRoom();
  Status MakeRoomIn(Pager* pager);
  // Counts the record that was just logged, and keeps it for a compaction under way.
  void NoteRecord();
  // How much log makes a checkpoint due. The more pages it has to write, the more log it should
  // fold in at once: copies of all of them stay in the file until two more checkpoints have come.
  // But a full cache needs clean pages to drop.
  [[nodiscard]] uint64_t DueLogBytes() const;
  void WakeMaintenanceIfDue();
  // Writes the data file anew if that is no more work than a checkpoint, and gives back half of a
  // file that is not small.
  Status RewriteIfWasteful();

  // With `maintenance_` held.
  Status WriteCheckpoint(std::unique_lock<std::mutex>* writer, std::optional<uint64_t> flush_to);
  struct Captured;
  void CaptureState(Captured* captured);
  [[nodiscard]] std::vector<uint64_t> UnusedPages();
  // Lets go of the captured pages as they are written.
  Status WriteState(Captured* captured, std::optional<uint64_t> flush_to);
  void MaintenanceLoop();
  void StopMaintenance();

  Status AttachLoad(BulkLoad* load);
  Status CatchUpAndAdopt(const std::string& copy, bool* adopted);
  // With `writer_` held. CONFLICT if the moment and the present differ in what was read.
  Status CheckUnchanged(Attachment* attachment, const Snapshot& snapshot, const ReadSet& reads);

  // Takes note of an error unless it is one that changed nothing, and gives it back.
  // `harmless` is one more code that changed nothing.
  Status Failed(Status status, ErrorCode harmless = ErrorCode::kOk);
  // The same for an error that left something half done: it is IO, whatever it was, since other
  // codes say that nothing was changed.
  Status FailedHalfWay(const Status& status);
  // OK unless the engine has failed.
  [[nodiscard]] Status CheckSound() const;
  void Fail(const Status& cause);

  const EngineOptions options_;
  uint32_t page_size_bytes_ = 0;
  Gate gate_;

  // Changed alone inside the gate.
  std::shared_ptr<Pager> pager_;
  Catalogue catalogue_;
  MetaState metas_;
  // Page numbers of bulk loads under way: they belong to no state yet.
  std::set<uint64_t> unattached_;
  std::set<const Snapshot*> open_snapshots_;
  uint64_t checkpoints_ = 0;

  std::mutex writer_;
  RecordWriter record_;
  uint64_t log_bytes_since_checkpoint_ = 0;
  uint32_t loads_ = 0;
  bool is_compacting_ = false;
  // The records of commits during a compaction, for the new file to catch up with; more than a
  // bound, and the compaction has to give up.
  std::vector<std::vector<uint8_t>> compaction_tail_;
  uint64_t compaction_tail_bytes_ = 0;
  // Declared last but for threads: it ends first, and calls nobody after that.
  std::unique_ptr<log::Log> log_;

  std::mutex maintenance_;
  std::thread maintenance_thread_;
  std::mutex maintenance_signal_mutex_;
  std::condition_variable maintenance_signal_;
  bool checkpoint_wanted_ = false;
  bool is_stopping_ = false;

  mutable std::mutex failure_mutex_;
  Status failure_;
  std::atomic<bool> has_failed_{false};
  std::atomic<bool> is_open_{true};
  std::atomic<uint64_t> detached_hits_{0};
  std::mutex attachments_mutex_;
  std::set<const Attachment*> attachments_;
};

}  // namespace bedplate::btree

#endif  // BEDPLATE_BTREE_ENGINE_H_

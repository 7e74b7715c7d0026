// One LSM store on one simulated disk, with everything it promised: what a crash at any point may
// leave of it follows from that. One thread does everything, also what happens while a flush or a
// compaction waits for the disk, so a seed is a workload.
#ifndef BEDPLATE_TEST_LSM_LIFE_H_
#define BEDPLATE_TEST_LSM_LIFE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/random.h"
#include "core/status.h"
#include "lsm/engine.h"
#include "lsm/range_walk.h"
#include "test/heavy_test.h"
#include "test/hooked_disk.h"
#include "vfs/simulated_disk.h"

namespace bedplate::lsm {

// The entries of each tree that exists, by name.
using StoreModel = std::map<std::string, std::map<std::string, std::string>>;

struct LifeSettings {
  CompactionPlan plan;
  TableShape shape = {256, 10, Compression::kNone};
  uint64_t memtable_bytes = 4096;
  uint64_t memory_bytes = 16384;
  log::Durability durability = log::Durability::kSync;
  uint64_t first_segment_bytes = 12288;
  uint64_t max_segment_bytes = 32768;
  vfs::Medium medium = {};
  // Commits happen while tables and manifests wait for their syncs.
  bool interrupts = false;
  // The disk may refuse to remove a file: it may be there until the next opening.
  bool may_keep_files = false;
  Mutant* mutant = nullptr;
};

// What must be found: the state at some position from `floor` to `ceiling`.
struct Expectation {
  // By position; the first is that of `first`.
  std::vector<StoreModel> states;
  uint64_t first = 0;
  uint64_t floor = 0;
  uint64_t ceiling = 0;

  [[nodiscard]] const StoreModel& StateAt(uint64_t position) const {
    return states[position - first];
  }
};

// A change of a model, and the operation that makes it of a store.
struct Change {
  ordered::OperationKind kind;
  std::string tree;
  std::string key;    // of a clear: the lower bound
  std::string value;  // of a clear: the upper bound; of an increment: eight bytes
};

class LsmLife {
 public:
  static constexpr const char* kDirectory = "/store";

  // A disk with a new store, all durable.
  static std::shared_ptr<vfs::SimulatedDisk> FreshDisk(const LifeSettings& settings);
  // What a new store holds.
  static Expectation Nothing();

  // Opens what is on `disk`. Complains if it is not what `before` allows; gives what opening gives.
  static Complaint Begin(std::shared_ptr<vfs::SimulatedDisk> disk, const LifeSettings& settings,
                         const Expectation& before, std::unique_ptr<LsmLife>* life);
  ~LsmLife();
  LsmLife(const LsmLife&) = delete;
  LsmLife& operator=(const LsmLife&) = delete;

  [[nodiscard]] const std::shared_ptr<vfs::SimulatedDisk>& disk() const { return disk_; }
  [[nodiscard]] const LifeSettings& settings() const { return settings_; }
  [[nodiscard]] Engine* engine() const { return engine_.get(); }
  [[nodiscard]] const StoreModel& model() const { return now_.states.back(); }
  [[nodiscard]] uint64_t position() const { return now_.first + now_.states.size() - 1; }
  [[nodiscard]] bool is_open() const { return engine_ != nullptr; }

  // What an image of this disk may show, if the power fails after `point` effects of its history.
  [[nodiscard]] Expectation ExpectationAt(size_t point, vfs::CrashVariant variant) const;
  [[nodiscard]] Expectation ExpectationNow() const {
    return ExpectationAt(disk_->history_length(), vfs::CrashVariant::kAll);
  }

  // Called while a table or a manifest is about to be synced, or just was, if the settings say so.
  std::function<Complaint()> on_interruption;

  Complaint Apply(const std::vector<Change>& changes);
  Complaint CompareAndSwap(const std::string& tree, const std::string& key, bool expects_right,
                           const std::string& value);
  // Puts entries over what the tree holds, in tables of their own.
  Complaint Ingest(const std::string& tree, const std::map<std::string, std::string>& entries);
  // Waits until the manifest names what is frozen.
  Complaint FlushFrozen();
  // Lets the log write what it has.
  void Turn();
  // Waits until everything is durable.
  Complaint Sync();
  Complaint Flush();
  Complaint Compact();
  // Lets the background do what is due.
  Complaint Work();
  // Keeps the moment readable, and lets go of the oldest such one.
  Complaint Pin();
  Complaint Unpin();
  // Begins to walk over a tree, and ends the oldest such walk.
  Complaint BeginWalk(const std::string& tree, bool reverse);
  Complaint EndWalk();
  // Reads one key.
  Complaint Read(const std::string& tree, const std::string& key);
  // Everything is there, in both directions.
  Complaint Check();

  Complaint Close();
  // Ends as a killed process does; what the kernel has stays.
  void Abandon();
  // Opens again, after `Close` or `Abandon`.
  Complaint Reopen();

 private:
  enum class Kind { kCommitted, kFound, kDurable, kAcknowledged };
  // What happened, and how long the disk's history was then.
  struct Event {
    Kind kind;
    size_t at;
    uint64_t position;
  };
  // What is left to be found by a walk.
  struct Walking {
    std::unique_ptr<RangeWalk> walk;
    bool reverse;
    std::map<std::string, std::string> left;
  };

  LsmLife(std::shared_ptr<vfs::SimulatedDisk> disk, const LifeSettings& settings,
          const Expectation& before);
  Complaint Open(const Expectation& expected);
  // Notes the state that `commit` is going to make; takes it back if nothing was committed.
  Complaint Commit(const StoreModel& after, const std::function<Status()>& commit);
  void Note(Kind kind, uint64_t position);
  // Notes what the store promises by now.
  void NotePromises();
  Complaint Settled(const Status& status);
  // The id of a tree, which is made if there is none.
  Complaint IdFor(const std::string& tree, uint32_t* id);
  Status BuildTablesOf(uint32_t tree_id, const std::map<std::string, std::string>& entries,
                       std::vector<TableInfo>* made);
  Complaint ReadAll(const std::shared_ptr<Snapshot>& snapshot, bool reverse, StoreModel* model);
  // Only what the manifest names is there.
  Complaint CheckFiles();
  Complaint GoOn(Walking* walking, size_t max_bytes, bool* has_ended);

  const std::shared_ptr<vfs::SimulatedDisk> disk_;
  const std::unique_ptr<HookedDisk> hooked_;
  const LifeSettings settings_;
  const Expectation before_;
  Complaint interruption_ = Status::Ok();
  bool is_interrupting_ = false;
  // A tree was made at this position, and nothing else: there is nothing to flush of it.
  uint64_t tree_made_at_ = 0;
  // The last ingestion since the store was opened.
  uint64_t ingested_at_ = 0;
  std::vector<Event> events_;
  // The states that were committed since the last opening, and the one that was found then.
  Expectation now_;
  // Every state that ever was, in the order of the events of kCommitted.
  std::vector<StoreModel> committed_;
  SeededRandom ids_{77};
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Attachment> attachment_;
  std::vector<std::pair<std::shared_ptr<Snapshot>, StoreModel>> pinned_;
  std::vector<Walking> walking_;
};

}  // namespace bedplate::lsm

#endif  // BEDPLATE_TEST_LSM_LIFE_H_

// One store on one simulated disk, with everything it promised: what a crash at any point may leave
// of it follows from that. One thread does everything, also what happens while a checkpoint or a
// compaction waits for the disk, so a seed is a workload.
#ifndef BEDPLATE_TEST_BTREE_LIFE_H_
#define BEDPLATE_TEST_BTREE_LIFE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "btree/engine.h"
#include "core/random.h"
#include "core/status.h"
#include "test/btree_check.h"
#include "test/heavy_test.h"
#include "test/hooked_disk.h"
#include "vfs/simulated_disk.h"

namespace bedplate::btree {

struct StoreSettings {
  uint32_t page_size_bytes = 512;
  uint64_t cache_bytes = 0;
  log::Durability durability = log::Durability::kSync;
  uint64_t first_segment_bytes = 0;
  uint64_t max_segment_bytes = 0;
  uint64_t dense_close_bytes = kDenseCloseBytes;
  vfs::Medium medium = {};
  // Commits happen while checkpoints and copies wait for their syncs.
  bool interrupts = false;
  // The disk may refuse a write for want of space: a load may then end before both metas know of
  // it.
  bool may_be_full = false;
  Mutant* mutant = nullptr;
};

// What must be found: the state at some position from `floor` to `ceiling`.
struct Expectation {
  // By position; the first is that of `first`.
  std::vector<Model> states;
  uint64_t first = 0;
  uint64_t floor = 0;
  uint64_t ceiling = 0;
  // A bulk load was about to end: it may be that only the newer meta knows of it.
  bool is_loading = false;

  [[nodiscard]] const Model& StateAt(uint64_t position) const { return states[position - first]; }
};

// A change of a model, and the operations that make it of a store.
struct Change {
  enum class Kind { kPut, kDelete, kClear, kDrop };
  Kind kind;
  std::string tree;
  std::string key;    // of a clear: the lower bound
  std::string value;  // of a clear: the upper bound
};

class StoreLife {
 public:
  static constexpr const char* kDirectory = "/store";

  // A disk with a new store, all durable.
  static std::shared_ptr<vfs::SimulatedDisk> FreshDisk(const StoreSettings& settings);
  // What a new store holds.
  static Expectation Nothing();

  // Opens what is on `disk`. Complains if it is not what `before` allows; gives what opening gives.
  static Complaint Begin(std::shared_ptr<vfs::SimulatedDisk> disk, const StoreSettings& settings,
                         const Expectation& before, std::unique_ptr<StoreLife>* life);
  ~StoreLife();
  StoreLife(const StoreLife&) = delete;
  StoreLife& operator=(const StoreLife&) = delete;

  [[nodiscard]] const std::shared_ptr<vfs::SimulatedDisk>& disk() const { return disk_; }
  [[nodiscard]] const StoreSettings& settings() const { return settings_; }
  [[nodiscard]] Engine* engine() const { return engine_.get(); }
  [[nodiscard]] const Model& model() const { return now_.states.back(); }
  [[nodiscard]] uint64_t position() const { return now_.first + now_.states.size() - 1; }
  [[nodiscard]] bool is_open() const { return engine_ != nullptr; }

  // What an image of this disk may show, if the power fails after `point` effects of its history.
  [[nodiscard]] Expectation ExpectationAt(size_t point, vfs::CrashVariant variant) const;
  [[nodiscard]] Expectation ExpectationNow() const {
    return ExpectationAt(disk_->history_length(), vfs::CrashVariant::kAll);
  }

  // Called while a data file is about to be synced, or just was, if the settings say so.
  std::function<Complaint()> on_interruption;

  Complaint Apply(const std::vector<Change>& changes);
  Complaint CompareAndSwap(const std::string& tree, const std::string& key, bool expects_right,
                           const std::string& value);
  // Lets the log write what it has.
  void Turn();
  // Waits until everything is durable.
  Complaint Sync();
  Complaint Checkpoint();
  Complaint Compact();
  // Loads `entries` into the tree, which must be empty; `between` happens halfway.
  Complaint Load(const std::string& tree, const std::map<std::string, std::string>& entries,
                 const std::function<Complaint()>& between, bool gives_up);
  // Keeps the moment readable, and lets go of the oldest such one.
  Complaint Pin();
  Complaint Unpin();
  // Reads one key.
  Complaint Read(const std::string& tree, const std::string& key);
  // Everything is there, and every page adds up.
  Complaint Check();

  Complaint Close();
  // Ends as a killed process does; what the kernel has stays.
  void Abandon();
  // Opens again, after `Close` or `Abandon`.
  Complaint Reopen();

 private:
  enum class Kind { kCommitted, kFound, kDurable, kAcknowledged, kLoadBegins, kLoadEnds };
  // What happened, and how long the disk's history was then.
  struct Event {
    Kind kind;
    size_t at;
    uint64_t position;
  };

  StoreLife(std::shared_ptr<vfs::SimulatedDisk> disk, const StoreSettings& settings,
            const Expectation& before);
  Complaint Open(const Expectation& expected);
  // Notes the state that `commit` is going to make; takes it back if nothing was committed.
  Complaint Commit(const Model& after, const std::function<Status()>& commit);
  void Note(Kind kind, uint64_t position);
  // Notes what the store promises by now.
  void NotePromises();

  const std::shared_ptr<vfs::SimulatedDisk> disk_;
  const std::unique_ptr<HookedDisk> hooked_;
  const StoreSettings settings_;
  const Expectation before_;
  Complaint interruption_ = Status::Ok();
  bool is_interrupting_ = false;
  std::vector<Event> events_;
  // The states that were committed since the last opening, and the one that was found then.
  Expectation now_;
  // Every state that ever was, in the order of the events of kCommitted.
  std::vector<Model> committed_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Attachment> attachment_;
  std::vector<std::pair<std::shared_ptr<Snapshot>, Model>> pinned_;
};

}  // namespace bedplate::btree

#endif  // BEDPLATE_TEST_BTREE_LIFE_H_

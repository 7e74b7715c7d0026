// One log on one simulated disk, with everything it promised: what a crash at any point may leave
// of it follows from that. The twin is test/support/log-crash/life.ts.
#ifndef BEDPLATE_TEST_LOG_LIFE_H_
#define BEDPLATE_TEST_LOG_LIFE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/random.h"
#include "core/status.h"
#include "log/log.h"
#include "test/heavy_test.h"
#include "vfs/simulated_disk.h"

namespace bedplate::log {

// How the log is opened.
struct LifeSettings {
  Durability durability = Durability::kSync;
  uint64_t first_segment_bytes = 0;
  uint64_t max_segment_bytes = 0;
  // Without threads everything that happens follows from the seed.
  bool manual = true;
  Mutant* mutant = nullptr;
};

// What must be found: the records up to some position from `floor` to `ceiling`; those up to `kept`
// may be gone.
struct Expectation {
  std::vector<std::string> records;
  uint64_t floor = 0;
  uint64_t ceiling = 0;
  uint64_t kept = 0;
};

class LogLife {
 public:
  static constexpr const char* kDirectory = "/store";

  // A disk of some kind on which the log's directory is durable.
  static std::shared_ptr<vfs::SimulatedDisk> FreshDisk(SeededRandom* random);

  // Opens what is on `disk`. Complains if it is not what `before` allows; gives what opening gives.
  static Complaint Begin(std::shared_ptr<vfs::SimulatedDisk> disk, const LifeSettings& settings,
                         const Expectation& before, std::unique_ptr<LogLife>* life);
  ~LogLife();
  LogLife(const LogLife&) = delete;
  LogLife& operator=(const LogLife&) = delete;

  [[nodiscard]] const std::shared_ptr<vfs::SimulatedDisk>& disk() const { return disk_; }
  [[nodiscard]] const LifeSettings& settings() const { return settings_; }
  [[nodiscard]] uint64_t position() const { return records_.size(); }
  [[nodiscard]] Log* log() const { return log_.get(); }

  // What an image of this disk may show, if the power fails after `point` effects of its history.
  [[nodiscard]] Expectation ExpectationAt(size_t point, vfs::CrashVariant variant) const;
  // What this disk shows now: it is as if the process had been killed.
  [[nodiscard]] Expectation ExpectationNow() const {
    return ExpectationOf(disk_->history_length(), /*is_kill=*/true);
  }

  // Appends, or gives what `Reserve` gave.
  Complaint Append(const std::string& record);
  // Lets the log write what it has; with a thread, only asks for it.
  void Turn();
  Complaint Flush();
  void Hold() { log_->Hold(); }
  void Release();
  // As if the owner had made a checkpoint at the last durable record: nothing up to it is needed
  // any more.
  void Discard();
  Complaint Close();
  // Ends as a killed process does; what the kernel has stays.
  void Abandon() { log_.reset(); }
  // Opens again, after `Close` or `Abandon`.
  Complaint Reopen();

 private:
  enum class Kind { kAppended, kFound, kDurable, kAcknowledged, kKept };
  // What happened, and how long the disk's history was then.
  struct Event {
    Kind kind;
    size_t at;
    uint64_t position;
    std::string record;
  };

  LogLife(std::shared_ptr<vfs::SimulatedDisk> disk, const LifeSettings& settings,
          const Expectation& before);
  Complaint Open(const Expectation& expected);
  [[nodiscard]] Expectation ExpectationOf(size_t point, bool is_kill) const;
  [[nodiscard]] bool HasForgottenWrites(size_t point) const;
  void Note(Kind kind, uint64_t position, const std::string& record = {});
  // Notes what the log promises by now.
  void NotePromises();

  const std::shared_ptr<vfs::SimulatedDisk> disk_;
  const LifeSettings settings_;
  const Expectation before_;
  std::vector<Event> events_;
  std::vector<std::string> records_;
  uint64_t kept_;
  std::unique_ptr<Log> log_;
};

}  // namespace bedplate::log

#endif  // BEDPLATE_TEST_LOG_LIFE_H_

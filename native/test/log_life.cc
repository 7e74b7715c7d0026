#include "test/log_life.h"

#include <algorithm>
#include <utility>

namespace bedplate::log {
namespace {

std::array<uint8_t, 16> StoreUuid() {
  std::array<uint8_t, 16> uuid{};
  for (size_t i = 0; i < uuid.size(); i++) uuid[i] = static_cast<uint8_t>(17 * i + 3);
  return uuid;
}

}  // namespace

std::shared_ptr<vfs::SimulatedDisk> LogLife::FreshDisk(SeededRandom* random) {
  vfs::SimulatedDiskOptions options;
  options.image.directories.insert(vfs::CleanPath(kDirectory));
  options.medium.sector_bytes = random->Next() < 0.7 ? 512 : 4096;
  options.medium.powersafe = random->Next() < 0.5;
  return std::make_shared<vfs::SimulatedDisk>(options);
}

LogLife::LogLife(std::shared_ptr<vfs::SimulatedDisk> disk, const LifeSettings& settings,
                 const Expectation& before)
    : disk_(std::move(disk)),
      settings_(settings),
      before_(before),
      records_(before.records),
      kept_(before.kept) {}

LogLife::~LogLife() = default;

Complaint LogLife::Begin(std::shared_ptr<vfs::SimulatedDisk> disk, const LifeSettings& settings,
                         const Expectation& before, std::unique_ptr<LogLife>* life) {
  std::unique_ptr<LogLife> begun(new LogLife(std::move(disk), settings, before));
  Complaint complaint = begun->Open(before);
  if (complaint.ok()) *life = std::move(begun);
  return complaint;
}

Expectation LogLife::ExpectationAt(size_t point, vfs::CrashVariant variant) const {
  // With everything unsynced kept, it is as if the process had been killed; but what a failed sync
  // made the page cache forget is not kept, and was acknowledged only as handed to the system.
  return ExpectationOf(point, variant == vfs::CrashVariant::kAll && !HasForgottenWrites(point));
}

bool LogLife::HasForgottenWrites(size_t point) const {
  for (size_t i = 0; i < point; i++) {
    if (disk_->DescribeEffectAt(i).ends_with("dropped")) return true;
  }
  return false;
}

Expectation LogLife::ExpectationOf(size_t point, bool is_kill) const {
  Expectation expected = before_;
  for (const Event& event : events_) {
    if (event.at > point) break;
    switch (event.kind) {
      case Kind::kAppended:
        expected.records.push_back(event.record);
        expected.ceiling = expected.records.size();
        break;
      case Kind::kFound:
        expected.records.resize(event.position);
        expected.ceiling = event.position;
        expected.floor = event.position;
        break;
      case Kind::kKept:
        expected.kept = event.position;
        break;
      case Kind::kAcknowledged:
        if (is_kill) expected.floor = std::max(expected.floor, event.position);
        break;
      case Kind::kDurable:
        expected.floor = std::max(expected.floor, event.position);
        break;
    }
  }
  return expected;
}

Complaint LogLife::Append(const std::string& record) {
  if (Status status = log_->Reserve(record.size()); !status.ok()) return status;
  Note(Kind::kAppended, 0, record);
  records_.push_back(record);
  const uint64_t position = log_->Append(AsBytes(record));
  log_->Submit();
  NotePromises();
  return Must(position == records_.size(), "record " + std::to_string(records_.size()) +
                                               " was numbered " + std::to_string(position));
}

void LogLife::Turn() {
  log_->RequestSync(0);
  NotePromises();
}

Complaint LogLife::Flush() {
  const uint64_t last = position();
  if (Status status = log_->SyncTo(last); !status.ok()) return status;
  NotePromises();
  return Must(log_->durable_position() >= last, "SyncTo succeeded before it was durable");
}

void LogLife::Release() {
  log_->Release();
  NotePromises();
}

void LogLife::Discard() {
  kept_ = log_->durable_position();
  Note(Kind::kKept, kept_);
  log_->DiscardUpTo(kept_);
}

Complaint LogLife::Close() {
  const bool is_sound = log_->failure().ok();
  Status status = log_->Close();
  if (status.ok() && is_sound) Note(Kind::kDurable, position());
  log_.reset();
  return status;
}

Complaint LogLife::Reopen() {
  log_.reset();
  return Open(ExpectationNow());
}

Complaint LogLife::Open(const Expectation& expected) {
  LogOptions options;
  options.disk = disk_.get();
  options.directory = kDirectory;
  options.uuid = StoreUuid();
  options.durability = settings_.durability;
  options.interval_ms = 1;
  options.kept_elsewhere = kept_;
  options.first_segment_bytes = settings_.first_segment_bytes;
  options.max_segment_bytes = settings_.max_segment_bytes;
  options.manual = settings_.manual;
  options.mutant = settings_.mutant;
  std::vector<std::string> found;
  const auto replay = [&](uint64_t position, Bytes record) {
    found.emplace_back(AsText(record));
    return Must(position == kept_ + found.size(), "record " + std::to_string(position) +
                                                      " came after " +
                                                      std::to_string(kept_ + found.size() - 1));
  };
  if (Status status = Log::Open(options, replay, &log_); !status.ok()) return status;
  const uint64_t last = log_->last_position();
  const std::string came_back = std::to_string(last) + " came back";
  Complaint complaint =
      Must(last == kept_ + found.size(), std::to_string(last) + " is the last position, but " +
                                             std::to_string(found.size()) + " were replayed");
  if (complaint.ok()) {
    complaint =
        Must(last >= expected.floor, "lost: records up to " + std::to_string(expected.floor) +
                                         " had been promised, " + came_back);
  }
  if (complaint.ok()) {
    complaint = Must(last <= expected.ceiling,
                     "invented: " + came_back + " of " + std::to_string(expected.ceiling));
  }
  for (size_t i = 0; i < found.size() && complaint.ok(); i++) {
    complaint = Must(found[i] == expected.records[kept_ + i],
                     "record " + std::to_string(kept_ + i + 1) + " is not what was written");
  }
  if (complaint.ok()) {
    complaint = Must(log_->durable_position() == last, "not everything found is durable");
  }
  if (!complaint.ok()) return complaint;
  records_ = expected.records;
  records_.resize(last);
  Note(Kind::kFound, last);
  return complaint;
}

void LogLife::NotePromises() {
  Note(Kind::kDurable, log_->durable_position());
  // What is only in memory is promised to nobody.
  if (settings_.durability != Durability::kMemory) {
    Note(Kind::kAcknowledged, log_->acknowledged_position());
  }
}

// Promises are looked up before the history, so that none is noted for a moment before it was
// given.
void LogLife::Note(Kind kind, uint64_t position, const std::string& record) {
  events_.push_back({kind, disk_->history_length(), position, record});
}

}  // namespace bedplate::log

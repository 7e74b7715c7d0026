#include "binding/shared_engine.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <utility>
#include <vector>

#include "log/segment.h"
#include "vfs/real_disk.h"

namespace bedplate::binding {

// What this process knows of one directory. Opening and closing the same store take turns.
struct SharedEngine::Place {
  std::mutex mutex;
  std::weak_ptr<SharedEngine> engine;
};

namespace {

// The same directory under any name.
using DirectoryId = std::pair<uint64_t, uint64_t>;

Status IdOf(const std::string& path, DirectoryId* id) {
  struct stat found {};
  if (::stat(path.c_str(), &found) != 0) return Status::System("look at", path, errno);
  *id = {static_cast<uint64_t>(found.st_dev), static_cast<uint64_t>(found.st_ino)};
  return Status::Ok();
}

// What a compaction or a writer of figures left behind when it was cut off; see
// ts/storage/btree/store-directory.ts.
constexpr std::array kLeftovers = {"/data.compact", "/stats.json", "/stats.json.new"};

Status RemoveLeftovers(vfs::Disk* disk, const std::string& path) {
  for (const char* name : kLeftovers) {
    vfs::Kind kind = vfs::Kind::kAbsent;
    if (Status status = disk->KindOf(path + name, &kind); !status.ok()) return status;
    if (kind == vfs::Kind::kAbsent) continue;
    if (Status status = disk->Unlink(path + name); !status.ok()) return status;
  }
  return Status::Ok();
}

vfs::Disk* RealDisk() {
  static vfs::RealDisk disk;
  return &disk;
}

// Every part of a store has been there since it was made: what is missing was removed or lost. As
// `checkParts` in ts/storage/btree/store-directory.ts; the lock is held.
Status CheckParts(vfs::Disk* disk, const std::string& path) {
  std::vector<std::string> names;
  if (Status status = disk->List(path, &names); !status.ok()) return status;
  const auto is_segment = [](const std::string& name) {
    const auto parsed = log::ParseSegmentName(name);
    return parsed.has_value() && !parsed->is_prepared;
  };
  const char* missing = nullptr;
  if (!std::ranges::any_of(names, is_segment)) missing = "its log";
  if (std::ranges::find(names, "data") == names.end()) missing = "its file data";
  if (missing == nullptr) return Status::Ok();
  return Status::Error(
      ErrorCode::kCorruption, path + " is a store, but " + missing + " is missing",
      "nothing on disk was changed; put the file back, or restore the store from a backup");
}

}  // namespace

Status SharedEngine::Open(btree::EngineOptions options, std::shared_ptr<SharedEngine>* shared) {
  static std::mutex places_mutex;
  static std::map<DirectoryId, std::weak_ptr<Place>> places;

  DirectoryId id;
  if (Status status = IdOf(options.path, &id); !status.ok()) return status;
  std::shared_ptr<Place> place;
  {
    const std::lock_guard lock(places_mutex);
    std::erase_if(places, [](const auto& entry) { return entry.second.expired(); });
    place = places[id].lock();
    if (place == nullptr) {
      place = std::make_shared<Place>();
      places[id] = place;
    }
  }
  const std::lock_guard lock(place->mutex);
  if (std::shared_ptr<SharedEngine> present = place->engine.lock()) {
    if (present->engine_->read_only() != options.read_only) {
      return Status::Error(ErrorCode::kLocked,
                           options.path + " is open in this process, and not for " +
                               (options.read_only ? "reading only" : "writing"));
    }
    *shared = std::move(present);
    return Status::Ok();
  }
  std::shared_ptr<SharedEngine> opened(new SharedEngine());
  opened->place_ = place;
  options.disk = RealDisk();
  options.on_progress = [raw = opened.get()] { raw->OnProgress(); };
  const auto kind = options.read_only ? vfs::LockKind::kReader : vfs::LockKind::kWriter;
  if (Status status = options.disk->TakeLock(options.path, kind, &opened->lock_); !status.ok()) {
    return status;
  }
  if (Status status = CheckParts(options.disk, options.path); !status.ok()) return status;
  if (!options.read_only) {
    if (Status status = RemoveLeftovers(options.disk, options.path); !status.ok()) return status;
  }
  if (Status status = btree::Engine::Open(std::move(options), &opened->engine_); !status.ok()) {
    return status;
  }
  place->engine = opened;
  *shared = std::move(opened);
  return Status::Ok();
}

Status SharedEngine::Release(std::shared_ptr<SharedEngine>* shared) {
  const std::shared_ptr<Place> place = (*shared)->place_;
  const std::lock_guard lock(place->mutex);
  Status status = Status::Ok();
  // Shares are only ever made with `place->mutex` held, so this count can only fall behind our
  // back.
  if (shared->use_count() == 1) status = (*shared)->engine_->Close();
  shared->reset();
  return status;
}

SharedEngine::~SharedEngine() {
  engine_.reset();  // its threads end before what they call does
}

void SharedEngine::Listen(ProgressListener* listener) {
  const std::lock_guard lock(listeners_mutex_);
  listeners_.insert(listener);
}

void SharedEngine::Forget(ProgressListener* listener) {
  const std::lock_guard lock(listeners_mutex_);
  listeners_.erase(listener);
  if (keeper_ == listener) keeper_ = nullptr;
}

bool SharedEngine::KeepsFigures(ProgressListener* listener) {
  const std::lock_guard lock(listeners_mutex_);
  if (keeper_ == nullptr) keeper_ = listener;
  return keeper_ == listener;
}

void SharedEngine::OnProgress() {
  const std::lock_guard lock(listeners_mutex_);
  for (ProgressListener* listener : listeners_) listener->OnProgress();
}

}  // namespace bedplate::binding

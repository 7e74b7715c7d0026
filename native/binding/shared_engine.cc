#include "binding/shared_engine.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstdint>
#include <map>
#include <utility>

#include "vfs/real_disk.h"

namespace bedplate::binding {
namespace {

// The same directory under any name.
using DirectoryId = std::pair<uint64_t, uint64_t>;

Status IdOf(const std::string& path, DirectoryId* id) {
  struct stat found {};
  if (::stat(path.c_str(), &found) != 0) return Status::System("look at", path, errno);
  *id = {static_cast<uint64_t>(found.st_dev), static_cast<uint64_t>(found.st_ino)};
  return Status::Ok();
}

}  // namespace

vfs::Disk* SharedStore::RealDisk() {
  static vfs::RealDisk disk;
  return &disk;
}

Status SharedStore::PlaceOf(const std::string& path, std::shared_ptr<Place>* place) {
  static std::mutex places_mutex;
  static std::map<DirectoryId, std::weak_ptr<Place>> places;

  DirectoryId id;
  if (Status status = IdOf(path, &id); !status.ok()) return status;
  const std::lock_guard lock(places_mutex);
  std::erase_if(places, [](const auto& entry) { return entry.second.expired(); });
  *place = places[id].lock();
  if (*place == nullptr) {
    *place = std::make_shared<Place>();
    places[id] = *place;
  }
  return Status::Ok();
}

Status SharedStore::OpenOtherwise(const std::string& path, bool read_only) {
  return Status::Error(ErrorCode::kLocked, path + " is open in this process, and not for " +
                                               (read_only ? "reading only" : "writing"));
}

void SharedStore::Listen(ProgressListener* listener) {
  const std::lock_guard lock(listeners_mutex_);
  listeners_.insert(listener);
}

void SharedStore::Forget(ProgressListener* listener) {
  const std::lock_guard lock(listeners_mutex_);
  listeners_.erase(listener);
  if (keeper_ == listener) keeper_ = nullptr;
}

bool SharedStore::KeepsFigures(ProgressListener* listener) {
  const std::lock_guard lock(listeners_mutex_);
  if (keeper_ == nullptr) keeper_ = listener;
  return keeper_ == listener;
}

void SharedStore::OnProgress() {
  const std::lock_guard lock(listeners_mutex_);
  for (ProgressListener* listener : listeners_) listener->OnProgress();
}

}  // namespace bedplate::binding

#include "vfs/simulated_disk.h"

#include <algorithm>
#include <cerrno>
#include <span>
#include <utility>

#include "vfs/disk_errors.h"

namespace bedplate::vfs {
namespace {

// A checkpoint of the durable state is kept every so many effects.
constexpr size_t kCheckpointEffects = 512;

using Guard = std::lock_guard<std::mutex>;

}  // namespace

// A file or directory as it is now, synced or not.
struct SimulatedDisk::Node {
  Inode inode = 0;
  bool is_directory = false;
  // Of a directory.
  std::map<std::string, std::shared_ptr<Node>> entries;
  bool has_writer = false;
  size_t reader_count = 0;
  // Of a file.
  FileBytes bytes;
  bool has_name = true;
  size_t handle_count = 0;
};

// Where a path leads: the directory that holds or would hold it, the last name, and what has it.
// The root has no name.
struct SimulatedDisk::Place {
  Node* directory = nullptr;
  std::string name;
  std::shared_ptr<Node> node;
};

class SimulatedDisk::SimulatedFile final : public File {
 public:
  SimulatedFile(std::string path, SimulatedDisk* disk, std::shared_ptr<Node> node, bool writable)
      : File(std::move(path)), disk_(disk), node_(std::move(node)), writable_(writable) {
    disk_->open_files_++;
    node_->handle_count++;
  }

  ~SimulatedFile() override {
    const Guard guard(disk_->mutex_);
    disk_->open_files_--;
    node_->handle_count--;
    disk_->Sweep(node_.get());
  }

  Status Size(uint64_t* size) const override {
    const Guard guard(disk_->mutex_);
    *size = node_->bytes.size();
    return Status::Ok();
  }

  Status Read(std::span<uint8_t> target, uint64_t position, size_t* count) const override {
    if (Status status = CheckPosition(path(), position); !status.ok()) return status;
    const Guard guard(disk_->mutex_);
    if (Status status = disk_->MayFail(DiskOperation::kRead, path()); !status.ok()) return status;
    *count = node_->bytes.Read(target, position);
    return Status::Ok();
  }

  Status Write(Bytes bytes, uint64_t position) override {
    if (Status status = CheckWritable(position); !status.ok()) return status;
    const Guard guard(disk_->mutex_);
    return disk_->Write(path(), node_.get(), bytes, position);
  }

  Status Truncate(uint64_t size) override {
    if (Status status = CheckWritable(size); !status.ok()) return status;
    const Guard guard(disk_->mutex_);
    Status status = disk_->MayFail(DiskOperation::kTruncate, path());
    if (!status.ok()) return status;
    disk_->used_bytes_ -= node_->bytes.allocated_bytes();
    node_->bytes.Truncate(size);
    disk_->used_bytes_ += node_->bytes.allocated_bytes();
    disk_->Record(TruncateEffect{path(), node_->inode, size});
    return status;
  }

  Status Sync() override { return disk_->SyncNode(path(), node_->inode, false); }

 private:
  [[nodiscard]] Status CheckWritable(uint64_t position) const {
    return writable_ ? CheckPosition(path(), position) : ReadOnlyError(path());
  }

  SimulatedDisk* const disk_;
  const std::shared_ptr<Node> node_;
  const bool writable_;
};

class SimulatedDisk::SimulatedLock final : public Lock {
 public:
  SimulatedLock(SimulatedDisk* disk, std::shared_ptr<Node> directory, LockKind kind)
      : disk_(disk), directory_(std::move(directory)), kind_(kind) {
    disk_->held_locks_++;
  }
  ~SimulatedLock() override {
    const Guard guard(disk_->mutex_);
    disk_->held_locks_--;
    if (kind_ == LockKind::kWriter) {
      directory_->has_writer = false;
    } else {
      directory_->reader_count--;
    }
  }

 private:
  SimulatedDisk* const disk_;
  const std::shared_ptr<Node> directory_;
  const LockKind kind_;
};

SimulatedDisk::SimulatedDisk(const SimulatedDiskOptions& options)
    : medium_(options.medium),
      capacity_bytes_(options.capacity_bytes),
      root_(std::make_shared<Node>()) {
  Load(options.image);
  checkpoints_.push_back(cursor_);
}

SimulatedDisk::~SimulatedDisk() = default;

// Takes over an image: numbers its inodes, for the live tree and for the durable state alike.
void SimulatedDisk::Load(const DiskImage& image) {
  root_->inode = next_inode_++;
  root_->is_directory = true;
  cursor_.AddDirectory(root_->inode);
  for (const std::string& path : image.directories) LoadDirectory(SplitPath(path));
  for (const auto& [path, bytes] : image.files) {
    std::vector<std::string> parts = SplitPath(path);
    if (parts.empty()) continue;
    const std::string name = parts.back();
    parts.pop_back();
    Node* parent = LoadDirectory(parts);
    auto node = std::make_shared<Node>();
    node->inode = next_inode_++;
    node->bytes = bytes;
    used_bytes_ += bytes.allocated_bytes();
    cursor_.AddFile(node->inode, bytes);
    cursor_.Link(parent->inode, name, node->inode);
    parent->entries[name] = std::move(node);
  }
}

// The directory with this path, made with its parents as far as they are not there.
SimulatedDisk::Node* SimulatedDisk::LoadDirectory(const std::vector<std::string>& parts) {
  Node* parent = root_.get();
  for (const std::string& name : parts) {
    std::shared_ptr<Node>& node = parent->entries[name];
    if (node == nullptr) {
      node = std::make_shared<Node>();
      node->inode = next_inode_++;
      node->is_directory = true;
      cursor_.AddDirectory(node->inode);
      cursor_.Link(parent->inode, name, node->inode);
    }
    parent = node.get();
  }
  return parent;
}

// -- The disk --

Status SimulatedDisk::Open(const std::string& path, OpenMode mode, std::unique_ptr<File>* file) {
  std::unique_ptr<File> replaced;  // is closed without the mutex, which it takes
  const Guard guard(mutex_);
  const bool creates = mode == OpenMode::kCreate;
  const DiskOperation operation = creates ? DiskOperation::kCreate : DiskOperation::kOpen;
  const char* action = NameOf(operation);
  Place place;
  Status status = MayFail(operation, path);
  if (status.ok()) status = LookUp(action, path, &place);
  if (!status.ok()) return status;
  if (creates) {
    if (place.node != nullptr) return Status::System(action, path, EEXIST);
    place.node = std::make_shared<Node>();
    place.node->inode = next_inode_++;
    place.directory->entries[place.name] = place.node;
    Record(LinkEffect{LinkEffect::Action::kCreate, path, place.directory->inode, place.name,
                      place.node->inode});
  } else if (place.node == nullptr) {
    return Status::System(action, path, ENOENT);
  } else if (place.node->is_directory) {
    return Status::System(action, path, EISDIR);
  }
  replaced = std::exchange(
      *file, std::make_unique<SimulatedFile>(path, this, place.node, mode != OpenMode::kRead));
  return Status::Ok();
}

Status SimulatedDisk::KindOf(const std::string& path, Kind* kind) {
  const Guard guard(mutex_);
  const Node* node = Find(SplitPath(path));
  *kind = node == nullptr ? Kind::kAbsent : node->is_directory ? Kind::kDirectory : Kind::kFile;
  return Status::Ok();
}

Status SimulatedDisk::List(const std::string& directory, std::vector<std::string>* names) {
  const Guard guard(mutex_);
  Node* found = nullptr;
  Status status = MayFail(DiskOperation::kList, directory);
  if (status.ok()) status = FindDirectory("list", directory, &found);
  if (!status.ok()) return status;
  names->clear();
  for (const auto& [name, node] : found->entries) names->push_back(name);
  return status;
}

Status SimulatedDisk::MakeDirectory(const std::string& path) {
  const Guard guard(mutex_);
  const char* action = NameOf(DiskOperation::kMakeDirectory);
  Place place;
  Status status = MayFail(DiskOperation::kMakeDirectory, path);
  if (status.ok()) status = LookUp(action, path, &place);
  if (!status.ok()) return status;
  if (place.node != nullptr) return Status::System(action, path, EEXIST);
  auto node = std::make_shared<Node>();
  node->inode = next_inode_++;
  node->is_directory = true;
  place.directory->entries[place.name] = node;
  Record(LinkEffect{LinkEffect::Action::kMakeDirectory, path, place.directory->inode, place.name,
                    node->inode});
  return status;
}

namespace {

// Why a directory cannot take the place of `target` (may be null); 0 if it can.
template <typename Node>
int WhyNotMoved(const Node& directory, const Node* target, const Node& new_parent) {
  // Not into itself, whatever is there.
  std::vector<const Node*> open = {&directory};
  while (!open.empty()) {
    const Node* node = open.back();
    open.pop_back();
    if (node == &new_parent) return EINVAL;
    for (const auto& [name, child] : node->entries) open.push_back(child.get());
  }
  return target == nullptr ? 0 : ENOTDIR;
}

}  // namespace

Status SimulatedDisk::Rename(const std::string& from, const std::string& to) {
  const Guard guard(mutex_);
  const char* action = NameOf(DiskOperation::kRename);
  const std::string both = from + " to " + to;
  Place source;
  Place target;
  Status status = MayFail(DiskOperation::kRename, from);
  if (status.ok()) status = LookUp(action, from, &source);
  if (status.ok()) status = LookUp(action, to, &target);
  if (!status.ok()) return status;
  if (source.node == nullptr) return Status::System(action, both, ENOENT);
  if (source.node == target.node) return status;
  if (target.node != nullptr && target.node->is_directory) {
    return Status::System(action, both, EEXIST);
  }
  if (source.node->is_directory) {
    const int error = WhyNotMoved(*source.node, target.node.get(), *target.directory);
    if (error != 0) return Status::System(action, both, error);
  }
  source.directory->entries.erase(source.name);
  target.directory->entries[target.name] = source.node;
  Record(LinkEffect{LinkEffect::Action::kRename, both, target.directory->inode, target.name,
                    source.node->inode});
  if (target.node != nullptr) LoseName(target.node);
  return status;
}

Status SimulatedDisk::Unlink(const std::string& path) {
  const Guard guard(mutex_);
  const char* action = NameOf(DiskOperation::kUnlink);
  Place place;
  Status status = MayFail(DiskOperation::kUnlink, path);
  if (status.ok()) status = LookUp(action, path, &place);
  if (!status.ok()) return status;
  if (place.node == nullptr) return Status::System(action, path, ENOENT);
  if (place.node->is_directory) return Status::System(action, path, EISDIR);
  place.directory->entries.erase(place.name);
  Record(UnlinkEffect{path, place.directory->inode, place.name});
  LoseName(place.node);
  return status;
}

Status SimulatedDisk::RemoveDirectory(const std::string& path) {
  const Guard guard(mutex_);
  const char* action = NameOf(DiskOperation::kRemoveDirectory);
  Place place;
  Status status = MayFail(DiskOperation::kRemoveDirectory, path);
  if (status.ok()) status = LookUp(action, path, &place);
  if (!status.ok()) return status;
  if (place.node == nullptr) return Status::System(action, path, ENOENT);
  if (!place.node->is_directory) return Status::System(action, path, ENOTDIR);
  if (!place.node->entries.empty() || place.node == root_) {
    return Status::System(action, path, ENOTEMPTY);
  }
  place.directory->entries.erase(place.name);
  Record(UnlinkEffect{path, place.directory->inode, place.name});
  return status;
}

Status SimulatedDisk::SyncDirectory(const std::string& directory) {
  Inode inode = 0;
  {
    const Guard guard(mutex_);
    Node* found = nullptr;
    Status status = FindDirectory("open", directory, &found);
    if (!status.ok()) return status;
    inode = found->inode;
  }
  return SyncNode(directory, inode, true);
}

Status SimulatedDisk::TakeLock(const std::string& directory, LockKind kind,
                               std::unique_ptr<Lock>* lock) {
  std::unique_ptr<Lock> replaced;
  const Guard guard(mutex_);
  Place place;
  Node* found = nullptr;
  Status status = FindDirectory("lock", directory, &found);
  if (status.ok()) status = LookUp("lock", directory, &place);
  if (!status.ok()) return status;
  if (found->has_writer || (kind == LockKind::kWriter && found->reader_count > 0)) {
    const std::string holder =
        found->has_writer ? "a writer" : std::to_string(found->reader_count) + " readers";
    return Status::Error(ErrorCode::kLocked,
                         directory + " is held by " + holder + " of this simulated disk");
  }
  if (kind == LockKind::kWriter) {
    found->has_writer = true;
  } else {
    found->reader_count++;
  }
  replaced = std::exchange(*lock, std::make_unique<SimulatedLock>(this, place.node, kind));
  return status;
}

// -- The past --

size_t SimulatedDisk::history_length() const {
  const Guard guard(mutex_);
  return history_.size();
}

std::string SimulatedDisk::DescribeEffectAt(size_t index) const {
  const Guard guard(mutex_);
  const bool is_known = index < history_.size() && history_[index] != nullptr;
  return is_known ? DescribeEffect(*history_[index]) : "forgotten";
}

bool SimulatedDisk::HasDroppedBefore(size_t point) const {
  const Guard guard(mutex_);
  const auto end = history_.begin() + static_cast<ptrdiff_t>(std::min(point, history_.size()));
  return std::any_of(history_.begin(), end, [](const auto& effect) {
    const auto* sync = effect == nullptr ? nullptr : std::get_if<SyncEndEffect>(effect.get());
    return sync != nullptr && sync->outcome == SyncOutcome::kDropped;
  });
}

Status SimulatedDisk::CrashImage(size_t point, CrashVariant variant, SeededRandom* random,
                                 DiskImage* image) {
  const Guard guard(mutex_);
  const DurableState* state = nullptr;
  Status status = StateAt(point, &state);
  if (status.ok()) *image = MakeCrashImage(*state, variant, medium_, random);
  return status;
}

DiskImage SimulatedDisk::CurrentImage() const {
  const Guard guard(mutex_);
  DiskImage image;
  std::vector<std::pair<const Node*, std::string>> open = {{root_.get(), ""}};
  while (!open.empty()) {
    const auto [directory, path] = open.back();
    open.pop_back();
    for (const auto& [name, node] : directory->entries) {
      const std::string child = ChildPath(path, name);
      if (node->is_directory) {
        image.directories.insert(child);
        open.emplace_back(node.get(), child);
      } else {
        image.files[child] = node->bytes;
      }
    }
  }
  return image;
}

void SimulatedDisk::TrimHistory() {
  const Guard guard(mutex_);
  const DurableState* now = nullptr;
  if (!StateAt(history_.size(), &now).ok()) return;
  checkpoints_ = {*now};
  std::ranges::fill(history_, nullptr);
}

Status SimulatedDisk::StateAt(size_t point, const DurableState** state) {
  if (point > history_.size() || point < checkpoints_.front().point()) {
    return Status::Error(ErrorCode::kInvalidInput,
                         "there is no crash point " + std::to_string(point) + " (any more)");
  }
  if (point < cursor_.point()) {
    const auto behind = std::ranges::find_if(
        checkpoints_, [&](const DurableState& checkpoint) { return checkpoint.point() > point; });
    cursor_ = *(behind - 1);
  }
  while (cursor_.point() < point) {
    cursor_.Apply(history_[cursor_.point()]);
    if (cursor_.point() >= checkpoints_.back().point() + kCheckpointEffects) {
      checkpoints_.push_back(cursor_);
    }
  }
  *state = &cursor_;
  return Status::Ok();
}

// -- Faults, and looking in --

std::shared_ptr<PlannedFault> SimulatedDisk::FailAt(FaultSpec spec) {
  const Guard guard(mutex_);
  return faults_.Add(std::move(spec));
}

void SimulatedDisk::IgnoreSyncs(std::function<bool(const SyncCall&)> matches) {
  const Guard guard(mutex_);
  ignores_ = std::move(matches);
}

uint64_t SimulatedDisk::ignored_syncs() const {
  const Guard guard(mutex_);
  return ignored_syncs_;
}

void SimulatedDisk::HoldSyncs() {
  const Guard guard(mutex_);
  holds_syncs_ = true;
}

void SimulatedDisk::ReleaseSyncs() {
  const Guard guard(mutex_);
  holds_syncs_ = false;
  syncs_changed_.notify_all();
}

void SimulatedDisk::AwaitHeldSyncs(size_t count) {
  std::unique_lock<std::mutex> lock(mutex_);
  syncs_changed_.wait(lock, [&] { return held_syncs_ >= count; });
}

size_t SimulatedDisk::open_files() const {
  const Guard guard(mutex_);
  return open_files_;
}

size_t SimulatedDisk::held_locks() const {
  const Guard guard(mutex_);
  return held_locks_;
}

uint64_t SimulatedDisk::used_bytes() const {
  const Guard guard(mutex_);
  return used_bytes_;
}

Status SimulatedDisk::MayFail(DiskOperation operation, const std::string& path) {
  const FaultSpec* fault = faults_.Next(operation, path);
  return fault == nullptr ? Status::Ok() : Status::System(NameOf(operation), path, fault->error);
}

void SimulatedDisk::Record(Effect effect) {
  history_.push_back(std::make_shared<const Effect>(std::move(effect)));
}

// -- Names --

SimulatedDisk::Node* SimulatedDisk::Find(const std::vector<std::string>& parts) const {
  Node* node = root_.get();
  for (const std::string& part : parts) {
    const auto found = node->entries.find(part);
    if (found == node->entries.end()) return nullptr;
    node = found->second.get();
  }
  return node;
}

Status SimulatedDisk::FindDirectory(const char* action, const std::string& path,
                                    Node** directory) const {
  Node* found = Find(SplitPath(path));
  if (found == nullptr) return Status::System(action, path, ENOENT);
  if (!found->is_directory) return Status::System(action, path, ENOTDIR);
  *directory = found;
  return Status::Ok();
}

Status SimulatedDisk::LookUp(const char* action, const std::string& path, Place* place) const {
  std::vector<std::string> parts = SplitPath(path);
  if (parts.empty()) {
    *place = {.directory = root_.get(), .name = "", .node = root_};
    return Status::Ok();
  }
  const std::string name = parts.back();
  parts.pop_back();
  Node* directory = Find(parts);
  if (directory == nullptr) return Status::System(action, path, ENOENT);
  if (!directory->is_directory) return Status::System(action, path, ENOTDIR);
  const auto found = directory->entries.find(name);
  *place = {.directory = directory,
            .name = name,
            .node = found == directory->entries.end() ? nullptr : found->second};
  return Status::Ok();
}

// -- Files --

Status SimulatedDisk::Write(const std::string& path, Node* file, Bytes bytes, uint64_t position) {
  const FaultSpec* fault = faults_.Next(DiskOperation::kWrite, path);
  if (fault != nullptr) {
    if (fault->short_write) WriteWhatFits(path, file, bytes.first(bytes.size() / 2), position);
    return Status::System("write", path, fault->error);
  }
  const size_t written = WriteWhatFits(path, file, bytes, position);
  return written == bytes.size() ? Status::Ok() : Status::System("write", path, ENOSPC);
}

// Writes as much as there is space for, like write(2), and gives the count of bytes.
size_t SimulatedDisk::WriteWhatFits(const std::string& path, Node* file, Bytes bytes,
                                    uint64_t position) {
  size_t length = bytes.size();
  while (length > 0 &&
         file->bytes.NewlyAllocatedBy(position, length) > capacity_bytes_ - used_bytes_) {
    const uint64_t last_chunk = (position + length - 1) / kChunkBytes * kChunkBytes;
    length = last_chunk > position ? static_cast<size_t>(last_chunk - position) : 0;
  }
  if (length == 0) return 0;
  const Bytes fitting = bytes.first(length);
  used_bytes_ += file->bytes.NewlyAllocatedBy(position, length);
  file->bytes.Write(fitting, position);
  // The history keeps its own copy: the caller may reuse its buffer.
  Record(WriteEffect{path, file->inode, position, {fitting.begin(), fitting.end()}});
  return length;
}

void SimulatedDisk::LoseName(const std::shared_ptr<Node>& file) {
  file->has_name = false;
  Sweep(file.get());
}

// Gives back the space of a file that nobody can reach any more.
void SimulatedDisk::Sweep(Node* file) {
  if (!file->has_name && file->handle_count == 0) used_bytes_ -= file->bytes.allocated_bytes();
}

// -- Syncs --

Status SimulatedDisk::SyncNode(const std::string& path, Inode inode, bool of_directory) {
  std::unique_lock<std::mutex> lock(mutex_);
  const uint64_t sync = ++sync_count_;
  const SyncCall call = {.path = path, .of_directory = of_directory, .nth = sync};
  const DiskOperation operation =
      of_directory ? DiskOperation::kSyncDirectory : DiskOperation::kSync;
  const FaultSpec* fault = faults_.Next(operation, path);
  const SyncOutcome outcome = OutcomeOf(call, fault);
  const int error = fault == nullptr ? 0 : fault->error;
  Record(SyncBeginEffect{path, inode, sync});
  if (holds_syncs_ && !of_directory) {
    held_syncs_++;
    syncs_changed_.notify_all();
    syncs_changed_.wait(lock, [&] { return !holds_syncs_; });
    held_syncs_--;
  }
  Record(SyncEndEffect{path, inode, sync, outcome});
  return error == 0 ? Status::Ok() : Status::System(NameOf(operation), path, error);
}

SyncOutcome SimulatedDisk::OutcomeOf(const SyncCall& call, const FaultSpec* fault) {
  // Names are not pages of a file: a directory whose sync failed stays dirty.
  if (fault != nullptr) {
    const bool keeps = fault->keep_unsynced || call.of_directory;
    return keeps ? SyncOutcome::kFailed : SyncOutcome::kDropped;
  }
  if (ignores_ == nullptr || !ignores_(call)) return SyncOutcome::kDurable;
  ignored_syncs_++;
  return SyncOutcome::kIgnored;
}

}  // namespace bedplate::vfs

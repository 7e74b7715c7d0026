#include "vfs/real_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "core/sha256.h"
#include "vfs/descriptor.h"
#include "vfs/lock_holder.h"
#include "vfs/real_disk.h"

namespace bedplate::vfs {
namespace {

constexpr char kWriter[] = "LOCK";
constexpr std::string_view kReaderPrefix = "LOCK.reader-";
constexpr std::string_view kTemporaryPrefix = "LOCK.new-";
constexpr std::string_view kGuardPrefix = "LOCK.stale-";
constexpr size_t kGuardDigits = 16;
constexpr int kMaxAttempts = 20;
constexpr mode_t kPermissions = 0666;

using Content = std::optional<std::string>;

// A lock file that is ours, with the descriptor that carries its flock; removed by `Release`.
struct HeldFile {
  std::string path;
  // What the file says; empty for that of a reader, whose name is nobody else's.
  std::string nonce;
  Descriptor descriptor;
};

Status LockError(const std::string& directory, int error) {
  return Status::System("lock", directory, error);
}

bool IsReadOnlyMedium(int error) { return error == EROFS || error == EACCES || error == EPERM; }

// The content of a file; nothing if it is not there.
Status ReadIfThere(const std::string& directory, const std::string& path, Content* content) {
  const Descriptor file(
      RetryInterrupted([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC); }));
  if (!file.is_open()) {
    if (errno != ENOENT) return LockError(directory, errno);
    content->reset();
    return Status::Ok();
  }
  std::string text;
  while (true) {
    char buffer[1024];
    const ssize_t count =
        RetryInterrupted([&] { return ::read(file.number(), buffer, sizeof buffer); });
    if (count < 0) return LockError(directory, errno);
    if (count == 0) break;
    text.append(buffer, static_cast<size_t>(count));
  }
  *content = std::move(text);
  return Status::Ok();
}

Status WriteAll(const std::string& directory, const Descriptor& file, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count =
        RetryInterrupted([&] { return ::write(file.number(), text.data(), text.size()); });
    if (count <= 0) return LockError(directory, count == 0 ? EIO : errno);
    text.remove_prefix(static_cast<size_t>(count));
  }
  return Status::Ok();
}

// Makes a file with `content`, locked by flock as long as `*file` lives. Where the file system has
// no flock, the content alone has to do.
Status WriteFlocked(const std::string& directory, const std::string& path, int flags,
                    const std::string& content, Descriptor* file) {
  Descriptor made(RetryInterrupted(
      [&] { return ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | flags, kPermissions); }));
  if (!made.is_open()) return LockError(directory, errno);
  (void)::flock(made.number(), LOCK_EX | LOCK_NB);
  if (Status status = WriteAll(directory, made, content); !status.ok()) {
    (void)::unlink(path.c_str());
    return status;
  }
  *file = std::move(made);
  return Status::Ok();
}

// Says whether a process holds the flock of the file.
bool IsFlocked(const std::string& path) {
  const Descriptor file(
      RetryInterrupted([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC); }));
  return file.is_open() && ::flock(file.number(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

std::string TemporaryPath(const std::string& directory, const LockHolder& holder) {
  return JoinPath(directory,
                  std::string(kTemporaryPrefix) + std::to_string(holder.pid) + "-" + holder.nonce);
}

Status InUse(const std::string& directory, const LockHolder& holder) {
  const bool is_here = IsVisible(holder);
  std::string who = "process " + std::to_string(holder.pid);
  if (!is_here) who += " on " + holder.machine.host;
  if (holder.thread_id != 0) who += " (thread " + std::to_string(holder.thread_id) + ")";
  std::string hint =
      !is_here ? "If that process is gone for good, remove the LOCK files in " + directory + "."
      : holder.pid == ::getpid()
          ? "This very process has it open: close that store first, or share it."
          : "Close the store there or end process " + std::to_string(holder.pid) + ".";
  return Status::Error(ErrorCode::kLocked,
                       directory + " is in use by " + who + " since " + holder.since,
                       std::move(hint));
}

Status Contended(const std::string& directory) {
  return Status::Error(
      ErrorCode::kLocked,
      directory + " is contended: others take and give back its lock all the time");
}

// LOCKED if the holder that a lock file names is alive, or if its flock is held.
Status RefuseIfAlive(const std::string& directory, const std::string& path,
                     const std::optional<LockHolder>& holder) {
  if (holder.has_value() && IsAlive(*holder)) return InUse(directory, *holder);
  if (!IsFlocked(path)) return Status::Ok();
  return Status::Error(ErrorCode::kLocked,
                       directory + " is in use by a process that " + path + " does not name",
                       "Find it with lslocks or lsof, and close the store there.");
}

// Removes the lock file if it is still ours; that its directory has gone, or has become read-only,
// is no reason to complain.
void Release(const HeldFile& held) {
  if (held.nonce.empty()) {
    (void)::unlink(held.path.c_str());
    return;
  }
  Content content;
  if (!ReadIfThere(held.path, held.path, &content).ok() || !content.has_value()) return;
  const std::optional<LockHolder> holder = ParseHolder(*content);
  if (holder.has_value() && holder->nonce == held.nonce) (void)::unlink(held.path.c_str());
}

// A lock with or without a file.
class FileLock final : public Lock {
 public:
  explicit FileLock(std::optional<HeldFile> held) : held_(std::move(held)) {}
  ~FileLock() override {
    if (held_.has_value()) Release(*held_);
  }

 private:
  std::optional<HeldFile> held_;
};

// Gives the content of `temporary` the name `path` as well. `*created` is false if there is such a
// file; `*file` then stays as it was, and else it carries the flock of the new one.
//
// File systems without hard links (FAT, some network ones) get an exclusive copy. There the file is
// empty for a moment before it has its content, and only its flock tells that it is held.
Status CreateFrom(const std::string& directory, const std::string& temporary,
                  const std::string& path, const std::string& text, Descriptor* file,
                  bool* created) {
  *created = ::link(temporary.c_str(), path.c_str()) == 0;
  if (*created || errno == EEXIST) return Status::Ok();
  const bool has_no_links = errno == EPERM || errno == ENOSYS || errno == ENOTSUP;
  if (!has_no_links) return LockError(directory, errno);
  Status status = WriteFlocked(directory, path, O_EXCL, text, file);
  if (status.system_error() == EEXIST) return Status::Ok();
  *created = status.ok();
  return status;
}

Status TakeFile(const std::string& directory, const std::string& path, HeldFile* held);

// Puts `temporary` in the place of the stale file at `path`. `*replaced` is false if that is no
// longer the one with `content`.
//
// Two that found the same stale file must not both replace it: the right to do so is a lock file of
// its own, named after the stale content.
Status ReplaceStale(const std::string& directory, const std::string& path,
                    const std::string& content, const std::string& temporary, bool* replaced) {
  // Not the whole path: others may spell it differently.
  const std::string named = path.substr(path.rfind('/') + 1) + "\n" + content;
  const std::string stale = Sha256Hex(AsBytes(named));
  HeldFile guard;
  const std::string guard_name = std::string(kGuardPrefix) + stale.substr(0, kGuardDigits);
  Status status = TakeFile(directory, JoinPath(directory, guard_name), &guard);
  if (!status.ok()) return status;
  Content now;
  status = ReadIfThere(directory, path, &now);
  *replaced = false;
  if (status.ok() && now == content) {
    *replaced = std::rename(temporary.c_str(), path.c_str()) == 0;
    if (!*replaced) status = LockError(directory, errno);
  }
  Release(guard);
  return status;
}

// One attempt to make the file at `path` ours.
Status TryTakeFile(const std::string& directory, const std::string& path, const LockHolder& holder,
                   Descriptor* file, bool* taken) {
  const std::string temporary = TemporaryPath(directory, holder);
  const std::string text = FormatHolder(holder);
  *taken = false;
  Status status = WriteFlocked(directory, temporary, O_TRUNC, text, file);
  if (!status.ok()) return status;
  status = CreateFrom(directory, temporary, path, text, file, taken);
  if (status.ok() && !*taken) {
    Content content;
    status = ReadIfThere(directory, path, &content);
    // Without content it was given back just now.
    if (status.ok() && content.has_value()) {
      status = RefuseIfAlive(directory, path, ParseHolder(*content));
      if (status.ok()) status = ReplaceStale(directory, path, *content, temporary, taken);
    }
  }
  (void)::unlink(temporary.c_str());
  // A writer that cleared leftovers removed our temporary file in its first moment, when it was
  // still empty. The caller tries again.
  return status.system_error() == ENOENT ? Status::Ok() : status;
}

// Makes the file at `path` ours, or fails with LOCKED.
Status TakeFile(const std::string& directory, const std::string& path, HeldFile* held) {
  const LockHolder holder = DescribeSelf();
  for (int attempt = 0; attempt < kMaxAttempts; attempt++) {
    Descriptor file;
    bool taken = false;
    Status status = TryTakeFile(directory, path, holder, &file, &taken);
    if (!status.ok()) return status;
    if (!taken) continue;
    *held = {.path = path, .nonce = holder.nonce, .descriptor = std::move(file)};
    return Status::Ok();
  }
  return Contended(directory);
}

Status RefuseOrClear(const std::string& directory, const std::string& name) {
  const std::string path = JoinPath(directory, name);
  Content content;
  Status status = ReadIfThere(directory, path, &content);
  if (!status.ok() || !content.has_value()) return status;
  // Once they had a content like LOCK's.
  const std::string_view holder = std::string_view(name).substr(kReaderPrefix.size());
  status = RefuseIfAlive(directory, path,
                         content->empty() ? ParseHolderName(holder) : ParseHolder(*content));
  if (status.ok()) (void)::unlink(path.c_str());
  return status;
}

void ClearIfStale(const std::string& directory, const std::string& path) {
  Content content;
  if (!ReadIfThere(directory, path, &content).ok() || !content.has_value()) return;
  const std::optional<LockHolder> holder = ParseHolder(*content);
  const bool is_alive = (holder.has_value() && IsAlive(*holder)) || IsFlocked(path);
  if (!is_alive) (void)::unlink(path.c_str());
}

// Looks for readers, and removes what the dead have left.
Status ClearForWriter(const std::string& directory) {
  std::vector<std::string> names;
  if (Status status = RealDisk().List(directory, &names); !status.ok()) {
    return LockError(directory, status.system_error());
  }
  for (const std::string& name : names) {
    const std::string path = JoinPath(directory, name);
    if (name.starts_with(kReaderPrefix)) {
      if (Status status = RefuseOrClear(directory, name); !status.ok()) return status;
    } else if (name.starts_with(kTemporaryPrefix) || name.starts_with(kGuardPrefix)) {
      ClearIfStale(directory, path);
    }
  }
  return Status::Ok();
}

Status LockAsWriter(const std::string& directory, std::unique_ptr<Lock>* lock) {
  HeldFile held;
  Status status = TakeFile(directory, JoinPath(directory, kWriter), &held);
  if (!status.ok()) return status;
  auto taken = std::make_unique<FileLock>(std::move(held));
  status = ClearForWriter(directory);
  if (status.ok()) *lock = std::move(taken);
  return status;
}

// Makes the file of a reader, which stays empty; nothing is held if the medium cannot be written.
Status MakeReaderFile(const std::string& directory, std::optional<HeldFile>* held) {
  const std::string name = std::string(kReaderPrefix) + NameHolder(DescribeSelf());
  HeldFile made = {.path = JoinPath(directory, name), .nonce = {}, .descriptor = {}};
  const Status status = WriteFlocked(directory, made.path, O_EXCL, {}, &made.descriptor);
  if (status.ok()) *held = std::move(made);
  return IsReadOnlyMedium(status.system_error()) ? Status::Ok() : status;
}

Status LockAsReader(const std::string& directory, std::unique_ptr<Lock>* lock) {
  std::optional<HeldFile> held;
  Status status = MakeReaderFile(directory, &held);
  if (!status.ok()) return status;
  auto taken = std::make_unique<FileLock>(std::move(held));
  const std::string path = JoinPath(directory, kWriter);
  Content content;
  status = ReadIfThere(directory, path, &content);
  // A stale writer's file stays: taking it over is the next writer's business.
  if (status.ok() && content.has_value()) {
    status = RefuseIfAlive(directory, path, ParseHolder(*content));
  }
  if (status.ok()) *lock = std::move(taken);
  return status;
}

}  // namespace

Status LockDirectory(const std::string& directory, LockKind kind, std::unique_ptr<Lock>* lock) {
  return kind == LockKind::kWriter ? LockAsWriter(directory, lock) : LockAsReader(directory, lock);
}

}  // namespace bedplate::vfs

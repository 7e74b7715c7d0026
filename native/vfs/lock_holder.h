// Who holds a lock: what a lock file says, and whether that process is still alive. The same files
// and the same judgement as ts/io/real-lock.ts.
#ifndef BEDPLATE_VFS_LOCK_HOLDER_H_
#define BEDPLATE_VFS_LOCK_HOLDER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bedplate::vfs {

// Where a process number means something. What the platform cannot tell is left out.
struct Machine {
  std::string host;
  std::optional<std::string> boot_id;
  // Processes of another pid namespace cannot be seen from here.
  std::optional<std::string> pid_namespace;
};

// What LOCK says as JSON, and the file of a reader by its name.
struct LockHolder {
  int64_t pid = 0;
  // The worker thread of JavaScript, 0 if it is none: for messages only.
  int64_t thread_id = 0;
  // When the lock was taken, ISO 8601.
  std::string since;
  // Tells this lock from every other one.
  std::string nonce;
  Machine machine;
  // When the process started, in clock ticks since boot.
  std::optional<std::string> start_time;
};

// This process and moment, with a new nonce.
[[nodiscard]] LockHolder DescribeSelf();
[[nodiscard]] Machine DescribeMachine();

[[nodiscard]] std::string FormatHolder(const LockHolder& holder);
// Nothing if the file is not whole: a power cut left it so.
[[nodiscard]] std::optional<LockHolder> ParseHolder(std::string_view content);

// The same as a part of a file's name:
// pid_startTime_bootId_pidNamespace_threadId_since_nonce_host, what is unknown left empty.
[[nodiscard]] std::string NameHolder(const LockHolder& holder);
// Nothing if it names no holder.
[[nodiscard]] std::optional<LockHolder> ParseHolderName(std::string_view name);

// True if the holder is on this host and its pid means something here.
[[nodiscard]] bool IsVisible(const LockHolder& holder);

// False only if the holder has certainly gone. What cannot be judged from here counts as alive.
[[nodiscard]] bool IsAlive(const LockHolder& holder);

}  // namespace bedplate::vfs

#endif  // BEDPLATE_VFS_LOCK_HOLDER_H_

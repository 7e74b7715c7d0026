// The failures that both disks name themselves, without the system's help.
#ifndef BEDPLATE_VFS_DISK_ERRORS_H_
#define BEDPLATE_VFS_DISK_ERRORS_H_

#include <cstdint>
#include <string>

#include "core/status.h"

namespace bedplate::vfs {

// Positions and sizes stay below this, so that JavaScript can hold them too.
inline constexpr uint64_t kMaxPosition = uint64_t{1} << 53;

// The error of a write on a file that was opened for reading.
[[nodiscard]] inline Status ReadOnlyError(const std::string& path) {
  return Status::Error(ErrorCode::kReadOnly,
                       "cannot write " + path + ": it was opened for reading");
}

// Refuses positions and sizes that only a bug of the caller can ask for.
[[nodiscard]] inline Status CheckPosition(const std::string& path, uint64_t position) {
  if (position < kMaxPosition) return Status::Ok();
  return Status::Error(ErrorCode::kInternal, "assertion failed: a position in " + path +
                                                 " is below 2^53, got " + std::to_string(position));
}

}  // namespace bedplate::vfs

#endif  // BEDPLATE_VFS_DISK_ERRORS_H_

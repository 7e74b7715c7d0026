// What is on a simulated disk at one moment: a simulated disk starts from one, and a crash leaves
// one behind. A plain list, to be made, looked at and damaged.
#ifndef BEDPLATE_VFS_DISK_IMAGE_H_
#define BEDPLATE_VFS_DISK_IMAGE_H_

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "vfs/file_bytes.h"

namespace bedplate::vfs {

// Paths are relative to the root and without `.`, `..` or doubled `/`: as CleanPath gives them.
struct DiskImage {
  // Without the root.
  std::set<std::string> directories;
  // Every file lies in the root or in one of `directories`. Copies share their bytes until one of
  // them is changed, so that thousands are cheap.
  std::map<std::string, FileBytes> files;
};

// The names along a path. `.` and empty parts mean nothing, `..` goes up, and relative paths start
// at the root.
[[nodiscard]] std::vector<std::string> SplitPath(std::string_view path);
[[nodiscard]] std::string CleanPath(std::string_view path);
// The clean path of `name` in the directory with the clean path `directory`, empty for the root.
[[nodiscard]] std::string ChildPath(const std::string& directory, const std::string& name);

}  // namespace bedplate::vfs

#endif  // BEDPLATE_VFS_DISK_IMAGE_H_

#include "vfs/disk_image.h"

#include <algorithm>

namespace bedplate::vfs {

std::vector<std::string> SplitPath(std::string_view path) {
  std::vector<std::string> parts;
  while (!path.empty()) {
    const std::string_view part = path.substr(0, path.find('/'));
    path.remove_prefix(std::min(part.size() + 1, path.size()));
    if (part == "..") {
      if (!parts.empty()) parts.pop_back();
    } else if (!part.empty() && part != ".") {
      parts.emplace_back(part);
    }
  }
  return parts;
}

std::string CleanPath(std::string_view path) {
  std::string clean;
  for (const std::string& part : SplitPath(path)) clean = ChildPath(clean, part);
  return clean;
}

std::string ChildPath(const std::string& directory, const std::string& name) {
  std::string path = directory;
  if (!path.empty()) path += '/';
  return path.append(name);
}

}  // namespace bedplate::vfs

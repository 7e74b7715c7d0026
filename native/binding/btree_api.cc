#include "binding/btree_api.h"

#include <algorithm>
#include <array>
#include <vector>

#include "log/segment.h"

namespace bedplate::binding {
namespace {

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

// Every part of a store has been there since it was made: what is missing was removed or lost. As
// `checkParts` in ts/storage/btree/store-directory.ts.
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

Status BTreeApi::Prepare(vfs::Disk* disk, const std::string& path, bool read_only) {
  if (Status status = CheckParts(disk, path); !status.ok()) return status;
  return read_only ? Status::Ok() : RemoveLeftovers(disk, path);
}

}  // namespace bedplate::binding

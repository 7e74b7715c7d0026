#include "lsm/store_files.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "log/segment.h"
#include "lsm/build_tables.h"
#include "lsm/manifest.h"
#include "lsm/table_format.h"

namespace bedplate::lsm {
namespace {

// What writers leave behind beside tables: half a manifest, and figures for onlookers
// (ts/storage/stats-file.ts).
constexpr std::array<std::string_view, 3> kLeftovers = {kNewManifestFile, "stats.json",
                                                        "stats.json.new"};

}  // namespace

Status CheckParts(vfs::Disk* disk, const std::string& path, const Version& version) {
  std::vector<std::string> names;
  if (Status status = disk->List(path, &names); !status.ok()) return status;
  std::string missing;
  for (const TableRef& table : version.Tables()) {
    const std::string name = TableName(table->number);
    if (!missing.empty() || std::ranges::binary_search(names, name)) continue;
    missing = "its file " + name;
  }
  const auto is_segment = [](const std::string& name) {
    const auto parsed = log::ParseSegmentName(name);
    return parsed.has_value() && !parsed->is_prepared;
  };
  if (missing.empty() && !std::ranges::any_of(names, is_segment)) missing = "its log";
  if (missing.empty()) return Status::Ok();
  return Status::Error(
      ErrorCode::kCorruption, path + " is a store, but " + missing + " is missing",
      "nothing on disk was changed; put the file back, or restore the store from a backup");
}

Status RemoveOrphans(vfs::Disk* disk, const std::string& path, const Version& version) {
  std::unordered_set<uint64_t> named;
  for (const TableRef& table : version.Tables()) named.insert(table->number);
  std::vector<std::string> names;
  if (Status status = disk->List(path, &names); !status.ok()) return status;
  const auto is_orphan = [&](const std::string& name) {
    uint64_t number = 0;
    return std::ranges::find(kLeftovers, name) != kLeftovers.end() ||
           (ParseTableName(name, &number) && !named.contains(number));
  };
  std::erase_if(names, [&](const std::string& name) { return !is_orphan(name); });
  if (names.empty()) return Status::Ok();
  // The manifest that does without them may owe its name to a writer that died before it was
  // durable.
  if (Status status = disk->SyncDirectory(path); !status.ok()) return status;
  for (const std::string& name : names) Discard(disk, vfs::JoinPath(path, name));
  return Status::Ok();
}

}  // namespace bedplate::lsm

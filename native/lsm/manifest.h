// The manifest says what the store consists of as of one log position. It is written whole, under
// another name, and renamed; it is small: a hundred bytes a table. To the byte:
// docs/formats/lsm.md; the twin is ts/storage/lsm/manifest.ts.
#ifndef BEDPLATE_LSM_MANIFEST_H_
#define BEDPLATE_LSM_MANIFEST_H_

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/bytes.h"
#include "core/status.h"
#include "lsm/catalogue.h"
#include "lsm/compaction.h"
#include "lsm/mutant.h"
#include "lsm/table_format.h"
#include "lsm/version.h"
#include "vfs/disk.h"

namespace bedplate::lsm {

inline constexpr const char* kManifestFile = "manifest";
// The next manifest, until it takes the place of the one in force.
inline constexpr const char* kNewManifestFile = "manifest.new";
inline constexpr uint32_t kFormatVersion = 1;

// What a manifest says.
struct Manifest {
  std::array<uint8_t, 16> uuid{};
  // The tables hold exactly the state after this log record.
  uint64_t position = 0;
  // No table has this number or a larger one.
  uint64_t next_number = 1;
  TableShape shape;
  CompactionPlan plan;
  // The trees as of `position`.
  std::shared_ptr<const Catalogue> catalogue = std::make_shared<Catalogue>();
  std::shared_ptr<const Version> version = std::make_shared<Version>();
};

[[nodiscard]] std::vector<uint8_t> EncodeManifest(const Manifest& manifest);
// Reads a manifest; any bytes are fine. `path` is of its file, for the text of errors; `make_table`
// makes what the version holds. CORRUPTION, or INCOMPATIBLE if a later version wrote it.
Status DecodeManifest(Bytes bytes, const std::string& path,
                      const std::function<TableRef(TableInfo)>& make_table, Mutant* mutant,
                      Manifest* manifest);

// Reads the manifest of the store at `directory`.
Status ReadManifest(vfs::Disk* disk, const std::string& directory,
                    const std::function<TableRef(TableInfo)>& make_table, Mutant* mutant,
                    Manifest* manifest);
// Replaces the manifest, durably. A full disk leaves the one before in force as it was; what a sync
// gives is final, so it is no refusal (NoRefusal).
Status ReplaceManifest(vfs::Disk* disk, const std::string& directory, const Manifest& manifest,
                       Mutant* mutant);

}  // namespace bedplate::lsm

#endif  // BEDPLATE_LSM_MANIFEST_H_

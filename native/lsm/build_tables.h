// Writes what a merge keeps to new tables. The twin is ts/storage/lsm/build-tables.ts.
#ifndef BEDPLATE_LSM_BUILD_TABLES_H_
#define BEDPLATE_LSM_BUILD_TABLES_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/status.h"
#include "lsm/entry.h"
#include "lsm/mutant.h"
#include "lsm/range_tombstones.h"
#include "lsm/table_format.h"
#include "lsm/table_writer.h"
#include "vfs/disk.h"

namespace bedplate::lsm {

// Bytes of entries that are merged before `Batch::on_slice` is called.
inline constexpr uint64_t kSliceBytes = 128 * 1024;

// Where tables are made, and how. The functions are called by whoever builds.
struct Workshop {
  vfs::Disk* disk = nullptr;
  // The directory.
  std::string path;
  TableShape shape;
  Mutant* mutant = nullptr;
  // What a table that is to be made will be known by: a new number, a random id, the time.
  std::function<TableIdentity()> new_identity;
  // A sync failed, which is final: told before BuildTables gives the same.
  std::function<void(const Status&)> on_failed_sync;
};

// What goes into tables.
struct Batch {
  VersionCursor* versions = nullptr;
  // By their keys, in pieces that do not overlap unless they are the same.
  std::vector<RangeTombstone> tombstones;
  // A table is full once its data has so many bytes; it ends with the key it then holds.
  uint64_t table_bytes = 0;
  // Called between slices with the bytes since the last call, and at the end of a table; what it
  // gives, if that is a failure, ends the work. May be empty.
  std::function<Status(uint64_t bytes)> on_slice;
};

// Writes `batch` to as many tables as it takes, in order and without a shared key, and makes them
// and their names durable. After a failure (DISK_FULL, what a cursor or `on_slice` gives) nothing
// is left of them, as far as the disk allows. Any thread; one at a time for a batch.
Status BuildTables(const Workshop& workshop, const Batch& batch, std::vector<TableInfo>* made);

// Removes a file that nothing names. If that fails, the next opening does.
void Discard(vfs::Disk* disk, const std::string& path);

}  // namespace bedplate::lsm

#endif  // BEDPLATE_LSM_BUILD_TABLES_H_

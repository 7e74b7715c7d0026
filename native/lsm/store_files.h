// The files of a store when it is opened. The twin is ts/storage/lsm/open.ts.
#ifndef BEDPLATE_LSM_STORE_FILES_H_
#define BEDPLATE_LSM_STORE_FILES_H_

#include <string>

#include "core/status.h"
#include "lsm/version.h"
#include "vfs/disk.h"

namespace bedplate::lsm {

// CORRUPTION if a file of the store is missing: it was removed, or lost.
Status CheckParts(vfs::Disk* disk, const std::string& path, const Version& version);
// Removes what a flush or a compaction left behind when it was cut off.
Status RemoveOrphans(vfs::Disk* disk, const std::string& path, const Version& version);

}  // namespace bedplate::lsm

#endif  // BEDPLATE_LSM_STORE_FILES_H_

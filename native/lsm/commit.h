// Turns the operations of a commit into its log record. The twin is ts/storage/lsm/commit.ts.
#ifndef BEDPLATE_LSM_COMMIT_H_
#define BEDPLATE_LSM_COMMIT_H_

#include <cstdint>
#include <span>

#include "core/status.h"
#include "lsm/tree_slot.h"
#include "ordered/record.h"

namespace bedplate::lsm {

// Writes all of `operations` into the record, new trees before their first use. It stays empty if
// there is nothing to do. All of a commit has one sequence, and there range tombstones are older
// than keys: so clears come first in the record, and what an operation before them had put is left
// out. The next tree to be made gets `next_tree_id`. INVALID_INPUT if what it does to one key
// cannot be one version.
Status EncodeCommit(ordered::RecordWriter* record, std::span<const Operation> operations,
                    uint32_t next_tree_id);

}  // namespace bedplate::lsm

#endif  // BEDPLATE_LSM_COMMIT_H_

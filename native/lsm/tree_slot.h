#ifndef BEDPLATE_LSM_TREE_SLOT_H_
#define BEDPLATE_LSM_TREE_SLOT_H_

#include <atomic>
#include <cstdint>
#include <string>

#include "ordered/operation.h"

namespace bedplate::lsm {

// A name, and the id of the tree that has it now; 0 if there is none. It stays where it is while
// its engine lives. Any thread may read it.
struct TreeSlot {
  std::string name;
  std::atomic<uint32_t> id{0};
};

using Operation = ordered::Operation<TreeSlot>;
using ReadSet = ordered::ReadSet<TreeSlot>;

}  // namespace bedplate::lsm

#endif  // BEDPLATE_LSM_TREE_SLOT_H_

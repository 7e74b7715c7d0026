// The B-tree, as the bindings of stores see it.
#ifndef BEDPLATE_BINDING_BTREE_API_H_
#define BEDPLATE_BINDING_BTREE_API_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "btree/engine.h"
#include "btree/range_walk.h"
#include "core/status.h"
#include "vfs/disk.h"

namespace bedplate::binding {

struct BTreeApi {
  using Engine = btree::Engine;
  using EngineOptions = btree::EngineOptions;
  using Attachment = btree::Attachment;
  using Snapshot = btree::Snapshot;
  using TreeSlot = btree::TreeSlot;
  // What stands for a tree of a snapshot.
  using Root = btree::Reference;
  using RangeWalk = btree::RangeWalk;
  // What one thread has of a store beside what all stores have.
  struct Extras {
    std::map<uint32_t, std::unique_ptr<btree::BulkLoad>> loads;
  };

  // Sees to it, with the lock held, that all parts are there and no leftovers are.
  static Status Prepare(vfs::Disk* disk, const std::string& path, bool read_only);
};

}  // namespace bedplate::binding

#endif  // BEDPLATE_BINDING_BTREE_API_H_

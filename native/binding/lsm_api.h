// The LSM store, as the bindings of stores see it.
#ifndef BEDPLATE_BINDING_LSM_API_H_
#define BEDPLATE_BINDING_LSM_API_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "core/status.h"
#include "lsm/engine.h"
#include "lsm/manifest.h"
#include "lsm/range_walk.h"
#include "vfs/disk.h"

namespace bedplate::binding {

struct LsmApi {
  using Engine = lsm::Engine;
  using EngineOptions = lsm::EngineOptions;
  using Attachment = lsm::Attachment;
  using Snapshot = lsm::Snapshot;
  using TreeSlot = lsm::TreeSlot;
  // What stands for a tree of a snapshot: its id.
  using Root = uint32_t;
  using RangeWalk = lsm::RangeWalk;
  // The manifest of a moment, whose tables stay.
  struct HeldTables {
    lsm::Manifest manifest;
    // Counts as an open snapshot.
    std::shared_ptr<lsm::Hold> hold;
  };
  // What one thread has of a store beside what all stores have.
  struct Extras {
    std::map<uint32_t, HeldTables> holds;
    // So many events of the engine are known.
    uint64_t events_seen = 0;
  };

  // The engine itself looks for missing parts and leftovers: it takes its manifest for that.
  static Status Prepare(vfs::Disk* /*disk*/, const std::string& /*path*/, bool /*read_only*/) {
    return Status::Ok();
  }
};

}  // namespace bedplate::binding

#endif  // BEDPLATE_BINDING_LSM_API_H_

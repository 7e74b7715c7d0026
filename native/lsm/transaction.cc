// The commit of an optimistic transaction (Kung and Robinson, "On Optimistic Methods for
// Concurrency Control", TODS 1981, backward validation): what it read of its snapshot must be the
// same now. Values are compared, so a change that was changed back is none.
#include <array>
#include <memory>

#include "core/compare.h"
#include "lsm/engine.h"
#include "lsm/range_walk.h"

namespace bedplate::lsm {
namespace {

constexpr size_t kCompareBlockBytes = size_t{64} << 10;

Status Conflict(const TreeSlot& tree) {
  return Status::Error(ErrorCode::kConflict,
                       "others changed what the transaction read in " +
                           (tree.name.empty() ? "the default tree" : "tree \"" + tree.name + '"'),
                       "run the whole transaction again, or give it retries");
}

// True if both blocks hold the same entries.
bool Same(const ordered::Block& a, const ordered::Block& b) {
  return a.count == b.count && AreEqual(a.bytes(), b.bytes());
}

}  // namespace

Status Engine::CommitIfUnchanged(Attachment* attachment, const Snapshot& snapshot,
                                 const ReadSet& reads, std::span<const Operation> operations,
                                 uint64_t* position) {
  const std::lock_guard lock(writer_);
  if (Status status = CheckWritable(); !status.ok()) return status;
  if (snapshot.position() != this->position()) {
    if (Status status = CheckUnchanged(attachment, snapshot, reads); !status.ok()) return status;
  }
  return Commit(operations, position);
}

Status Engine::CheckUnchanged(Attachment* attachment, const Snapshot& snapshot,
                              const ReadSet& reads) {
  std::shared_ptr<Snapshot> present;
  if (Status status = OpenSnapshot(&present); !status.ok()) return status;
  for (const auto& [tree, key] : reads.keys) {
    ordered::ValueTarget before;
    ordered::ValueTarget now;
    Status status =
        GetIn(attachment, snapshot, snapshot.catalogue().IdOf(tree->name), key, &before);
    if (status.ok()) {
      status = GetIn(attachment, *present, present->catalogue().IdOf(tree->name), key, &now);
    }
    if (!status.ok()) return status;
    if (before.found != now.found) return Conflict(*tree);
    if (before.found && !AreEqual(before.bytes(), now.bytes())) return Conflict(*tree);
  }
  for (const auto& [tree, range] : reads.ranges) {
    if (Status status = CompareRange(snapshot, *present, *tree, range); !status.ok()) {
      return status;
    }
  }
  return Status::Ok();
}

Status Engine::CompareRange(const Snapshot& before, const Snapshot& now, const TreeSlot& tree,
                            const KeyRange& range) {
  std::array<std::unique_ptr<RangeWalk>, 2> walks;
  const std::array<const Snapshot*, 2> snapshots = {&before, &now};
  for (size_t i = 0; i < walks.size(); i++) {
    Status status =
        RangeWalk::OpenIn(this, *snapshots[i], snapshots[i]->catalogue().IdOf(tree.name), range,
                          /*reverse=*/false, UINT64_MAX, &walks[i]);
    if (!status.ok()) return status;
  }
  while (!walks[0]->is_done() || !walks[1]->is_done()) {
    std::array<ordered::Block, 2> blocks;
    for (size_t i = 0; i < walks.size(); i++) {
      Status status = walks[i]->Fill(kCompareBlockBytes, &blocks[i]);
      if (!status.ok()) return status;
    }
    if (!Same(blocks[0], blocks[1])) return Conflict(tree);
  }
  return Status::Ok();
}

}  // namespace bedplate::lsm

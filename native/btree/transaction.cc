// The commit of an optimistic transaction (Kung and Robinson, "On Optimistic Methods for
// Concurrency Control", TODS 1981, backward validation): what it read of its snapshot must be the
// same now. Values are compared, so a change that was changed back is none.
#include "btree/engine.h"

namespace bedplate::btree {
namespace {

constexpr size_t kCompareBlockBytes = size_t{64} << 10;

Status Conflict(const TreeSlot& tree) {
  return Status::Error(ErrorCode::kConflict,
                       "others changed what the transaction read in " +
                           (tree.name.empty() ? "the default tree" : "tree \"" + tree.name + '"'),
                       "run the whole transaction again, or give it retries");
}

// True if both blocks hold the same entries.
bool Same(const Block& a, const Block& b) {
  return a.count == b.count && CompareBytes(a.bytes(), b.bytes()) == 0;
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
  return Commit(attachment, operations, position);
}

Status Engine::CheckUnchanged(Attachment* attachment, const Snapshot& snapshot,
                              const ReadSet& reads) {
  std::shared_ptr<Snapshot> present;
  if (Status status = OpenSnapshot(&present); !status.ok()) return status;
  const auto roots = [&](const TreeSlot& tree, Reference* before, Reference* now) {
    if (Status status = RootIn(attachment, snapshot, tree.name, before); !status.ok()) {
      return status;
    }
    return RootIn(attachment, *present, tree.name, now);
  };
  for (const auto& [tree, key] : reads.keys) {
    Reference before;
    Reference now;
    if (Status status = roots(*tree, &before, &now); !status.ok()) return status;
    ValueTarget old_value;
    ValueTarget new_value;
    if (Status status = GetIn(attachment, snapshot, before, key, &old_value); !status.ok()) {
      return status;
    }
    if (Status status = GetIn(attachment, *present, now, key, &new_value); !status.ok()) {
      return status;
    }
    if (old_value.found != new_value.found) return Conflict(*tree);
    if (old_value.found && CompareBytes(old_value.spill, new_value.spill) != 0) {
      return Conflict(*tree);
    }
  }
  for (const auto& [tree, range] : reads.ranges) {
    Reference before;
    Reference now;
    if (Status status = roots(*tree, &before, &now); !status.ok()) return status;
    KeyRange rest = range;
    std::vector<uint8_t> last_key;
    bool done = false;
    while (!done) {
      const BlockLimits limits{UINT64_MAX, kCompareBlockBytes};
      Block old_block;
      Block new_block;
      bool is_new_done = false;
      if (Status status =
              ReadBlock(attachment, snapshot, before, rest, false, limits, &old_block, &done);
          !status.ok()) {
        return status;
      }
      if (Status status =
              ReadBlock(attachment, *present, now, rest, false, limits, &new_block, &is_new_done);
          !status.ok()) {
        return status;
      }
      if (done != is_new_done || !Same(old_block, new_block)) return Conflict(*tree);
      if (done) break;
      const Bytes last = old_block.last_key();
      last_key.assign(last.begin(), last.end());
      rest.lower = Bytes(last_key);
      rest.lower_inclusive = false;
    }
  }
  return Status::Ok();
}

}  // namespace bedplate::btree

#include "lsm/commit.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/bytes.h"
#include "core/compare.h"
#include "lsm/operands.h"

namespace bedplate::lsm {
namespace {

using Kind = ordered::OperationKind;
using Operations = std::vector<const Operation*>;

// More characters than any 64-bit integer has.
constexpr size_t kMaxIntegerCharacters = 20;

bool IsKeyed(const Operation& operation) {
  return operation.kind != Kind::kClear && operation.kind != Kind::kDrop;
}

bool IsOperandKind(Kind kind) { return kind == Kind::kIncrement || kind == Kind::kAppend; }

bool Contains(const KeyRange& range, Bytes key) {
  if (range.lower) {
    const int order = CompareBytes(key, *range.lower);
    if (order < 0 || (order == 0 && !range.lower_inclusive)) return false;
  }
  if (range.upper) {
    const int order = CompareBytes(key, *range.upper);
    if (order > 0 || (order == 0 && !range.upper_inclusive)) return false;
  }
  return true;
}

// True if `later`, a clear or a drop, takes away what `earlier` did.
bool IsUndone(const Operation& earlier, const Operation& later) {
  if (earlier.tree != later.tree) return false;
  return later.kind == Kind::kDrop || Contains(later.range, earlier.key);
}

Operations ClearsFirst(std::span<const Operation> operations) {
  Operations clears;
  Operations keyed;
  for (const Operation& operation : operations) {
    if (IsKeyed(operation)) {
      keyed.push_back(&operation);
      continue;
    }
    std::erase_if(keyed, [&](const Operation* earlier) { return IsUndone(*earlier, operation); });
    clears.push_back(&operation);
  }
  clears.insert(clears.end(), keyed.begin(), keyed.end());
  return clears;
}

// What the operations so far come to for one key.
struct Outcome {
  enum class Kind { kValue, kIncrement, kAppend };
  Kind kind;
  size_t bytes;
};

Status AddTo(const Operation& operation, bool is_first, Outcome* outcome) {
  if (operation.kind == Kind::kDelete || operation.kind == Kind::kPut) {
    *outcome = {Outcome::Kind::kValue, operation.value.size()};
    return Status::Ok();
  }
  const bool is_append = operation.kind == Kind::kAppend;
  const auto kind = is_append ? Outcome::Kind::kAppend : Outcome::Kind::kIncrement;
  const size_t bytes = is_append ? operation.value.size() : kMaxIntegerCharacters;
  if (is_first) {
    *outcome = {kind, bytes};
    return Status::Ok();
  }
  if (outcome->kind != Outcome::Kind::kValue && outcome->kind != kind) {
    return Status::Error(ErrorCode::kInvalidInput,
                         "one key can be incremented or appended to in a commit, not both",
                         "put the key first, or write in two commits");
  }
  outcome->bytes = is_append ? outcome->bytes + bytes : bytes;
  if (outcome->bytes <= kMaxValueBytes) return Status::Ok();
  return Status::Error(ErrorCode::kInvalidInput,
                       "a batch makes a value of " + std::to_string(outcome->bytes) +
                           " bytes; a store takes " + std::to_string(kMaxValueBytes));
}

// Sees to it that what is done to each key comes to one version: a value, a sum, or a suffix.
Status CheckOutcomes(const Operations& operations) {
  std::map<const TreeSlot*, std::unordered_map<std::string_view, Outcome>> outcomes;
  for (const Operation* operation : operations) {
    if (!IsKeyed(*operation)) continue;
    const auto [found, is_first] =
        outcomes[operation->tree].try_emplace(AsText(operation->key), Outcome{});
    if (Status status = AddTo(*operation, is_first, &found->second); !status.ok()) return status;
  }
  return Status::Ok();
}

// The ids of trees in the order of a record: those that it makes count from then on.
class TreeIds {
 public:
  TreeIds(ordered::RecordWriter* record, uint32_t next_id) : record_(record), next_id_(next_id) {}

  // 0 if there is no such tree.
  [[nodiscard]] uint32_t IdOf(const TreeSlot* tree) const {
    if (!changed_.empty()) {
      const auto found = changed_.find(tree);
      if (found != changed_.end()) return found->second;
    }
    return tree->id.load(std::memory_order_relaxed);
  }

  uint32_t Create(const TreeSlot* tree) {
    const uint32_t id = next_id_++;
    record_->CreateTree(id, AsBytes(tree->name));
    changed_[tree] = id;
    return id;
  }

  void Drop(const TreeSlot* tree) { changed_[tree] = 0; }

 private:
  ordered::RecordWriter* record_;
  uint32_t next_id_;
  std::map<const TreeSlot*, uint32_t> changed_;
};

// `counts`: the commit has increments or appends in this tree.
void EncodeOne(const Operation& operation, bool counts, ordered::RecordWriter* record,
               TreeIds* ids) {
  uint32_t id = ids->IdOf(operation.tree);
  if (id == 0) {
    // There is nothing to remove in a tree that does not exist; but operands may count on what
    // their commit has deleted.
    const bool is_needed = operation.kind == Kind::kPut || IsOperandKind(operation.kind) ||
                           (operation.kind == Kind::kDelete && counts);
    if (!is_needed) return;
    id = ids->Create(operation.tree);
  }
  switch (operation.kind) {
    case Kind::kPut:
      return record->Put(id, operation.key, operation.value);
    case Kind::kDelete:
      return record->Delete(id, operation.key);
    case Kind::kIncrement:
      return record->Increment(id, operation.key, operation.value);
    case Kind::kAppend:
      return record->Append(id, operation.key, operation.value);
    case Kind::kClear:
      return record->Clear(id, operation.range);
    case Kind::kDrop:
      record->DropTree(id);
      return ids->Drop(operation.tree);
  }
}

}  // namespace

Status EncodeCommit(ordered::RecordWriter* record, std::span<const Operation> operations,
                    uint32_t next_tree_id) {
  TreeIds ids(record, next_tree_id);
  record->Begin();
  if (operations.size() == 1) {
    EncodeOne(operations.front(), false, record, &ids);
    return Status::Ok();
  }
  const Operations sorted = ClearsFirst(operations);
  std::set<const TreeSlot*> counted;
  for (const Operation* operation : sorted) {
    if (IsOperandKind(operation->kind)) counted.insert(operation->tree);
  }
  if (!counted.empty()) {
    if (Status status = CheckOutcomes(sorted); !status.ok()) return status;
  }
  for (const Operation* operation : sorted) {
    EncodeOne(*operation, counted.contains(operation->tree), record, &ids);
  }
  return Status::Ok();
}

}  // namespace bedplate::lsm

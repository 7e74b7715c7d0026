#include "btree/builder.h"

#include <string>
#include <utility>

#include "btree/overflow.h"
#include "btree/tree.h"

namespace bedplate::btree {

TreeBuilder::TreeBuilder(Pager* pager, uint32_t tree_id, uint64_t birth, Allocate allocate)
    : pager_(pager), tree_id_(tree_id), birth_(birth), allocate_(std::move(allocate)) {}

Status TreeBuilder::Add(Bytes key, Bytes value) {
  if (key_count_ > 0 && CompareBytes(last_key_, key) >= 0) {
    return Status::Error(
        ErrorCode::kInvalidInput,
        "bulk load: entry " + std::to_string(key_count_ + 1) +
            " is not greater than the one before",
        "sort the entries by the unsigned bytes of their keys, without duplicates; "
        "or use batch()");
  }
  LeafValue cell;
  if (Status status = PrepareValue(key, value, &cell); !status.ok()) return status;
  if (drafts_.empty()) drafts_.push_back(NewPage(PageType::kLeaf, 0));
  const Page leaf = drafts_[0].page();
  if (!leaf.InsertIntoLeaf(leaf.count(), key, cell)) {
    Draft next = NewPage(PageType::kLeaf, 0);
    if (!next.page().InsertIntoLeaf(0, key, cell)) {
      return Status::Error(ErrorCode::kInternal, "an empty leaf has no room for one entry");
    }
    Draft full = std::exchange(drafts_[0], std::move(next));
    // The shortest key that is greater than all before and not greater than this one.
    const Bytes separator = key.first(CommonPrefixLength(last_key_, key) + 1);
    const Reference right = drafts_[0].page().self();
    if (Status status = FinishPage(&full, separator, right); !status.ok()) return status;
  }
  last_key_.assign(key.begin(), key.end());
  key_count_++;
  return Status::Ok();
}

Status TreeBuilder::Finish(Reference* root) {
  *root = {};
  if (drafts_.empty()) return Status::Ok();
  const Page top = drafts_.back().page();
  top.set_key_count(key_count_);
  for (Draft& draft : drafts_) {
    if (Status status = pager_->WriteThrough(draft.page()); !status.ok()) return status;
  }
  *root = top.self();
  return Status::Ok();
}

// Writes a full page and tells the level above that `right` follows it behind `separator`.
Status TreeBuilder::FinishPage(Draft* full, Bytes separator, const Reference& right) {
  const Page page = full->page();
  if (Status status = pager_->WriteThrough(page); !status.ok()) return status;
  const uint32_t level = page.level() + 1;
  if (level == drafts_.size()) {
    drafts_.push_back(NewPage(PageType::kBranch, level));
    drafts_[level].page().set_reference(page.self());
  }
  const Page branch = drafts_[level].page();
  if (branch.InsertIntoBranch(branch.count(), separator, right)) return Status::Ok();
  Draft next = NewPage(PageType::kBranch, level);
  next.page().set_reference(right);
  Draft full_branch = std::exchange(drafts_[level], std::move(next));
  const Reference next_self = drafts_[level].page().self();
  return FinishPage(&full_branch, separator, next_self);
}

Status TreeBuilder::PrepareValue(Bytes key, Bytes value, LeafValue* cell) {
  cell->length = static_cast<uint32_t>(value.size());
  if (value.size() <= MaxInlineBytes(pager_->page_size_bytes(), key.size())) {
    cell->inline_bytes = value;
    return Status::Ok();
  }
  Chain chain{PageType::kOverflow, tree_id_, birth_, {}};
  const uint64_t pages = ChainPageCount(value.size(), pager_->page_size_bytes());
  for (uint64_t i = 0; i < pages; i++) chain.numbers.push_back(allocate_());
  cell->is_overflow = true;
  cell->overflow = {chain.numbers.front(), birth_};
  return WriteChain(pager_, chain, value);
}

TreeBuilder::Draft TreeBuilder::NewPage(PageType type, uint32_t level) {
  Draft draft{std::vector<uint8_t>(pager_->page_size_bytes())};
  draft.page().Format(type, {allocate_(), birth_}, tree_id_, level);
  return draft;
}

}  // namespace bedplate::btree

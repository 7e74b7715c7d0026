#include "btree/tree.h"

#include <algorithm>
#include <cassert>
#include <string>
#include <utility>

#include "btree/cursor.h"
#include "btree/overflow.h"

namespace bedplate::btree {
namespace {

// A page that uses less than this share of its bytes looks for a neighbour to merge with.
constexpr double kMergeBelow = 0.35;
// Two pages are merged only if the result leaves some room, so that the next insert does not split
// it.
constexpr double kMergedAtMost = 0.8;

bool FitsMerged(const Page& left, const Page& right) {
  return left.UsedBytes() + right.UsedBytes() - kPageHeaderBytes <=
         left.size_bytes() * kMergedAtMost;
}

// At the cut itself the cell may go to either side: to the empty one, else to the one with more
// room.
bool GoesRightAtCut(const Page& left, const Page& right) {
  if (right.count() == 0) return true;
  if (left.count() == 0) return false;
  return right.UsedBytes() < left.UsedBytes();
}

bool IsUnreadable(const Status& status) {
  return status.Is(ErrorCode::kCorruption) || status.Is(ErrorCode::kIo);
}

}  // namespace

uint32_t MaxInlineBytes(uint32_t page_size_bytes, size_t key_length) {
  const uint32_t per_cell = (page_size_bytes - kPageHeaderBytes) / 4 - kLeafCellHeaderBytes - 6;
  const auto length = static_cast<uint32_t>(key_length);
  return per_cell > length + kReferenceBytes ? per_cell - length : kReferenceBytes;
}

Status CheckLevel(const Pager& pager, const Page& branch, const Page& child) {
  if (child.level() + 1 == branch.level() && child.tree_id() == branch.tree_id()) {
    return Status::Ok();
  }
  const auto describe = [](const Page& page) {
    return std::to_string(page.page_number()) + " (tree " + std::to_string(page.tree_id()) +
           ", level " + std::to_string(page.level()) + ")";
  };
  return pager.Corruption(branch.page_number(),
                          "page " + describe(branch) + " has as child page " + describe(child));
}

Status FindLeaf(Pager* pager, const Reference& root, Bytes key, Frame** leaf, Missing* missing,
                uint64_t* hits) {
  *leaf = nullptr;
  if (root.page == 0) return Status::Ok();
  Frame* frame = nullptr;
  Status status = pager->Peek(root, &frame, missing);
  while (status.ok() && frame != nullptr) {
    ++*hits;
    const Page page = frame->page();
    if (page.is_leaf()) break;
    const Reference reference = page.ChildAt(page.ChildIndexFor(key));
    Frame* child = pager->Find(reference);
    if (page.level() == 1 && child != nullptr) child->PrefetchForSearch();
    status = pager->Accept(reference, child, &frame, missing);
    if (status.ok() && frame != nullptr) status = CheckLevel(*pager, page, frame->page());
  }
  if (status.ok()) *leaf = frame;
  return status;
}

Status FindGroup(Pager* pager, const Reference& root, std::span<const Bytes> keys,
                 std::array<GroupedLook, kGroupedKeys>* looks, size_t* count, uint64_t* hits) {
  *count = 0;
  if (root.page == 0) {
    looks->fill({});
    *count = keys.size();
    return Status::Ok();
  }
  Missing missing;
  Frame* top = nullptr;
  if (Status status = pager->Peek(root, &top, &missing); !status.ok() || top == nullptr) {
    return status;
  }
  std::array<Frame*, kGroupedKeys> pages{};
  std::array<Frame*, kGroupedKeys> parents{};
  std::array<Reference, kGroupedKeys> references;
  pages.fill(top);
  size_t group = keys.size();
  const uint32_t levels = top->page().level();
  const auto check = [&](size_t i) {
    if (parents[i] == nullptr) return Status::Ok();
    Status status = pager->Accept(references[i], pages[i], &pages[i], &missing);
    return status.ok() ? CheckLevel(*pager, parents[i]->page(), pages[i]->page()) : status;
  };
  // All of them go down one level, then the next: a page is looked at when it has had time to
  // arrive.
  for (uint32_t level = levels; level > 0; level--) {
    for (size_t i = 0; i < group; i++) {
      if (Status status = check(i); !status.ok()) return status;
      const Page branch = pages[i]->page();
      references[i] = branch.ChildAt(branch.ChildIndexFor(keys[i]));
      parents[i] = pages[i];
      pages[i] = pager->Find(references[i]);
      if (pages[i] == nullptr) {
        group = i;
      } else if (level == 1) {
        pages[i]->PrefetchForSearch();
      }
    }
  }
  for (size_t i = 0; i < group; i++) {
    if (Status status = check(i); !status.ok()) return status;
    pages[i]->page().PrefetchCellFor(keys[i]);
  }
  for (size_t i = 0; i < group; i++) (*looks)[i] = {pages[i], pages[i]->page().Search(keys[i])};
  *hits += group * (levels + 1);
  *count = group;
  return Status::Ok();
}

Tree::Tree(Pager* pager, uint32_t id, const Reference& root, RootMoved on_root_moved)
    : pager_(pager), id_(id), root_(root), on_root_moved_(std::move(on_root_moved)) {}

Status Tree::Put(Bytes key, const LeafValue& value) {
  if (root_.page == 0) {
    Frame* root = pager_->Allocate(PageType::kLeaf, id_, 0);
    if (Status status = MoveRoot(root->self()); !status.ok()) return status;
  }
  Frame* frame = is_appending() ? path_.back().frame : nullptr;
  const bool appends = frame != nullptr && frame->page().IsBehindAll(key);
  if (!appends) {
    if (Status status = DescendToWrite(key, &frame); !status.ok()) return status;
  }
  const uint64_t key_count = PageAt(0).key_count();
  const Page leaf = frame->page();
  const SearchResult at = appends ? SearchResult{leaf.count(), false} : leaf.Search(key);
  if (at.found) {
    if (Status status = DropOverflowOf(leaf, at.slot); !status.ok()) return status;
    if (leaf.ReplaceInLeaf(at.slot, value)) return Status::Ok();
    leaf.RemoveCell(at.slot);
    return InsertWithSplit(frame, at.slot, key, value);
  }
  const bool is_last = at.slot == leaf.count();
  if (!leaf.InsertIntoLeaf(at.slot, key, value)) {
    appends_since_ = 0;
    if (Status status = InsertWithSplit(frame, at.slot, key, value); !status.ok()) return status;
    return SetKeyCount(key_count + 1);
  }
  PageAt(0).set_key_count(key_count + 1);
  if (is_last && !appends && IsOnEdge(/*last=*/true, ParentDepth() + 1)) {
    appends_since_ = pager_->disturbances();
  }
  return Status::Ok();
}

Status Tree::Delete(Bytes key) {
  // Without this look, deleting an absent key would copy its path.
  bool found = false;
  if (Status status = Contains(key, &found); !status.ok() || !found) return status;
  Frame* frame = nullptr;
  if (Status status = DescendToWrite(key, &frame); !status.ok()) return status;
  const uint64_t key_count = PageAt(0).key_count();
  const Page leaf = frame->page();
  const uint32_t slot = leaf.Search(key).slot;
  if (Status status = DropOverflowOf(leaf, slot); !status.ok()) return status;
  leaf.RemoveCell(slot);
  if (Status status = Rebalance(); !status.ok()) return status;
  return SetKeyCount(key_count - 1);
}

Status Tree::DeleteRange(const KeyRange& range) {
  while (true) {
    std::vector<std::vector<uint8_t>> keys;
    if (Status status = KeysOfFirstLeaf(range, &keys); !status.ok() || keys.empty()) return status;
    for (const std::vector<uint8_t>& key : keys) {
      if (Status status = Delete(key); !status.ok()) return status;
    }
  }
}

// -- the path -------------------------------------------------------------------------------------

// Goes down to the leaf for `key`, making every page on the way the writer's own.
Status Tree::DescendToWrite(Bytes key, Frame** leaf) {
  path_.clear();
  appends_since_ = 0;
  Frame* frame = nullptr;
  if (Status status = OwnRoot(&frame); !status.ok()) return status;
  while (!frame->page().is_leaf()) {
    const Page branch = frame->page();
    const uint32_t child = branch.ChildIndexFor(key);
    path_.push_back({frame, child});
    if (Status status = ReadChild(branch, child, &frame); !status.ok()) return status;
    if (Status status = OwnChild(branch, child, &frame); !status.ok()) return status;
  }
  path_.push_back({frame, 0});
  *leaf = frame;
  return Status::Ok();
}

Status Tree::OwnRoot(Frame** root) {
  Frame* frame = nullptr;
  if (Status status = pager_->Read(root_, &frame); !status.ok()) return status;
  *root = pager_->Writable(frame);
  return (*root)->self() == root_ ? Status::Ok() : MoveRoot((*root)->self());
}

Status Tree::OwnChild(const Page& branch, uint32_t child, Frame** frame) {
  const Reference before = (*frame)->self();
  Frame* own = pager_->Writable(*frame);
  if (own->self() != before) branch.SetChildAt(child, own->self());
  *frame = own;
  return Status::Ok();
}

Status Tree::ReadChild(const Page& branch, uint32_t child, Frame** frame) {
  if (Status status = pager_->Read(branch.ChildAt(child), frame); !status.ok()) return status;
  return CheckLevel(*pager_, branch, (*frame)->page());
}

Status Tree::MoveRoot(const Reference& root) {
  root_ = root;
  return on_root_moved_(root);
}

Status Tree::SetKeyCount(uint64_t key_count) {
  if (root_.page == 0) return Status::Ok();
  Frame* root = nullptr;
  if (Status status = pager_->Read(root_, &root); !status.ok()) return status;
  root->page().set_key_count(key_count);
  return Status::Ok();
}

Status Tree::DropOverflowOf(const Page& leaf, uint32_t slot) {
  if (!leaf.IsOverflowAt(slot)) return Status::Ok();
  std::vector<Reference> pages;
  const Reference first = leaf.OverflowAt(slot);
  if (Status status = ListOverflow(*pager_, first, leaf.ValueLengthAt(slot), &pages);
      !status.ok()) {
    return status;
  }
  for (const Reference& page : pages) pager_->Retire(page);
  return Status::Ok();
}

Status Tree::Contains(Bytes key, bool* found) {
  *found = false;
  if (root_.page == 0) return Status::Ok();
  Frame* frame = nullptr;
  if (Status status = pager_->Read(root_, &frame); !status.ok()) return status;
  while (!frame->page().is_leaf()) {
    const Page branch = frame->page();
    if (Status status = ReadChild(branch, branch.ChildIndexFor(key), &frame); !status.ok()) {
      return status;
    }
  }
  *found = frame->page().Search(key).found;
  return Status::Ok();
}

// -- splits ---------------------------------------------------------------------------------------

// Splits `frame`, the end of the current path, and puts the new cell into the half where it
// belongs.
Status Tree::InsertWithSplit(Frame* frame, uint32_t slot, Bytes key, const LeafValue& value) {
  const Page leaf = frame->page();
  const Frame* right_frame = pager_->Allocate(PageType::kLeaf, id_, 0);
  const Page right = right_frame->page();
  const uint32_t cut = LeafCut(leaf, slot, key, value);
  leaf.MoveCells(right, cut);
  const bool goes_right = slot > cut || (slot == cut && GoesRightAtCut(leaf, right));
  const bool inserted = goes_right ? right.InsertIntoLeaf(slot - cut, key, value)
                                   : leaf.InsertIntoLeaf(slot, key, value);
  const std::vector<uint8_t> separator = SeparatorBetween(leaf, right);
  Status status = InsertIntoParent(ParentDepth(), separator, right_frame->self(), frame);
  // The cut was chosen for room. If the halves still have none (a key that broke a long common
  // prefix), cut again.
  return inserted || !status.ok() ? status : RetryPut(key, value);
}

// Where to cut. Rising and falling insertions leave the full page full: a sequential fill packs
// leaves.
uint32_t Tree::LeafCut(const Page& leaf, uint32_t slot, Bytes key, const LeafValue& value) const {
  const uint32_t count = leaf.count();
  const int branches = ParentDepth() + 1;
  if (slot == count && IsOnEdge(/*last=*/true, branches)) return count;
  if (slot == 0 && IsOnEdge(/*last=*/false, branches)) return 0;
  if (count < 2) return slot == 0 ? 0 : count;
  const auto key_length = static_cast<uint32_t>(key.size());
  return leaf.SplitPoint(slot, kLeafCellHeaderBytes + key_length + value.stored_bytes());
}

// True if the path above `depth` always took the first or the last child.
bool Tree::IsOnEdge(bool last, int depth) const {
  for (int above = 0; above < depth; above++) {
    if (ChildTaken(above) != (last ? PageAt(above).count() : 0)) return false;
  }
  return true;
}

// After a cut that made no room on its own: goes down again and inserts as if the key were new.
Status Tree::RetryPut(Bytes key, const LeafValue& value) {
  Frame* frame = nullptr;
  if (Status status = DescendToWrite(key, &frame); !status.ok()) return status;
  const SearchResult at = frame->page().Search(key);
  assert(!at.found);
  if (frame->page().InsertIntoLeaf(at.slot, key, value)) return Status::Ok();
  return InsertWithSplit(frame, at.slot, key, value);
}

Status Tree::InsertIntoParent(int depth, Bytes separator, const Reference& right, Frame* left) {
  if (depth < 0) return GrowRoot(separator, right, left);
  if (PageAt(depth).InsertIntoBranch(ChildTaken(depth), separator, right)) return Status::Ok();
  return SplitBranch(depth, separator, right);
}

Status Tree::GrowRoot(Bytes separator, const Reference& right, Frame* left) {
  const Page old = left->page();
  const Frame* frame = pager_->Allocate(PageType::kBranch, id_, old.level() + 1);
  const Page root = frame->page();
  root.set_reference(left->self());
  if (!root.InsertIntoBranch(0, separator, right)) {
    return Status::Error(ErrorCode::kInternal, "an empty branch has no room for one separator");
  }
  root.set_key_count(old.key_count());
  old.set_key_count(0);
  return MoveRoot(frame->self());
}

// Splits a full branch around a key that moves up, then inserts the separator where it belongs.
Status Tree::SplitBranch(int depth, Bytes separator, const Reference& child) {
  Frame* frame = path_[static_cast<size_t>(depth)].frame;
  const Page branch = frame->page();
  const uint32_t slot = ChildTaken(depth);
  const uint32_t count = branch.count();
  const Frame* right_frame = pager_->Allocate(PageType::kBranch, id_, branch.level());
  const Page right = right_frame->page();
  std::vector<uint8_t> up(separator.begin(), separator.end());
  bool inserted = true;
  if (slot == count && IsOnEdge(/*last=*/true, depth)) {
    // In a rising fill the new separator itself moves up: the full page stays full, the new one
    // starts with one child.
    right.set_reference(child);
  } else if (slot == 0 && IsOnEdge(/*last=*/false, depth)) {
    right.set_reference(child);
    branch.MoveCells(right, 0);
  } else {
    const auto length = static_cast<uint32_t>(separator.size());
    // The key at the cut moves up, so one page may be left with a lone child.
    const uint32_t cut =
        std::min(branch.SplitPoint(slot, kBranchCellHeaderBytes + length), count - 1);
    up = branch.KeyAt(cut);
    right.set_reference(branch.ChildAt(cut + 1));
    branch.MoveCells(right, cut, 1);
    inserted = slot > cut ? right.InsertIntoBranch(slot - cut - 1, separator, child)
                          : branch.InsertIntoBranch(slot, separator, child);
  }
  const uint32_t level = branch.level();
  Status status = InsertIntoParent(depth - 1, up, right_frame->self(), frame);
  // A separator that broke a long common prefix: its half is cut again, right where it belongs.
  return inserted || !status.ok() ? status : InsertSeparatorAgain(level, separator, child);
}

// Finds the branch at `level` that `separator` belongs to and inserts it there, splitting as
// needed.
Status Tree::InsertSeparatorAgain(uint32_t level, Bytes separator, const Reference& child) {
  path_.clear();
  appends_since_ = 0;
  Frame* frame = nullptr;
  if (Status status = OwnRoot(&frame); !status.ok()) return status;
  while (true) {
    const Page branch = frame->page();
    const uint32_t taken = branch.ChildIndexFor(separator);
    path_.push_back({frame, taken});
    if (branch.level() == level) break;
    if (Status status = ReadChild(branch, taken, &frame); !status.ok()) return status;
    if (Status status = OwnChild(branch, taken, &frame); !status.ok()) return status;
  }
  return InsertIntoParent(static_cast<int>(path_.size()) - 1, separator, child, frame);
}

// -- merges ---------------------------------------------------------------------------------------

// After a removal from the leaf at the end of the path: merges what got too empty, from there
// upwards.
Status Tree::Rebalance() {
  for (int depth = ParentDepth() + 1; depth > 0; depth--) {
    const Page page = PageAt(depth);
    if (page.UsedBytes() >= page.size_bytes() * kMergeBelow) return Status::Ok();
    bool merged = false;
    if (Status status = MergeWithNeighbour(depth, &merged); !status.ok() || !merged) return status;
  }
  return ShrinkRoot();
}

// Merges the page at `depth` with a neighbour below the same parent, if one fits.
Status Tree::MergeWithNeighbour(int depth, bool* merged) {
  Frame* frame = path_[static_cast<size_t>(depth)].frame;
  const Page page = frame->page();
  const Page parent = PageAt(depth - 1);
  const uint32_t child = ChildTaken(depth - 1);
  *merged = true;
  if (page.count() == 0 && (page.is_leaf() || page.reference().page == 0)) {
    RemoveChild(parent, child, frame);
    return Status::Ok();
  }
  Frame* right = nullptr;
  if (child < parent.count()) {
    if (Status status = Neighbour(parent, child + 1, &right); !status.ok()) return status;
    if (right != nullptr && MergeSiblings(parent, child, frame, right)) return Status::Ok();
  }
  Frame* left = nullptr;
  if (child > 0) {
    if (Status status = Neighbour(parent, child - 1, &left); !status.ok()) return status;
  }
  if (left != nullptr && FitsMerged(left->page(), page)) {
    if (Status status = OwnChild(parent, child - 1, &left); !status.ok()) return status;
    if (MergeSiblings(parent, child - 1, left, frame)) return Status::Ok();
  }
  *merged = false;
  return Status::Ok();
}

// A sibling; null if it cannot be read: merging is an economy, and a broken neighbour no reason to
// fail.
Status Tree::Neighbour(const Page& parent, uint32_t child, Frame** frame) {
  Status status = ReadChild(parent, child, frame);
  if (status.ok()) return status;
  *frame = nullptr;
  return IsUnreadable(status) ? Status::Ok() : status;
}

// Moves child `index + 1` of `parent` into child `index`. `left` must be the writer's own.
bool Tree::MergeSiblings(const Page& parent, uint32_t index, Frame* left, Frame* right) {
  const Page left_page = left->page();
  const Page right_page = right->page();
  if (!FitsMerged(left_page, right_page)) return false;
  if (left_page.is_leaf()) {
    if (!left_page.Merge(right_page, nullptr)) return false;
  } else {
    const std::vector<uint8_t> key = parent.KeyAt(index);
    const Bytes separator = key;
    if (!left_page.Merge(right_page, &separator)) return false;
  }
  parent.RemoveCell(index);
  pager_->Retire(right->self());
  return true;
}

// Takes an empty page out of its parent.
void Tree::RemoveChild(const Page& parent, uint32_t child, Frame* page) {
  if (child > 0) {
    parent.RemoveCell(child - 1);
  } else if (parent.count() > 0) {
    parent.set_reference(parent.ChildAt(1));
    parent.RemoveCell(0);
  } else {
    // The parent has no other child: it is as empty as this page, and goes the same way one level
    // up.
    parent.set_reference({});
  }
  pager_->Retire(page->self());
}

// The keys of `range` in the first leaf that has any.
Status Tree::KeysOfFirstLeaf(const KeyRange& range, std::vector<std::vector<uint8_t>>* keys) {
  Cursor cursor(pager_, root_, range, /*reverse=*/false);
  const uint8_t* leaf = nullptr;
  while (true) {
    Cursor::Outcome outcome = Cursor::Outcome::kEnd;
    if (Status status = NextBlocking(pager_, &cursor, &outcome); !status.ok()) return status;
    if (outcome == Cursor::Outcome::kEnd) return Status::Ok();
    if (leaf != nullptr && leaf != cursor.leaf().bytes()) return Status::Ok();
    leaf = cursor.leaf().bytes();
    keys->push_back(cursor.leaf().KeyAt(cursor.slot()));
  }
}

// A branch root with one child gives way to it; an empty leaf root leaves an empty tree.
Status Tree::ShrinkRoot() {
  Frame* root = nullptr;
  if (Status status = pager_->Read(root_, &root); !status.ok()) return status;
  while (!root->page().is_leaf() && root->page().count() == 0) {
    const Reference only = root->page().reference();
    pager_->Retire(root->self());
    if (Status status = MoveRoot(only); !status.ok() || only.page == 0) return status;
    if (Status status = OwnRoot(&root); !status.ok()) return status;
  }
  if (!root->page().is_leaf() || root->page().count() > 0) return Status::Ok();
  pager_->Retire(root->self());
  return MoveRoot({});
}

}  // namespace bedplate::btree

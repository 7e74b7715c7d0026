// One B-tree over the pager: search, insert, delete, splits and merges (Comer, "The Ubiquitous
// B-Tree", ACM Computing Surveys 1979; Graefe, "Modern B-Tree Techniques", 2011, section 3). Pages
// are copied on write along the path from the root, so a root reference is a whole frozen tree. No
// logging and no durability here: that is the engine's. The twin is ts/storage/btree/tree.ts.
#ifndef BEDPLATE_BTREE_TREE_H_
#define BEDPLATE_BTREE_TREE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "btree/page.h"
#include "btree/pager.h"
#include "core/bytes.h"
#include "core/key_range.h"
#include "core/status.h"

namespace bedplate::btree {

// Values longer than this are kept in overflow pages: a leaf always has room for at least four
// cells.
[[nodiscard]] uint32_t MaxInlineBytes(uint32_t page_size_bytes, size_t key_length);

// CORRUPTION unless `child` stands one level below `branch` in the same tree: so no path is
// endless.
Status CheckLevel(const Pager& pager, const Page& branch, const Page& child);

// Shared. The leaf below `root` that would hold `key`, if all pages on the way are in memory; else
// `*leaf` is null and `*missing` set, or left as it is if `root` is none. Adds the pages it saw to
// `*hits`.
Status FindLeaf(Pager* pager, const Reference& root, Bytes key, Frame** leaf, Missing* missing,
                uint64_t* hits);

// Searches several keys at once go down together, so that what one waits for from memory arrives
// while the others are looked at (Kocberber et al., "Asynchronous Memory Access Chaining", VLDB
// 2015, with a fixed group).
inline constexpr size_t kGroupedKeys = 16;

// A key that was looked for: the slot of its leaf, if it was found.
struct GroupedLook {
  Frame* leaf = nullptr;
  SearchResult at{0, false};
};

// Shared. Looks for `keys`, at most kGroupedKeys of them, below `root`. `*count` of the first ones
// come out; less than all if a page on the way to the next is not in memory. Adds the pages it saw
// to `*hits`.
Status FindGroup(Pager* pager, const Reference& root, std::span<const Bytes> keys,
                 std::array<GroupedLook, kGroupedKeys>* looks, size_t* count, uint64_t* hits);

// A tree of the current state, for its one writer: every method is for an exclusive caller.
class Tree {
 public:
  // Told when the root moves, so that the tree of trees can follow.
  using RootMoved = std::function<Status(const Reference& root)>;

  // `root` is none while the tree is empty.
  Tree(Pager* pager, uint32_t id, const Reference& root, RootMoved on_root_moved);

  [[nodiscard]] uint32_t id() const { return id_; }
  [[nodiscard]] const Reference& root() const { return root_; }

  // Sets the value of `key`.
  Status Put(Bytes key, const LeafValue& value);
  // True if the last put was one behind all keys, and the next one need not go down for another.
  [[nodiscard]] bool is_appending() const { return appends_since_ == pager_->disturbances(); }
  // Removes `key`, if it is there.
  Status Delete(Bytes key);
  // Removes all keys of `range`.
  Status DeleteRange(const KeyRange& range);
  // Takes over a root that was built apart (bulk load).
  Status ReplaceRoot(const Reference& root) {
    appends_since_ = 0;
    return MoveRoot(root);
  }

 private:
  // One page of the path of the last descent, and the child taken if it is a branch.
  struct Step {
    Frame* frame;
    uint32_t child;
  };

  Status DescendToWrite(Bytes key, Frame** leaf);
  Status OwnRoot(Frame** root);
  Status OwnChild(const Page& branch, uint32_t child, Frame** frame);
  Status ReadChild(const Page& branch, uint32_t child, Frame** frame);
  Status MoveRoot(const Reference& root);
  Status SetKeyCount(uint64_t key_count);
  Status DropOverflowOf(const Page& leaf, uint32_t slot);
  // True if the leaf for `key` holds it. Changes nothing.
  Status Contains(Bytes key, bool* found);
  [[nodiscard]] Page PageAt(int depth) const {
    return path_[static_cast<size_t>(depth)].frame->page();
  }
  [[nodiscard]] uint32_t ChildTaken(int depth) const {
    return path_[static_cast<size_t>(depth)].child;
  }
  // The depth of the leaf's parent; below 0 if the leaf is the root.
  [[nodiscard]] int ParentDepth() const { return static_cast<int>(path_.size()) - 2; }

  Status InsertWithSplit(Frame* leaf, uint32_t slot, Bytes key, const LeafValue& value);
  [[nodiscard]] uint32_t LeafCut(const Page& leaf, uint32_t slot, Bytes key,
                                 const LeafValue& value) const;
  [[nodiscard]] bool IsOnEdge(bool last, int depth) const;
  Status RetryPut(Bytes key, const LeafValue& value);
  // Tells the branch at `depth` of the path that `left`, its child, was cut in two; below 0 the
  // tree grows.
  Status InsertIntoParent(int depth, Bytes separator, const Reference& right, Frame* left);
  Status GrowRoot(Bytes separator, const Reference& right, Frame* left);
  Status SplitBranch(int depth, Bytes separator, const Reference& child);
  Status InsertSeparatorAgain(uint32_t level, Bytes separator, const Reference& child);

  Status Rebalance();
  Status MergeWithNeighbour(int depth, bool* merged);
  Status Neighbour(const Page& parent, uint32_t child, Frame** frame);
  bool MergeSiblings(const Page& parent, uint32_t index, Frame* left, Frame* right);
  void RemoveChild(const Page& parent, uint32_t child, Frame* page);
  Status ShrinkRoot();
  Status KeysOfFirstLeaf(const KeyRange& range, std::vector<std::vector<uint8_t>>* keys);

  Pager* pager_;
  uint32_t id_;
  Reference root_;
  RootMoved on_root_moved_;
  // From the root to the leaf.
  std::vector<Step> path_;
  // The pager's disturbances when `path_` came to lead to the end of the last leaf, all of it the
  // writer's own; 0 if it does not.
  uint64_t appends_since_ = 0;
};

}  // namespace bedplate::btree

#endif  // BEDPLATE_BTREE_TREE_H_

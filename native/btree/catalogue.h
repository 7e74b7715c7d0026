// The tree of trees: tree 0 maps each tree's name (UTF-8; the default tree's is empty) to its id
// and root. It is kept current at every move of a root, so one reference, to its own root, is the
// state of the whole store. The twin is ts/storage/btree/catalogue.ts.
#ifndef BEDPLATE_BTREE_CATALOGUE_H_
#define BEDPLATE_BTREE_CATALOGUE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "btree/page.h"
#include "btree/pager.h"
#include "btree/tree.h"
#include "core/bytes.h"
#include "core/status.h"

namespace bedplate::btree {

inline constexpr uint32_t kCatalogueTreeId = 0;
inline constexpr uint32_t kFirstTreeId = 1;
inline constexpr uint32_t kEntryBytes = 4 + kReferenceBytes;

// What the catalogue says of one tree.
struct TreeEntry {
  uint32_t id = 0;
  Reference root;
};

// A name and, if such a tree exists, the tree. It stays where it is while the catalogue lives.
struct TreeSlot {
  std::string name;
  std::unique_ptr<Tree> tree;

  // None if there is no such tree, or nothing in it.
  [[nodiscard]] Reference root() const { return tree ? tree->root() : Reference{}; }
};

// The trees of the current state. Exclusive, unless said otherwise.
class Catalogue {
 public:
  Catalogue();

  // Takes up the state that `root` stands for. Slots stay, with other trees in them.
  Status Load(Pager* pager, const Reference& root, uint32_t next_tree_id);

  // Shared. The root that stands for the whole state.
  [[nodiscard]] const Reference& root() const { return directory_->root(); }
  // Shared.
  [[nodiscard]] uint32_t next_tree_id() const { return next_tree_id_; }

  // The slot of that name; made if there is none.
  [[nodiscard]] TreeSlot* SlotOf(std::string_view name);
  // The slot of the tree with that id, which a log record mentions; CORRUPTION if there is none.
  Status SlotById(uint32_t id, TreeSlot** slot);
  // Shared. The names of all trees that exist, sorted.
  [[nodiscard]] std::vector<std::string> TreeNames() const;

  // The id that the tree of a slot has, or will have: no other tree gets it.
  [[nodiscard]] uint32_t IdFor(const TreeSlot& slot);
  // Makes the empty tree of a slot that has none.
  Status Create(uint32_t id, TreeSlot* slot);
  // Empties a tree and takes it out of the catalogue.
  Status Drop(TreeSlot* slot);

 private:
  Status SetRoot(const std::string& name, uint32_t id, const Reference& root);
  void Open(TreeSlot* slot, const TreeEntry& entry);

  Pager* pager_ = nullptr;
  uint32_t next_tree_id_ = kFirstTreeId;
  std::unique_ptr<Tree> directory_;
  std::map<std::string, std::unique_ptr<TreeSlot>, std::less<>> slots_;
  std::map<uint32_t, TreeSlot*> by_id_;
};

[[nodiscard]] std::vector<uint8_t> EncodeEntry(const TreeEntry& entry);
// False if `value` is not an entry.
[[nodiscard]] bool DecodeEntry(Bytes value, TreeEntry* entry);

[[nodiscard]] inline Bytes BytesOf(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

}  // namespace bedplate::btree

#endif  // BEDPLATE_BTREE_CATALOGUE_H_

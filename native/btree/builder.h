// Builds a tree bottom-up from entries in key order: every page is filled, written once and never
// read. The twin is ts/storage/btree/bulk-load.ts.
#ifndef BEDPLATE_BTREE_BUILDER_H_
#define BEDPLATE_BTREE_BUILDER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "btree/page.h"
#include "btree/pager.h"
#include "core/bytes.h"
#include "core/status.h"

namespace bedplate::btree {

// One tree under construction. One thread at a time uses it.
class TreeBuilder {
 public:
  // Gives page numbers that nobody else uses.
  using Allocate = std::function<uint64_t()>;

  // Pages are born in `birth`, an epoch of `pager`, and go past its cache.
  TreeBuilder(Pager* pager, uint32_t tree_id, uint64_t birth, Allocate allocate);

  [[nodiscard]] uint32_t tree_id() const { return tree_id_; }
  [[nodiscard]] uint64_t key_count() const { return key_count_; }

  // Adds an entry; keys must rise, else INVALID_INPUT. Copies both.
  Status Add(Bytes key, Bytes value);
  // Writes what is unfinished. `*root` is none if nothing was added.
  Status Finish(Reference* root);

 private:
  // A page that is being filled.
  struct Draft {
    std::vector<uint8_t> bytes;
    [[nodiscard]] Page page() { return {bytes.data(), static_cast<uint32_t>(bytes.size())}; }
  };

  Status PrepareValue(Bytes key, Bytes value, LeafValue* cell);
  Draft NewPage(PageType type, uint32_t level);
  Status FinishPage(Draft* full, Bytes separator, const Reference& right);

  Pager* pager_;
  uint32_t tree_id_;
  uint64_t birth_;
  Allocate allocate_;
  // The unfinished page of each level, the leaf first; none before the first entry.
  std::vector<Draft> drafts_;
  std::vector<uint8_t> last_key_;
  uint64_t key_count_ = 0;
};

}  // namespace bedplate::btree

#endif  // BEDPLATE_BTREE_BUILDER_H_

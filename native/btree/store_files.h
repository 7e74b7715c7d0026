// Reading what an open store starts from: the metas and the lists of free pages. The twin is
// ts/storage/btree/open.ts.
#ifndef BEDPLATE_BTREE_STORE_FILES_H_
#define BEDPLATE_BTREE_STORE_FILES_H_

#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include "btree/meta.h"
#include "btree/page.h"
#include "btree/pager.h"
#include "core/status.h"
#include "vfs/disk.h"

namespace bedplate::btree {

// The two metas as they are on disk, and which block holds the newer one.
struct MetaState {
  Meta current;
  // Absent if its block was found damaged.
  std::optional<Meta> older;
  uint32_t current_slot = 0;
  // Pages of the newest list of free pages: the current meta's, or the one that a checkpoint is
  // writing.
  std::vector<Reference> free_list_pages;

  // The last log position that both metas know of.
  [[nodiscard]] uint64_t oldest_position() const {
    return older ? std::min(older->position, current.position) : current.position;
  }
  [[nodiscard]] std::vector<uint64_t> epochs(Mutant* mutant) const {
    if (!older || Lacks(mutant, Rule::kPagesOfTheOlderMeta)) return {current.epoch};
    return {older->epoch, current.epoch};
  }
};

// Reads the metas of `file` and builds the pager on the newer one. INCOMPATIBLE for files of others
// or of a later version; CORRUPTION if neither meta is whole or the list of free pages is broken.
struct PagerSettings {
  uint64_t cache_bytes;
  bool read_only;
  Mutant* mutant;
};
Status OpenPager(std::unique_ptr<vfs::File> file, const PagerSettings& settings,
                 std::shared_ptr<Pager>* pager, MetaState* metas);

}  // namespace bedplate::btree

#endif  // BEDPLATE_BTREE_STORE_FILES_H_

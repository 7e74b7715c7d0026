// The trees of a store by name: a value that never changes, so that a snapshot keeps the one of its
// moment. The twin is ts/storage/lsm/catalogue.ts.
#ifndef BEDPLATE_LSM_CATALOGUE_H_
#define BEDPLATE_LSM_CATALOGUE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>

#include "core/status.h"
#include "lsm/internal_key.h"

namespace bedplate::lsm {

// Trees that a store may have at a time.
inline constexpr size_t kMaxTrees = 1'000'000;
inline constexpr size_t kMaxTreeNameBytes = 255;

struct Catalogue {
  // The id of each tree by its name; the default tree's name is empty.
  std::map<std::string, uint32_t, std::less<>> ids;
  // The ids alone.
  std::unordered_set<uint32_t> known;
  // No tree has this id or a larger one.
  uint32_t next_tree_id = kFirstTreeId;

  // The id of the tree of that name; 0 if there is none.
  [[nodiscard]] uint32_t IdOf(std::string_view name) const {
    const auto found = ids.find(name);
    return found == ids.end() ? 0 : found->second;
  }
};

// With one tree more. CORRUPTION if there cannot be a tree of that id and name: only a log record
// can say so.
Status WithTree(const Catalogue& catalogue, uint32_t id, std::string_view name,
                std::shared_ptr<const Catalogue>* next);
// Without the tree of that id. Gives its name, too.
std::shared_ptr<const Catalogue> WithoutTree(const Catalogue& catalogue, uint32_t id,
                                             std::string* name);

// The error for a log record about a tree that does not exist.
[[nodiscard]] Status UnknownTree(uint32_t id);

}  // namespace bedplate::lsm

#endif  // BEDPLATE_LSM_CATALOGUE_H_

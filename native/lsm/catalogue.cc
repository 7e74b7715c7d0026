#include "lsm/catalogue.h"

#include <algorithm>

namespace bedplate::lsm {

Status WithTree(const Catalogue& catalogue, uint32_t id, std::string_view name,
                std::shared_ptr<const Catalogue>* next) {
  const bool is_possible = id >= catalogue.next_tree_id && id < kMaxTreeId &&
                           !catalogue.ids.contains(name) && catalogue.ids.size() < kMaxTrees;
  if (!is_possible || name.size() > kMaxTreeNameBytes) {
    return Status::Error(ErrorCode::kCorruption, "the log makes a tree " + std::to_string(id) +
                                                     " named \"" + std::string(name) +
                                                     "\", which cannot be made");
  }
  auto with = std::make_shared<Catalogue>(catalogue);
  with->ids.emplace(name, id);
  with->known.insert(id);
  with->next_tree_id = id + 1;
  *next = std::move(with);
  return Status::Ok();
}

std::shared_ptr<const Catalogue> WithoutTree(const Catalogue& catalogue, uint32_t id,
                                             std::string* name) {
  auto without = std::make_shared<Catalogue>(catalogue);
  const auto found =
      std::ranges::find_if(without->ids, [id](const auto& tree) { return tree.second == id; });
  if (found != without->ids.end()) {
    *name = found->first;
    without->ids.erase(found);
  }
  without->known.erase(id);
  return without;
}

Status UnknownTree(uint32_t id) {
  return Status::Error(ErrorCode::kCorruption,
                       "the log writes to tree " + std::to_string(id) + ", which does not exist");
}

}  // namespace bedplate::lsm

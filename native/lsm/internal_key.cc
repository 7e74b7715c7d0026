#include "lsm/internal_key.h"

namespace bedplate::lsm {
namespace {

std::vector<uint8_t> BytesOf(const InternalKey& key) {
  return {key.bytes().begin(), key.bytes().end()};
}

std::vector<uint8_t> BoundOf(uint32_t tree_id, Bytes bound, bool is_behind) {
  const bool is_long = bound.size() > kMaxKeyBytes;
  const InternalKey key(tree_id, is_long ? bound.first(kMaxKeyBytes) : bound);
  return is_long || is_behind ? Successor(key.bytes()) : BytesOf(key);
}

}  // namespace

std::vector<uint8_t> Successor(Bytes key) {
  std::vector<uint8_t> next(key.size() + 1);
  std::copy(key.begin(), key.end(), next.begin());
  return next;
}

OwnedSpan SpanOf(uint32_t tree_id, const KeyRange& range) {
  return {range.lower ? BoundOf(tree_id, *range.lower, !range.lower_inclusive)
                      : BytesOf(InternalKey(tree_id, {})),
          range.upper ? BoundOf(tree_id, *range.upper, range.upper_inclusive)
                      : BytesOf(InternalKey(tree_id + 1, {}))};
}

}  // namespace bedplate::lsm

#include "lsm/range_tombstones.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "core/compare.h"

namespace bedplate::lsm {
namespace {

// Added ones are looked at one by one until there are so many.
constexpr size_t kMaxTail = 32;

bool IsLess(Bytes a, Bytes b) { return CompareBytes(a, b) < 0; }

// The first of falling sequences that is not above `up_to`; 0 if none is.
uint64_t NewestIn(std::span<const uint64_t> sequences, uint64_t up_to) {
  const auto found =
      std::lower_bound(sequences.begin(), sequences.end(), up_to, std::greater<uint64_t>());
  return found == sequences.end() ? 0 : *found;
}

std::vector<Bytes> SortedBounds(const std::vector<RangeTombstone>& tombstones) {
  std::vector<Bytes> bounds;
  bounds.reserve(2 * tombstones.size());
  for (const RangeTombstone& tombstone : tombstones) {
    bounds.push_back(tombstone.span.start);
    bounds.push_back(tombstone.span.end);
  }
  std::sort(bounds.begin(), bounds.end(), IsLess);
  bounds.erase(std::unique(bounds.begin(), bounds.end(), AreEqual), bounds.end());
  return bounds;
}

}  // namespace

struct RangeTombstones::Cut {
  // A fragment, with where its sequences lie.
  struct Piece {
    KeySpan span;
    size_t from;
    size_t to;
  };

  explicit Cut(std::vector<RangeTombstone> tombstones);
  void Fragment();
  [[nodiscard]] std::span<const uint64_t> SequencesAt(Bytes key) const;
  [[nodiscard]] std::span<const uint64_t> SequencesOf(const Piece& piece) const {
    return std::span(sequences).subspan(piece.from, piece.to - piece.from);
  }

  // In the order in which they were added.
  std::vector<RangeTombstone> all;
  std::vector<Piece> pieces;
  // Of all pieces, falling within each.
  std::vector<uint64_t> sequences;
};

RangeTombstones::Cut::Cut(std::vector<RangeTombstone> tombstones) : all(std::move(tombstones)) {
  Fragment();
}

// Sweeps over all bounds in order, keeping what is open between two.
void RangeTombstones::Cut::Fragment() {
  std::vector<RangeTombstone> by_start;
  for (const RangeTombstone& tombstone : all) {
    if (!tombstone.span.is_empty()) by_start.push_back(tombstone);
  }
  std::sort(by_start.begin(), by_start.end(),
            [](const auto& a, const auto& b) { return IsLess(a.span.start, b.span.start); });
  const std::vector<Bytes> bounds = SortedBounds(by_start);
  std::vector<RangeTombstone> open;
  size_t next = 0;
  for (size_t i = 0; i + 1 < bounds.size(); i++) {
    const KeySpan span{bounds[i], bounds[i + 1]};
    std::erase_if(open, [&](const RangeTombstone& each) {
      return CompareBytes(each.span.end, span.start) <= 0;
    });
    while (next < by_start.size() && CompareBytes(by_start[next].span.start, span.start) <= 0) {
      open.push_back(by_start[next++]);
    }
    if (open.empty()) continue;
    const size_t from = sequences.size();
    for (const RangeTombstone& each : open) sequences.push_back(each.sequence);
    const auto first = sequences.begin() + static_cast<ptrdiff_t>(from);
    std::sort(first, sequences.end(), std::greater<uint64_t>());
    sequences.erase(std::unique(first, sequences.end()), sequences.end());
    pieces.push_back({span, from, sequences.size()});
  }
}

std::span<const uint64_t> RangeTombstones::Cut::SequencesAt(Bytes key) const {
  const auto found = std::partition_point(pieces.begin(), pieces.end(), [&](const Piece& piece) {
    return CompareBytes(piece.span.end, key) <= 0;
  });
  if (found == pieces.end() || CompareBytes(key, found->span.start) < 0) return {};
  return SequencesOf(*found);
}

RangeTombstones::RangeTombstones(std::vector<RangeTombstone> tombstones) {
  if (!tombstones.empty()) cut_ = std::make_shared<const Cut>(std::move(tombstones));
}

std::shared_ptr<const RangeTombstones> RangeTombstones::With(const RangeTombstone& added) const {
  auto grown = std::make_shared<RangeTombstones>(*this);
  grown->tail_.push_back(added);
  if (grown->tail_.size() > kMaxTail) return std::make_shared<RangeTombstones>(grown->List());
  return grown;
}

size_t RangeTombstones::count() const {
  return tail_.size() + (cut_ == nullptr ? 0 : cut_->all.size());
}

std::vector<RangeTombstone> RangeTombstones::List() const {
  std::vector<RangeTombstone> all;
  if (cut_ != nullptr) all = cut_->all;
  all.insert(all.end(), tail_.begin(), tail_.end());
  return all;
}

uint64_t RangeTombstones::Covering(Bytes key, uint64_t up_to) const {
  uint64_t newest = cut_ == nullptr ? 0 : NewestIn(cut_->SequencesAt(key), up_to);
  for (const RangeTombstone& tombstone : tail_) {
    if (tombstone.sequence > newest && tombstone.sequence <= up_to && tombstone.span.Holds(key)) {
      newest = tombstone.sequence;
    }
  }
  return newest;
}

std::vector<RangeTombstones::Fragment> RangeTombstones::Fragments() const {
  std::vector<Fragment> fragments;
  if (cut_ == nullptr) return fragments;
  fragments.reserve(cut_->pieces.size());
  for (const Cut::Piece& piece : cut_->pieces) {
    fragments.push_back({piece.span, cut_->SequencesOf(piece)});
  }
  return fragments;
}

}  // namespace bedplate::lsm

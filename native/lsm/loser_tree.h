// A tournament of sorted sources in which every inner node remembers who lost there: the next
// winner costs one comparison a level (Knuth, TAOCP 3, section 5.4.1). The twin is
// ts/storage/lsm/loser-tree.ts.
#ifndef BEDPLATE_LSM_LOSER_TREE_H_
#define BEDPLATE_LSM_LOSER_TREE_H_

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace bedplate::lsm {

// The contestants are the numbers from 0 to `count - 1`. `IsBefore` is a function object: true if
// contestant `a` comes before `b`; one that has ended comes after all others. One thread.
template <typename IsBefore>
class LoserTree {
 public:
  LoserTree(uint32_t count, IsBefore is_before)
      : count_(count), is_before_(std::move(is_before)), losers_(count > 0 ? count : 1) {}

  // Who comes first. Good between Rebuild or Replay and the next change of a contestant.
  [[nodiscard]] uint32_t winner() const { return best_; }

  // Plays every game.
  void Rebuild() { best_ = count_ <= 1 ? 0 : Play(1); }

  // Plays the games of the winner again, whose place has changed.
  void Replay() {
    uint32_t best = best_;
    for (uint32_t node = (count_ + best) / 2; node >= 1; node /= 2) {
      const uint32_t loser = losers_[node];
      if (!is_before_(loser, best)) continue;
      losers_[node] = best;
      best = loser;
    }
    best_ = best;
  }

 private:
  // Who wins below `node`: a leaf from `count_` on.
  uint32_t Play(uint32_t node) {
    if (node >= count_) return node - count_;
    const uint32_t left = Play(2 * node);
    const uint32_t right = Play(2 * node + 1);
    const bool left_wins = is_before_(left, right);
    losers_[node] = left_wins ? right : left;
    return left_wins ? left : right;
  }

  uint32_t count_;
  IsBefore is_before_;
  // Of the inner nodes 1 to `count_ - 1`, who lost there; node i has the children 2 i and 2 i + 1,
  // the leaf of contestant c is `count_ + c`.
  std::vector<uint32_t> losers_;
  uint32_t best_ = 0;
};

}  // namespace bedplate::lsm

#endif  // BEDPLATE_LSM_LOSER_TREE_H_

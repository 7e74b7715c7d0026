// Rules that a test can take away, one at a time, to prove that it would notice.
#ifndef BEDPLATE_CORE_MUTANT_H_
#define BEDPLATE_CORE_MUTANT_H_

#include <atomic>
#include <cstdint>

namespace bedplate {

// A core with one rule taken away. `Rule` is an enum of the rules of that core.
template <typename Rule>
struct Mutant {
  // The rule that is missing.
  Rule without;
  // How often that mattered: 0 means that the test proved nothing.
  std::atomic<uint64_t> applied{0};
};

// Says whether `rule` has been taken away, and counts. `mutant` may be null.
template <typename Rule>
[[nodiscard]] inline bool Lacks(Mutant<Rule>* mutant, Rule rule) {
  if (mutant == nullptr || mutant->without != rule) return false;
  mutant->applied++;
  return true;
}

}  // namespace bedplate

#endif  // BEDPLATE_CORE_MUTANT_H_

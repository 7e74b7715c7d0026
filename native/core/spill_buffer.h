// Bytes behind each other in memory of the caller's as long as they fit there, else all of them in
// memory of their own.
#ifndef BEDPLATE_CORE_SPILL_BUFFER_H_
#define BEDPLATE_CORE_SPILL_BUFFER_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "core/bytes.h"

namespace bedplate {

class SpillBuffer {
 public:
  SpillBuffer() = default;
  explicit SpillBuffer(std::span<uint8_t> space) : space_(space) {}

  // Begins anew, with other memory of the caller's.
  void Reset(std::span<uint8_t> space = {}) {
    space_ = space;
    length_ = 0;
    is_spilled_ = false;
  }

  // Makes room for `bytes` at the end. Gives where they begin, until the next call; they are
  // undefined.
  [[nodiscard]] uint8_t* Extend(size_t bytes) {
    const size_t from = length_;
    length_ += bytes;
    if (!is_spilled_ && length_ <= space_.size()) return space_.data() + from;
    if (spill_.size() < length_) spill_.resize(std::max(length_, 2 * spill_.size()));
    if (!is_spilled_) std::copy_n(space_.begin(), from, spill_.begin());
    is_spilled_ = true;
    return spill_.data() + from;
  }

  // Gives away what was spilled, with its memory.
  [[nodiscard]] std::vector<uint8_t> TakeSpill() {
    spill_.resize(length_);
    Reset();
    return std::exchange(spill_, {});
  }

  [[nodiscard]] Bytes bytes() const {
    return {is_spilled_ ? spill_.data() : space_.data(), length_};
  }
  [[nodiscard]] size_t length() const { return length_; }
  // True if the bytes are not where the caller wanted them.
  [[nodiscard]] bool is_spilled() const { return is_spilled_; }

 private:
  std::span<uint8_t> space_;
  // As large as it ever had to be.
  std::vector<uint8_t> spill_;
  size_t length_ = 0;
  bool is_spilled_ = false;
};

}  // namespace bedplate

#endif  // BEDPLATE_CORE_SPILL_BUFFER_H_

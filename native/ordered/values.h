// Where the values that were read go.
#ifndef BEDPLATE_ORDERED_VALUES_H_
#define BEDPLATE_ORDERED_VALUES_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "core/bytes.h"
#include "core/little_endian.h"
#include "core/spill_buffer.h"

namespace bedplate::ordered {

// Where a value goes: into `space` if it fits there, else into `spill`.
struct ValueTarget {
  std::span<uint8_t> space;
  std::vector<uint8_t> spill;
  bool found = false;
  bool is_spilled = false;
  uint32_t length = 0;

  // Makes room for `bytes` and gives it.
  std::span<uint8_t> Take(uint32_t bytes) {
    found = true;
    length = bytes;
    is_spilled = bytes > space.size();
    if (!is_spilled) return space.first(bytes);
    spill.resize(bytes);
    return spill;
  }

  // The value, after one was found.
  [[nodiscard]] Bytes bytes() const {
    return is_spilled ? Bytes(spill) : Bytes(space.data(), length);
  }
};

// Values behind each other: length u32, all ones where there is none | value
class ValueList {
 public:
  explicit ValueList(SpillBuffer* buffer) : buffer_(buffer) {}

  void Add(Bytes value) {
    uint8_t* at = buffer_->Extend(kLengthBytes + value.size());
    StoreU32(at, static_cast<uint32_t>(value.size()));
    if (!value.empty()) std::memcpy(at + kLengthBytes, value.data(), value.size());
  }
  void AddNone() { StoreU32(buffer_->Extend(kLengthBytes), UINT32_MAX); }

 private:
  static constexpr size_t kLengthBytes = 4;
  SpillBuffer* buffer_;
};

}  // namespace bedplate::ordered

#endif  // BEDPLATE_ORDERED_VALUES_H_

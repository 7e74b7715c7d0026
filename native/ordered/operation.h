// What commits and transactions consist of, whatever the engine is. `Slot` stands for a tree there.
#ifndef BEDPLATE_ORDERED_OPERATION_H_
#define BEDPLATE_ORDERED_OPERATION_H_

#include <cstdint>
#include <vector>

#include "core/bytes.h"
#include "core/key_range.h"

namespace bedplate::ordered {

enum class OperationKind : uint8_t {
  kPut = 0,
  kDelete = 1,
  kClear = 2,
  kDrop = 3,
  // LSM only. The value is the operand: eight bytes, little-endian.
  kIncrement = 4,
  // LSM only. The value is the suffix.
  kAppend = 5,
};

// One change.
template <typename Slot>
struct Operation {
  using Kind = OperationKind;
  Kind kind = Kind::kPut;
  Slot* tree = nullptr;
  Bytes key;
  Bytes value;
  KeyRange range;
};

// What a transaction has read of its snapshot.
template <typename Slot>
struct ReadSet {
  struct Key {
    Slot* tree;
    Bytes key;
  };
  struct Range {
    Slot* tree;
    KeyRange range;
  };
  std::vector<Key> keys;
  std::vector<Range> ranges;
};

}  // namespace bedplate::ordered

#endif  // BEDPLATE_ORDERED_OPERATION_H_

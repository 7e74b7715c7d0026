#ifndef BEDPLATE_CORE_KEY_RANGE_H_
#define BEDPLATE_CORE_KEY_RANGE_H_

#include <optional>

#include "core/bytes.h"

namespace bedplate {

// A range of keys as bytes. An absent bound is open.
struct KeyRange {
  std::optional<Bytes> lower;
  bool lower_inclusive = true;
  std::optional<Bytes> upper;
  bool upper_inclusive = true;
};

}  // namespace bedplate

#endif  // BEDPLATE_CORE_KEY_RANGE_H_

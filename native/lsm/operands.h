// What increments and appends mean. docs/formats/lsm.md, "Operands"; the twin does the same.
//
//   increment  the base as decimal ASCII of a 64-bit integer (anything else, and no base, is 0)
//   plus
//              the operand, wrapping, as decimal ASCII
//   append     the base, or nothing, followed by the suffix
#ifndef BEDPLATE_LSM_OPERANDS_H_
#define BEDPLATE_LSM_OPERANDS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/bytes.h"
#include "core/status.h"
#include "lsm/entry.h"

namespace bedplate::lsm {

inline constexpr size_t kIncrementBytes = 8;
// The most bytes of a value, also of one that grew by appends.
inline constexpr size_t kMaxValueBytes = size_t{512} << 20;
// Suffixes of one key become one while they have fewer bytes than this.
inline constexpr size_t kMaxFoldedAppendBytes = size_t{1} << 20;

// The number that a base counts as.
[[nodiscard]] int64_t NumberOf(Bytes base);

// Applies an operand to `*value`, in place; an absent base is an empty `value`. `key`, an internal
// one, is for the text of the error: INVALID_INPUT if the result would have more than
// kMaxValueBytes, and `*value` is as it was. The operand of an increment has kIncrementBytes; of
// other lengths it counts as 0 (a table's reader refuses them before).
Status ApplyOperand(Bytes key, EntryKind kind, Bytes operand, std::vector<uint8_t>* value);

// What a commit that does `newer` after `*kind` with `*value` to one key does on the whole: into
// `*kind` and `*value`. INVALID_INPUT, and nothing changes, if one is a blind increment and the
// other a blind append, or the value would have more than kMaxValueBytes.
Status FoldWithinCommit(const Entry& newer, EntryKind* kind, std::vector<uint8_t>* value);

}  // namespace bedplate::lsm

#endif  // BEDPLATE_LSM_OPERANDS_H_

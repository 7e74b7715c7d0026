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
#include <span>
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

// A change of a value that nobody has looked at.
struct Operand {
  EntryKind kind;
  std::vector<uint8_t> bytes;
};

// Applies operands, the oldest first, to `*value`, in place; no base is an empty `value`. False if
// the result would have more than kMaxValueBytes: `*value` is undefined then. The operand of an
// increment has kIncrementBytes: readers of tables and log records see to that.
[[nodiscard]] bool ApplyOperands(std::span<const Operand> operands, std::vector<uint8_t>* value);

// INVALID_INPUT: the error of a read of a value that appends have made too long. `key` is internal.
[[nodiscard]] Status TooLong(Bytes key);

// What a commit that does `newer` after `*kind` with `*value` to one key does on the whole: into
// `*kind` and `*value`. CORRUPTION, and both are undefined, if one is a blind increment and the
// other a blind append, or the value would have more than kMaxValueBytes: who encodes commits
// refuses such ones before.
Status FoldWithinCommit(const Entry& newer, EntryKind* kind, std::vector<uint8_t>* value);

}  // namespace bedplate::lsm

#endif  // BEDPLATE_LSM_OPERANDS_H_

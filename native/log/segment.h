// A segment: a file that starts with a header of one page; frames follow. The bytes are those of
// ts/storage/log/segment.ts; see docs/formats/log.md.
//
//   offset  size  field            (all numbers little-endian)
//        0     4  magic            "BPLS"
//        4     4  checksum         CRC-32C of bytes 8 .. 4096
//        8     4  version          1
//       12     4  zero
//       16     8  segment          its number: 1, 2, 3, ... in the order of writing
//       24     8  generation       of the writer that made it
//       32     8  firstRecord      from this record on, earlier segments are void
//       40     8  sizeBytes        as preallocated; a closed log may have cut the file
//       48    16  uuid             of the store
//       64        zeros up to 4096, in append logs the time at 64: not used here
#ifndef BEDPLATE_LOG_SEGMENT_H_
#define BEDPLATE_LOG_SEGMENT_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/bytes.h"
#include "log/frame.h"

namespace bedplate::log {

inline constexpr uint64_t kSegmentHeaderBytes = kPageBytes;

using Uuid = std::array<uint8_t, 16>;

// What a segment says of itself.
struct SegmentHeader {
  uint64_t segment = 0;
  uint64_t generation = 0;
  uint64_t first_record = 0;
  uint64_t size_bytes = 0;

  bool operator==(const SegmentHeader&) const = default;
};

// The outcome of reading a segment header.
enum class SegmentHeaderKind {
  kOk,
  kNewer,    // whole, but written by a later version of bedplate
  kForeign,  // whole, but of another store
  kDamaged,
};

[[nodiscard]] std::array<uint8_t, kSegmentHeaderBytes> EncodeSegmentHeader(
    const SegmentHeader& header, const Uuid& uuid);

// Reads the first kSegmentHeaderBytes of a segment; fewer are a damaged header. Sets `*header` if
// it is ok, and `*version` if it is newer.
[[nodiscard]] SegmentHeaderKind DecodeSegmentHeader(Bytes bytes, const Uuid& uuid,
                                                    SegmentHeader* header, uint32_t* version);

// The name of a segment that is part of the log.
[[nodiscard]] std::string SegmentName(uint64_t segment);
// The name of a file that may become that segment. Nothing in it counts.
[[nodiscard]] std::string PreparedName(uint64_t segment);

struct ParsedSegmentName {
  uint64_t segment;
  bool is_prepared;
};

// What a file name means to the log; nothing if it is none of its files.
[[nodiscard]] std::optional<ParsedSegmentName> ParseSegmentName(std::string_view name);

}  // namespace bedplate::log

#endif  // BEDPLATE_LOG_SEGMENT_H_

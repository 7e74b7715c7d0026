// A frame: one group of records, written by one write. The bytes are those of
// ts/storage/log/frame.ts; see docs/formats/log.md.
//
//   offset  size  field            (all numbers little-endian)
//        0     4  magic            "BPLF"
//        4     4  headerChecksum   CRC-32C of the store's uuid followed by bytes 8 .. 64
//        8     4  payloadChecksum  CRC-32C of the payload
//       12     4  payloadBytes
//       16     4  recordCount
//       20     4  zero, in append logs the age in its segment: not used here
//       24     8  generation       of the writer: grows by one with each opening that writes
//       32     8  segment          the number of the segment it was written to
//       40     8  offset           where in that segment
//       48     8  firstRecord      the number of its first record
//       56     8  durable          every record up to and with this one was durable by then
//       64        payload: recordCount times { length u32, bytes }
//
// The header has a checksum of its own, so that its lengths may be believed before the payload is
// read, and so that `durable` counts even if the payload was torn.
#ifndef BEDPLATE_LOG_FRAME_H_
#define BEDPLATE_LOG_FRAME_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/bytes.h"
#include "log/mutant.h"

namespace bedplate::log {

inline constexpr size_t kFrameHeaderBytes = 64;
// Nothing of ours ever is as large as this: JavaScript could not count it.
inline constexpr uint64_t kNumberBound = uint64_t{1} << 53;
// Every frame starts at a multiple of this offset.
inline constexpr uint64_t kFrameAlignmentBytes = 64;
// A frame that follows a sync starts at a multiple of this offset, so that no write touches a
// durable sector again.
inline constexpr uint64_t kPageBytes = 4096;
// What a record takes beside its own bytes.
inline constexpr size_t kRecordOverheadBytes = 4;

// Where a frame lies; part of its checksum, so that a frame of another place or time is never taken
// for it.
struct FrameAddress {
  uint64_t segment = 0;
  uint64_t generation = 0;
  uint64_t offset = 0;
};

// What a frame says of itself.
struct FrameHeader {
  FrameAddress address = {};
  uint64_t first_record = 0;
  uint32_t record_count = 0;
  uint64_t durable = 0;
  // Left out by EncodeFrameHeader, which counts itself.
  uint32_t payload_bytes = 0;
  uint32_t payload_checksum = 0;

  [[nodiscard]] uint64_t last_record() const { return first_record + record_count - 1; }
};

// The start of every header checksum of a store.
[[nodiscard]] uint32_t ChecksumSeed(const std::array<uint8_t, 16>& uuid);

// Writes the header of the frame whose payload lies behind it in `frame`.
void EncodeFrameHeader(const FrameHeader& header, uint32_t seed, std::span<uint8_t> frame);

// Reads the header that starts `bytes`; false if no whole one of this address does. Reads no length
// it cannot trust.
[[nodiscard]] bool DecodeFrameHeader(Bytes bytes, const FrameAddress& address, uint32_t seed,
                                     Mutant* mutant, FrameHeader* header);

// Says whether the magic is there: the cheap first look when searching.
[[nodiscard]] bool StartsLikeFrame(Bytes bytes);

// Says whether the payload is the one that the header was written for.
[[nodiscard]] bool IsPayloadIntact(Bytes payload, const FrameHeader& header, Mutant* mutant);

// The records of a payload, as views of it; false if it is not exactly `count` records.
[[nodiscard]] bool SplitPayload(Bytes payload, uint32_t count, std::vector<Bytes>* records);

// The first multiple of `unit`, a power of two, that is not below `offset`.
[[nodiscard]] constexpr uint64_t AlignUp(uint64_t offset, uint64_t unit) {
  return (offset + unit - 1) & ~(unit - 1);
}

}  // namespace bedplate::log

#endif  // BEDPLATE_LOG_FRAME_H_

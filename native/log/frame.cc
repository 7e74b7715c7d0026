#include "log/frame.h"

#include "core/little_endian.h"
#include "crc32c/crc32c.h"

namespace bedplate::log {
namespace {

constexpr uint32_t kMagic = 0x464c5042;  // "BPLF"
constexpr size_t kCheckedFrom = 8;

uint32_t HeaderChecksum(Bytes frame, uint32_t seed) {
  return crc32c::Extend(seed, frame.subspan(kCheckedFrom, kFrameHeaderBytes - kCheckedFrom));
}

FrameHeader ReadFields(Bytes bytes) {
  const uint8_t* at = bytes.data();
  return {.address = {.segment = LoadU64(at + 32),
                      .generation = LoadU64(at + 24),
                      .offset = LoadU64(at + 40)},
          .first_record = LoadU64(at + 48),
          .record_count = LoadU32(at + 16),
          .durable = LoadU64(at + 56),
          .payload_bytes = LoadU32(at + 12),
          .payload_checksum = LoadU32(at + 8)};
}

bool IsAt(const FrameAddress& found, const FrameAddress& address, Mutant* mutant) {
  const bool is_of_this_life =
      found.segment == address.segment && found.generation == address.generation;
  return (is_of_this_life || Lacks(mutant, Rule::kGeneration)) &&
         (found.offset == address.offset || Lacks(mutant, Rule::kOffset));
}

// What no checksum should have to catch. A frame of no records only carries `durable`.
bool IsPlausible(const FrameHeader& header) {
  const FrameAddress& address = header.address;
  return address.segment < kNumberBound && address.generation < kNumberBound &&
         address.offset < kNumberBound && header.first_record >= 1 &&
         header.first_record < kNumberBound - header.record_count &&
         header.durable < header.first_record &&
         header.payload_bytes >= uint64_t{header.record_count} * kRecordOverheadBytes;
}

}  // namespace

uint32_t ChecksumSeed(const std::array<uint8_t, 16>& uuid) { return crc32c::Extend(0, uuid); }

void EncodeFrameHeader(const FrameHeader& header, uint32_t seed, std::span<uint8_t> frame) {
  const Bytes payload = frame.subspan(kFrameHeaderBytes);
  uint8_t* at = frame.data();
  StoreU32(at, kMagic);
  StoreU32(at + 8, crc32c::Extend(0, payload));
  StoreU32(at + 12, static_cast<uint32_t>(payload.size()));
  StoreU32(at + 16, header.record_count);
  StoreU32(at + 20, 0);
  StoreU64(at + 24, header.address.generation);
  StoreU64(at + 32, header.address.segment);
  StoreU64(at + 40, header.address.offset);
  StoreU64(at + 48, header.first_record);
  StoreU64(at + 56, header.durable);
  StoreU32(at + 4, HeaderChecksum(frame, seed));
}

bool DecodeFrameHeader(Bytes bytes, const FrameAddress& address, uint32_t seed, Mutant* mutant,
                       FrameHeader* header) {
  if (!StartsLikeFrame(bytes)) return false;
  const FrameHeader found = ReadFields(bytes);
  if (!IsAt(found.address, address, mutant) || !IsPlausible(found)) return false;
  const bool is_intact = LoadU32(bytes.data() + 4) == HeaderChecksum(bytes, seed);
  if (!is_intact && !Lacks(mutant, Rule::kHeaderChecksum)) return false;
  *header = found;
  return true;
}

bool StartsLikeFrame(Bytes bytes) {
  return bytes.size() >= kFrameHeaderBytes && LoadU32(bytes.data()) == kMagic;
}

bool IsPayloadIntact(Bytes payload, const FrameHeader& header, Mutant* mutant) {
  return crc32c::Extend(0, payload) == header.payload_checksum ||
         Lacks(mutant, Rule::kPayloadChecksum);
}

bool SplitPayload(Bytes payload, uint32_t count, std::vector<Bytes>* records) {
  records->clear();
  while (payload.size() >= kRecordOverheadBytes && records->size() < count) {
    const uint32_t length = LoadU32(payload.data());
    payload = payload.subspan(kRecordOverheadBytes);
    if (length > payload.size()) return false;
    records->push_back(payload.first(length));
    payload = payload.subspan(length);
  }
  return payload.empty() && records->size() == count;
}

}  // namespace bedplate::log

#include "lsm/block.h"

#include <algorithm>

#include "core/little_endian.h"
#include "crc32c/crc32c.h"
#include "lsm/lz4.h"

namespace bedplate::lsm {
namespace {

// No byte of LZ4 makes more than so many: a match grows by 255 with each.
constexpr uint64_t kMostUnpackedPerByte = 255;

uint32_t ChecksumOf(Bytes block, uint32_t seed, uint64_t offset) {
  uint8_t place[8];
  StoreU64(place, offset);
  return crc32c::Extend(crc32c::Extend(seed, place), block.subspan(4));
}

// What is said to come of a packed block, before memory is taken for it.
bool CanUnpack(uint64_t length, uint64_t raw_length) {
  return raw_length <= kMaxRawDataBytes && raw_length <= length * kMostUnpackedPerByte;
}

}  // namespace

uint32_t TableSeed(const TableId& id) { return crc32c::Extend(0, id); }

void SealBlock(BlockType type, Bytes payload, Compression compression, uint32_t seed,
               uint64_t offset, std::vector<uint8_t>* out) {
  const size_t start = out->size();
  out->resize(start + kBlockHeaderBytes);
  const bool is_packed =
      compression == Compression::kLz4 && PackLz4(payload, payload.size() * 7 / 8, out);
  if (!is_packed) out->insert(out->end(), payload.begin(), payload.end());
  uint8_t* block = out->data() + start;
  const size_t length = out->size() - start;
  std::fill_n(block, kBlockHeaderBytes, uint8_t{0});
  block[4] = static_cast<uint8_t>(type);
  block[5] = static_cast<uint8_t>(is_packed ? Compression::kLz4 : Compression::kNone);
  StoreU32(block + 8, static_cast<uint32_t>(length - kBlockHeaderBytes));
  StoreU32(block + 12, static_cast<uint32_t>(payload.size()));
  StoreU32(block, ChecksumOf({block, length}, seed, offset));
}

Status OpenBlock(BlockType type, Bytes block, const BlockPlace& place, Bytes* payload,
                 std::vector<uint8_t>* unpacked) {
  const auto& [offset, seed, path, mutant] = place;
  if (block.size() < kBlockHeaderBytes) return Damaged(path, offset, "it ends too early");
  const bool is_intact = LoadU32(block.data()) == ChecksumOf(block, seed, offset);
  if (!is_intact && !Lacks(mutant, Rule::kBlockChecksum)) {
    return Damaged(path, offset, "its checksum does not match");
  }
  if (block[4] != static_cast<uint8_t>(type)) {
    return Damaged(path, offset,
                   "it is of type " + std::to_string(block[4]) + " instead of " +
                       std::to_string(static_cast<uint8_t>(type)));
  }
  const uint8_t codec = block[5];
  if (codec > static_cast<uint8_t>(Compression::kLz4)) {
    return Status::Error(ErrorCode::kIncompatible,
                         path + ": the block at offset " + std::to_string(offset) +
                             " is packed by codec " + std::to_string(codec),
                         "update bedplate");
  }
  const bool is_packed = codec == static_cast<uint8_t>(Compression::kLz4);
  const uint32_t length = LoadU32(block.data() + 8);
  const uint32_t raw_length = LoadU32(block.data() + 12);
  const bool is_possible =
      is_packed ? type == BlockType::kData && CanUnpack(length, raw_length) : raw_length == length;
  if (length != block.size() - kBlockHeaderBytes || !is_possible) {
    return Damaged(path, offset,
                   "its payload is said to have " + std::to_string(length) + " bytes, unpacked " +
                       std::to_string(raw_length));
  }
  const Bytes stored = block.subspan(kBlockHeaderBytes);
  if (!is_packed) {
    *payload = stored;
    return Status::Ok();
  }
  unpacked->resize(raw_length);
  if (!UnpackLz4(stored, *unpacked)) return Damaged(path, offset, "it cannot be unpacked");
  *payload = *unpacked;
  return Status::Ok();
}

Status Damaged(const std::string& path, uint64_t offset, const std::string& problem) {
  return Status::Error(
      ErrorCode::kCorruption,
      path + ": the block at offset " + std::to_string(offset) + " is damaged: " + problem,
      "what other blocks hold can still be read; restore a backup");
}

}  // namespace bedplate::lsm

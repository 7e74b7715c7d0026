// A block of a table file: a header, then what is in it. The checksum covers the table's id and the
// block's own place, so that a block of another file, or of another place of this one, is never
// taken for the one that was asked for. The twin is ts/storage/lsm/block.ts.
//
//   0  4  checksum    CRC-32C of the table's id, the block's offset as u64, and bytes 4 to the end
//   4  1  type        1 data, 2 filter, 3 index, 4 range tombstones, 5 properties
//   5  1  codec       how the payload is packed; 0: as it is, 1: LZ4 block, data blocks alone
//   6  2              0
//   8  4  length      bytes of the payload as stored
//  12  4  rawLength   bytes of the payload unpacked
#ifndef BEDPLATE_LSM_BLOCK_H_
#define BEDPLATE_LSM_BLOCK_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/bytes.h"
#include "core/status.h"
#include "lsm/mutant.h"
#include "lsm/operands.h"

namespace bedplate::lsm {

enum class BlockType : uint8_t { kData = 1, kFilter, kIndex, kTombstones, kProperties };

// By their numbers in blocks and in the manifest.
enum class Compression : uint8_t { kNone = 0, kLz4 = 1 };

inline constexpr size_t kBlockHeaderBytes = 16;
// Blocks begin at multiples of this.
inline constexpr uint64_t kBlockAlignment = 64;
// A data block gathers so many bytes at most before its last value.
inline constexpr size_t kMaxRawDataBytes = (size_t{64} << 10) + kMaxValueBytes;

inline constexpr size_t kTableIdBytes = 16;
using TableId = std::array<uint8_t, kTableIdBytes>;

// Where a block is, header included.
struct BlockHandle {
  uint64_t offset = 0;
  uint32_t length = 0;
};

// The start of the checksums of a table.
[[nodiscard]] uint32_t TableSeed(const TableId& id);

// Appends the block of `payload` for place `offset` to `out`. With kLz4 it is packed if that saves
// at least an eighth.
void SealBlock(BlockType type, Bytes payload, Compression compression, uint32_t seed,
               uint64_t offset, std::vector<uint8_t>* out);

// What a block is checked against.
struct BlockPlace {
  uint64_t offset;
  uint32_t seed;
  // Of its file, for the text of errors.
  const std::string& path;
  Mutant* mutant = nullptr;
};

// Checks a block that was read from its place; any bytes are fine. `*payload` is a view of it, or
// of `*unpacked` if it was packed. CORRUPTION if it is not the block that was written there,
// INCOMPATIBLE if a later version packed it. Any thread.
Status OpenBlock(BlockType type, Bytes block, const BlockPlace& place, Bytes* payload,
                 std::vector<uint8_t>* unpacked);

// The error for bytes that are not what was written.
[[nodiscard]] Status Damaged(const std::string& path, uint64_t offset, const std::string& problem);

}  // namespace bedplate::lsm

#endif  // BEDPLATE_LSM_BLOCK_H_

#include "btree/meta.h"

#include <algorithm>
#include <bit>

#include "core/little_endian.h"
#include "crc32c/crc32c.h"

namespace bedplate::btree {
namespace {

constexpr uint32_t kMagic = 0x54425042;  // "BPBT"
// In its place in a block that was erased: no byte of it is right.
constexpr uint32_t kErased = ~kMagic;
// File offsets stay exact as JavaScript numbers.
constexpr uint64_t kMaxFileBytes = (uint64_t{1} << 53) - 1;

// A checksum proves that we wrote it; this proves that nothing in it leads outside the file's
// shape.
bool IsSane(const Meta& meta) {
  const uint32_t size = meta.page_size_bytes;
  if (!std::has_single_bit(size) || size < kSmallestPageBytes || size > kLargestPageBytes) {
    return false;
  }
  if (meta.page_count < kFirstPage || meta.page_count > kMaxFileBytes / size) return false;
  return meta.catalogue.page < meta.page_count && meta.free_list.page < meta.page_count &&
         meta.free_count <= meta.page_count;
}

}  // namespace

std::array<uint8_t, kMetaBytes> EncodeMeta(const Meta& meta) {
  std::array<uint8_t, kMetaBytes> block{};
  uint8_t* at = block.data();
  StoreU32(at + 4, kMagic);
  StoreU32(at + 8, kFormatVersion);
  StoreU32(at + 12, meta.page_size_bytes);
  StoreU48(at + 16, meta.epoch);
  StoreU48(at + 24, meta.position);
  StoreU48(at + 32, meta.page_count);
  StoreReference(at + 40, meta.catalogue);
  StoreReference(at + 52, meta.free_list);
  std::copy(meta.uuid.begin(), meta.uuid.end(), at + 64);
  StoreU48(at + 80, meta.free_count);
  StoreU32(at + 88, meta.next_tree_id);
  StoreU32(at, crc32c::Extend(0, Bytes(at + 4, kMetaBytes - 4)));
  return block;
}

Status EraseMeta(vfs::File* file, uint64_t position) {
  std::array<uint8_t, 8> head{};
  size_t count = 0;
  if (Status status = file->Read(head, position, &count); !status.ok()) return status;
  if (LoadU32(head.data() + 4) == kErased) return Status::Ok();
  StoreU32(head.data(), ~LoadU32(head.data()));
  StoreU32(head.data() + 4, kErased);
  return file->Write(head, position);
}

MetaResult DecodeMeta(Bytes bytes, Mutant* mutant) {
  MetaResult result;
  if (bytes.size() < kMetaBytes || LoadU32(bytes.data() + 4) != kMagic) return result;
  const uint8_t* at = bytes.data();
  result.kind = MetaKind::kDamaged;
  const bool is_intact = crc32c::Extend(0, bytes.subspan(4, kMetaBytes - 4)) == LoadU32(at);
  if (!is_intact && !Lacks(mutant, Rule::kMetaChecksum)) return result;
  result.version = LoadU32(at + 8);
  if (result.version != kFormatVersion) {
    result.kind = MetaKind::kNewer;
    return result;
  }
  Meta& meta = result.meta;
  meta.page_size_bytes = LoadU32(at + 12);
  meta.epoch = LoadU48(at + 16);
  meta.position = LoadU48(at + 24);
  meta.page_count = LoadU48(at + 32);
  meta.catalogue = LoadReference(at + 40);
  meta.free_list = LoadReference(at + 52);
  std::copy_n(at + 64, meta.uuid.size(), meta.uuid.begin());
  meta.free_count = LoadU48(at + 80);
  meta.next_tree_id = LoadU32(at + 88);
  if (IsSane(meta)) result.kind = MetaKind::kOk;
  return result;
}

}  // namespace bedplate::btree

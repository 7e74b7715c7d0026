#include "lsm/table_meta.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <new>

#include "core/compare.h"
#include "core/little_endian.h"

namespace bedplate::lsm {
namespace {

constexpr std::align_val_t kTailAlignment{64};
// A separator's length, offset and length of its block.
constexpr size_t kLeastIndexEntryBytes = 12;
// Two bounds with their lengths, and a sequence.
constexpr size_t kLeastTombstoneBytes = 10;
// About what a range tombstone takes in memory beside its bytes.
constexpr size_t kTombstoneMemory = 160;

// The first eight bytes as a number that orders as they do.
uint64_t HeadOfSeparator(Bytes rest) {
  std::array<uint8_t, 8> head{};
  std::copy_n(rest.begin(), std::min(rest.size(), head.size()), head.begin());
  return __builtin_bswap64(LoadU64(head.data()));
}

Status ReadTombstones(Bytes payload, const TableInfo& info, const std::string& path,
                      RangeTombstones* tombstones) {
  FieldReader fields(payload, path + ", range tombstones");
  std::vector<RangeTombstone> list(fields.Count(kLeastTombstoneBytes));
  for (size_t i = 0; i < list.size() && fields.status().ok(); i++) {
    auto& [span, sequence] = list[i];
    span.start = fields.Sized();
    span.end = fields.Sized();
    if (std::max(span.start.size(), span.end.size()) > kMaxBoundBytes) {
      fields.Fail("tombstone " + std::to_string(i) + " has too long a bound");
    }
    sequence = fields.U48();
    if (info.sequence != 0) sequence = info.sequence;
  }
  fields.End();
  if (fields.status().ok()) *tombstones = RangeTombstones(std::move(list));
  return fields.status();
}

}  // namespace

// -- memory ---------------------------------------------------------------------------------------

TailMemory::TailMemory(size_t size)
    : memory_(static_cast<uint8_t*>(::operator new(kShift + size, kTailAlignment))), size_(size) {}

void TailMemory::Free::operator()(uint8_t* memory) const {
  ::operator delete(memory, kTailAlignment);
}

// -- index ----------------------------------------------------------------------------------------

Status BlockIndex::Open(Bytes payload, const std::string& path, uint64_t data_bytes,
                        BlockIndex* index) {
  FieldReader fields(payload, path + ", index");
  BlockIndex opened;
  opened.payload_ = payload;
  const uint32_t count = fields.Count(kLeastIndexEntryBytes);
  opened.entries_.reserve(count);
  for (uint32_t i = 0; i < count && fields.status().ok(); i++) {
    opened.entries_.push_back(static_cast<uint32_t>(payload.size() - fields.left()));
    (void)fields.Sized();
    const uint64_t offset = fields.U48();
    const uint32_t length = fields.U32();
    if (length < kBlockHeaderBytes || offset + length > data_bytes) {
      fields.Fail("block " + std::to_string(i) + " lies outside the data");
    }
  }
  fields.End();
  if (!fields.status().ok()) return fields.status();
  if (count > 0) {
    opened.prefix_length_ =
        CommonPrefixLength(opened.SeparatorAt(0), opened.SeparatorAt(count - 1));
  }
  opened.heads_.reserve(count);
  for (uint32_t i = 0; i < count; i++) {
    const Bytes separator = opened.SeparatorAt(i);
    const size_t skipped = std::min(opened.prefix_length_, separator.size());
    opened.heads_.push_back(HeadOfSeparator(separator.subspan(skipped)));
  }
  *index = std::move(opened);
  return Status::Ok();
}

BlockHandle BlockIndex::HandleAt(uint32_t block) const {
  const uint8_t* at = payload_.data() + entries_[block];
  at += 2 + LoadU16(at);
  return {LoadU48(at), LoadU32(at + 6)};
}

uint32_t BlockIndex::Find(Bytes key) const {
  if (count() == 0) return 0;
  // All separators begin as the first one does.
  const Bytes prefix = SeparatorAt(0).first(prefix_length_);
  const size_t shared = std::min(prefix.size(), key.size());
  const int order = CompareBytes(key.first(shared), prefix.first(shared));
  if (order != 0 || shared < prefix.size()) return order > 0 ? count() : 0;
  const uint64_t head = HeadOfSeparator(key.subspan(prefix.size()));
  // Invariant: separators before `low` are below the key; those from `high` on are not.
  uint32_t low = 0;
  uint32_t high = count();
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    const bool is_below =
        heads_[middle] != head ? heads_[middle] < head : CompareBytes(SeparatorAt(middle), key) < 0;
    if (is_below) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

Bytes BlockIndex::SeparatorAt(uint32_t block) const {
  const uint8_t* at = payload_.data() + entries_[block];
  return {at + 2, LoadU16(at)};
}

// -- all of it ------------------------------------------------------------------------------------

Status TableMeta::Open(TailMemory tail, const TableInfo& info, const std::string& path,
                       Mutant* mutant, std::shared_ptr<const TableMeta>* meta) {
  const std::shared_ptr<TableMeta> opened(new TableMeta(std::move(tail)));
  const Bytes bytes = opened->tail_.bytes();
  Footer footer;
  const Bytes footer_bytes = bytes.last(std::min(bytes.size(), kFooterBytes));
  Status status = DecodeFooter(footer_bytes, path, info.file_bytes, &footer);
  if (!status.ok()) return status;
  if (footer.id != info.id) {
    return Status::Error(ErrorCode::kCorruption,
                         path + " is another table than the one that the manifest names",
                         "restore a backup");
  }
  opened->seed_ = TableSeed(footer.id);
  const auto payload_of = [&](BlockType type, const BlockHandle& handle, Bytes* payload) {
    const BlockPlace place{handle.offset, opened->seed_, path, mutant};
    Bytes block;
    // One that begins before the tail is none of it.
    if (handle.offset >= info.data_bytes && handle.offset - info.data_bytes <= bytes.size()) {
      block = bytes.subspan(handle.offset - info.data_bytes);
      block = block.first(std::min<size_t>(block.size(), handle.length));
    }
    std::vector<uint8_t> unpacked;  // only data blocks are packed
    return OpenBlock(type, block, place, payload, &unpacked);
  };
  Bytes payload;
  if (footer.filter.length > 0) {
    status = payload_of(BlockType::kFilter, footer.filter, &payload);
    if (status.ok()) status = bloom::BloomFilter::Open(payload, path, &opened->filter_);
    if (!status.ok()) return status;
  }
  status = payload_of(BlockType::kIndex, footer.index, &payload);
  if (status.ok()) status = BlockIndex::Open(payload, path, info.data_bytes, &opened->index_);
  if (!status.ok()) return status;
  status = payload_of(BlockType::kTombstones, footer.tombstones, &payload);
  if (status.ok()) status = ReadTombstones(payload, info, path, &opened->tombstones_);
  if (!status.ok()) return status;
  status = payload_of(BlockType::kProperties, footer.properties, &payload);
  if (!status.ok()) return status;
  FieldReader fields(payload, path + ", properties");
  ReadProperties(&fields, &opened->properties_);
  fields.End();
  if (fields.status().ok()) *meta = opened;
  return fields.status();
}

size_t TableMeta::memory_bytes() const {
  return tail_.bytes().size() + index_.memory_bytes() + kTombstoneMemory * tombstones_.count();
}

}  // namespace bedplate::lsm

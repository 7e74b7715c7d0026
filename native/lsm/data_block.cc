#include "lsm/data_block.h"

#include <algorithm>
#include <array>

#include "core/compare.h"
#include "core/little_endian.h"
#include "lsm/block.h"
#include "lsm/operands.h"

namespace bedplate::lsm {
namespace {

constexpr size_t kDataHeaderBytes = 8;
constexpr size_t kEntryHeaderBytes = 13;
constexpr size_t kMaxCount = 0xffff;
// Of head and offset of an entry.
constexpr size_t kSlotBytes = 6;
// About what the processor fetches at once.
constexpr size_t kMaxPrefetchedBytes = 10 * 64;

// The first four bytes as a number that orders as they do.
uint32_t HeadOfSuffix(Bytes suffix) {
  std::array<uint8_t, 4> head{};
  std::copy_n(suffix.begin(), std::min(suffix.size(), head.size()), head.begin());
  return __builtin_bswap32(LoadU32(head.data()));
}

// One huge value is no reason to keep its memory.
void Empty(std::vector<uint8_t>* bytes) {
  constexpr size_t kKeptBytes = size_t{1} << 20;
  if (bytes->capacity() > kKeptBytes) *bytes = {};
  bytes->clear();
}

}  // namespace

// -- writing --------------------------------------------------------------------------------------

bool DataBlockBuilder::is_full() const {
  return size_ >= target_bytes_ || entries_.size() == kMaxCount;
}

Bytes DataBlockBuilder::last_key() const {
  const Slot& last = entries_.back();
  return Bytes(content_).subspan(last.key_at, last.key_length);
}

void DataBlockBuilder::Add(const Entry& entry) {
  const auto [key, sequence, kind, value] = entry;
  entries_.push_back({content_.size(), static_cast<uint32_t>(key.size()),
                      static_cast<uint32_t>(value.size()), sequence, kind});
  content_.insert(content_.end(), key.begin(), key.end());
  content_.insert(content_.end(), value.begin(), value.end());
  size_ += kEntryHeaderBytes + kSlotBytes + key.size() + value.size();
}

Bytes DataBlockBuilder::Finish() {
  const size_t count = entries_.size();
  const Bytes content(content_);
  const Bytes first_key = content.subspan(entries_[0].key_at, entries_[0].key_length);
  const size_t prefix_length = CommonPrefixLength(first_key, last_key());
  const size_t start = kDataHeaderBytes + kSlotBytes * count + prefix_length;
  Empty(&payload_);
  payload_.resize(start + count * kEntryHeaderBytes + content_.size() - count * prefix_length);
  uint8_t* bytes = payload_.data();
  StoreU16(bytes, static_cast<uint16_t>(count));
  StoreU16(bytes + 2, static_cast<uint16_t>(prefix_length));
  std::copy_n(first_key.begin(), prefix_length, bytes + start - prefix_length);
  size_t at = start;
  for (size_t i = 0; i < count; i++) {
    const Slot& slot = entries_[i];
    const Bytes suffix_and_value = content.subspan(
        slot.key_at + prefix_length, slot.key_length - prefix_length + slot.value_length);
    const size_t suffix_length = slot.key_length - prefix_length;
    StoreU32(bytes + kDataHeaderBytes + 4 * i, HeadOfSuffix(suffix_and_value.first(suffix_length)));
    StoreU16(bytes + kDataHeaderBytes + 4 * count + 2 * i, static_cast<uint16_t>(at - start));
    StoreU16(bytes + at, static_cast<uint16_t>(suffix_length));
    bytes[at + 2] = static_cast<uint8_t>(slot.kind);
    StoreU48(bytes + at + 3, slot.sequence);
    StoreU32(bytes + at + 9, slot.value_length);
    std::copy(suffix_and_value.begin(), suffix_and_value.end(), bytes + at + kEntryHeaderBytes);
    at += kEntryHeaderBytes + suffix_and_value.size();
  }
  entries_.clear();
  Empty(&content_);
  size_ = 0;
  return payload_;
}

// -- reading --------------------------------------------------------------------------------------

Status DataBlock::Open(std::vector<uint8_t> memory, Bytes payload, const std::string& path,
                       uint64_t offset, std::shared_ptr<const DataBlock>* block) {
  const std::shared_ptr<DataBlock> opened(new DataBlock(std::move(memory), payload, path, offset));
  if (payload.size() < kDataHeaderBytes) return opened->Broken("it has no header");
  opened->count_ = LoadU16(payload.data());
  opened->prefix_at_ = kDataHeaderBytes + kSlotBytes * opened->count_;
  opened->entries_at_ = opened->prefix_at_ + LoadU16(payload.data() + 2);
  if (opened->count_ == 0 || opened->entries_at_ > payload.size()) {
    return opened->Broken(std::to_string(opened->count_) + " entries do not fit");
  }
  *block = opened;
  return Status::Ok();
}

Status DataBlock::EntryAt(uint32_t index, KeyBuffer* key, Entry* entry) const {
  Bytes suffix;
  if (Status status = Decode(index, &suffix, entry); !status.ok()) return status;
  const Bytes shared = prefix();
  key->resize(shared.size() + suffix.size());
  std::copy(suffix.begin(), suffix.end(), std::copy(shared.begin(), shared.end(), key->begin()));
  entry->key = *key;
  return Status::Ok();
}

Status DataBlock::EntryOf(uint32_t index, Bytes key, bool* is_of, Entry* entry) const {
  Bytes suffix;
  if (Status status = Decode(index, &suffix, entry); !status.ok()) return status;
  const Bytes shared = prefix();
  *is_of = key.size() == shared.size() + suffix.size() &&
           AreEqual(key.first(shared.size()), shared) &&
           AreEqual(key.subspan(shared.size()), suffix);
  entry->key = key;
  return Status::Ok();
}

// Everything but the key.
Status DataBlock::Decode(uint32_t index, Bytes* suffix, Entry* entry) const {
  size_t at = 0;
  if (Status status = Locate(index, &at); !status.ok()) return status;
  const uint8_t* header = bytes_.data() + at;
  const size_t suffix_at = at + kEntryHeaderBytes;
  const size_t suffix_end = suffix_at + LoadU16(header);
  const size_t value_length = LoadU32(header + 9);
  const uint8_t kind = header[2];
  if (suffix_end + value_length > bytes_.size()) {
    return Broken("entry " + std::to_string(index) + " ends behind it");
  }
  if (kind >= kEntryKinds) {
    return Broken("entry " + std::to_string(index) + " is of kind " + std::to_string(kind));
  }
  if (kind == static_cast<uint8_t>(EntryKind::kIncrement) && value_length != kIncrementBytes) {
    return Broken("entry " + std::to_string(index) + " is an increment of " +
                  std::to_string(value_length) + " bytes");
  }
  *suffix = bytes_.subspan(suffix_at, suffix_end - suffix_at);
  entry->sequence = LoadU48(header + 3);
  entry->kind = static_cast<EntryKind>(kind);
  entry->value = bytes_.subspan(suffix_end, value_length);
  return Status::Ok();
}

Status DataBlock::Search(Bytes key, uint64_t sequence, uint32_t* index) const {
  const Bytes shared_prefix = prefix();
  const size_t shared = std::min(shared_prefix.size(), key.size());
  const int order = CompareBytes(key.first(shared), shared_prefix.first(shared));
  if (order != 0 || shared < shared_prefix.size()) {
    *index = order > 0 ? count_ : 0;
    return Status::Ok();
  }
  const Bytes suffix = key.subspan(shared_prefix.size());
  const uint32_t head = HeadOfSuffix(suffix);
  // Invariant: what is before `low` comes before the wanted place; what is from `high` on does not.
  uint32_t low = 0;
  uint32_t high = count_;
  while (low < high) {
    const uint32_t middle = (low + high) / 2;
    bool is_before = false;
    Status status = IsBefore(middle, head, suffix, sequence, &is_before);
    if (!status.ok()) return status;
    if (is_before) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  *index = low;
  return Status::Ok();
}

void DataBlock::Prefetch() const {
  // Heads of keys, then where the entries are.
  const size_t end = kDataHeaderBytes + kSlotBytes * size_t{count_};
  for (size_t at = 0; at < std::min(end, kMaxPrefetchedBytes); at += 64) {
    __builtin_prefetch(bytes_.data() + at);
  }
}

Status DataBlock::IsBefore(uint32_t index, uint32_t head, Bytes suffix, uint64_t sequence,
                           bool* is_before) const {
  const uint32_t own = LoadU32(bytes_.data() + kDataHeaderBytes + 4 * size_t{index});
  *is_before = own < head;
  if (own != head) return Status::Ok();
  size_t at = 0;
  if (Status status = Locate(index, &at); !status.ok()) return status;
  const size_t suffix_at = at + kEntryHeaderBytes;
  const size_t suffix_end = suffix_at + LoadU16(bytes_.data() + at);
  if (suffix_end > bytes_.size()) {
    return Broken("the key of entry " + std::to_string(index) + " ends behind it");
  }
  const int order = CompareBytes(bytes_.subspan(suffix_at, suffix_end - suffix_at), suffix);
  *is_before = order < 0 || (order == 0 && LoadU48(bytes_.data() + at + 3) > sequence);
  return Status::Ok();
}

Status DataBlock::Locate(uint32_t index, size_t* at) const {
  const size_t offset_at = kDataHeaderBytes + 4 * size_t{count_} + 2 * size_t{index};
  *at = entries_at_ + LoadU16(bytes_.data() + offset_at);
  if (*at + kEntryHeaderBytes <= bytes_.size()) return Status::Ok();
  return Broken("entry " + std::to_string(index) + " begins behind it");
}

Status DataBlock::Broken(const std::string& problem) const {
  return Damaged(path_, offset_, problem);
}

}  // namespace bedplate::lsm

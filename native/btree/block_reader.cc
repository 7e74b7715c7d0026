#include "btree/block_reader.h"

#include <algorithm>

#include "btree/cursor.h"
#include "btree/overflow.h"
#include "core/little_endian.h"

namespace bedplate::btree {

Status BlockReader::Fill(Missing* missing, uint64_t* hits) {
  GoOnBehindLastKey();
  Cursor cursor(pager_, root_, range_, reverse_);
  Status status = Status::Ok();
  while (!is_full() && !long_entry_) {
    Cursor::Outcome outcome = Cursor::Outcome::kEnd;
    status = cursor.Next(&outcome);
    if (!status.ok()) break;
    if (outcome == Cursor::Outcome::kMissing) *missing = cursor.missing();
    at_end_ = outcome == Cursor::Outcome::kEnd;
    if (outcome != Cursor::Outcome::kEntry) break;
    do {
      AddEntry(cursor.leaf(), cursor.slot());
    } while (!is_full() && !long_entry_ && cursor.NextInLeaf());
  }
  *hits += cursor.hits();
  return status;
}

// Adds an entry of a leaf, if it has room and its value is in the leaf; else notes what stops it.
void BlockReader::AddEntry(const Page& leaf, uint32_t slot) {
  const uint32_t key_length = leaf.KeyLengthAt(slot);
  const uint32_t value_length = leaf.ValueLengthAt(slot);
  is_next_too_large_ = !HasRoomFor(key_length, value_length);
  if (is_next_too_large_) return;
  if (leaf.IsOverflowAt(slot)) {
    long_entry_ = {leaf.KeyAt(slot), leaf.OverflowAt(slot), value_length};
    return;
  }
  const Bytes value = leaf.InlineValueAt(slot);
  uint8_t* key = block_->Append(key_length, value_length);
  leaf.CopyKeyAt(slot, key);
  std::copy(value.begin(), value.end(), key + key_length);
}

Status BlockReader::AddLongEntry() {
  if (!long_entry_) return Status::Ok();
  const auto& [key, first, value_length] = *long_entry_;
  const auto key_length = static_cast<uint32_t>(key.size());
  uint8_t* at = block_->Append(key_length, value_length);
  std::copy(key.begin(), key.end(), at);
  Status status = ReadOverflow(*pager_, first, {at + key_length, value_length});
  long_entry_.reset();
  return status;
}

bool BlockReader::HasRoomFor(uint32_t key_length, uint32_t value_length) const {
  return block_->count == 0 ||
         block_->buffer.length() + kEntryHeaderBytes + key_length + uint64_t{value_length} <=
             limits_.bytes;
}

// A cursor holds pages only while inside the gate: the next one starts behind the last entry.
void BlockReader::GoOnBehindLastKey() {
  if (block_->count == 0) return;
  const Bytes last_key = block_->last_key();
  last_key_.assign(last_key.begin(), last_key.end());
  (reverse_ ? range_.upper : range_.lower) = Bytes(last_key_);
  (reverse_ ? range_.upper_inclusive : range_.lower_inclusive) = false;
}

}  // namespace bedplate::btree

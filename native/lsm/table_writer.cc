#include "lsm/table_writer.h"

#include <algorithm>
#include <utility>

#include "bloom/filter.h"
#include "core/compare.h"

namespace bedplate::lsm {
namespace {

// Blocks are gathered until they have so many bytes, then written by one call.
constexpr size_t kWriteBytes = 256 * 1024;

// A short key from `last` up to and without `next`, which is above it: what divides two blocks need
// not be a key (Bayer and Unterauer 1977).
std::vector<uint8_t> SeparatorOf(Bytes last, Bytes next) {
  std::vector<uint8_t> separator(last.begin(), last.end());
  const size_t shared = CommonPrefixLength(last, next);
  if (shared == last.size()) return separator;
  const unsigned raised = last[shared] + 1U;
  if (raised >= next[shared]) return separator;
  separator.resize(shared + 1);
  separator[shared] = static_cast<uint8_t>(raised);
  return separator;
}

// The payload of the block of range tombstones.
std::vector<uint8_t> TombstonePayload(std::span<const RangeTombstone> tombstones) {
  FieldWriter fields;
  fields.U32(static_cast<uint32_t>(tombstones.size()));
  for (const auto& [span, sequence] : tombstones) {
    fields.Sized(span.start);
    fields.Sized(span.end);
    fields.U48(sequence);
  }
  return fields.Take();
}

}  // namespace

TableWriter::TableWriter(vfs::File* file, const TableIdentity& identity, const TableShape& shape)
    : file_(file),
      identity_(identity),
      shape_(shape),
      seed_(TableSeed(identity.id)),
      block_(shape.block_bytes) {
  properties_.min_sequence = UINT64_MAX;
  properties_.created_at_ms = identity.created_at_ms;
}

Status TableWriter::Add(const Entry& entry) {
  const bool is_first = properties_.entry_count == 0;
  const Entry previous{last_key_, last_sequence_, EntryKind::kPut, {}};
  if (!is_first && CompareEntries(previous, entry) >= 0) {
    return Status::Error(ErrorCode::kInternal, "assertion failed: versions come in order");
  }
  const bool is_new_key = is_first || !AreEqual(last_key_, entry.key);
  if (block_.is_full()) {
    if (Status status = FinishBlock(is_new_key ? entry.key : Bytes()); !status.ok()) return status;
  }
  if (is_first) properties_.start.assign(entry.key.begin(), entry.key.end());
  block_.Add(entry);
  if (is_new_key) {
    if (shape_.bits_per_key > 0) hashes_.push_back(bloom::HashOf(entry.key));
    last_key_.assign(entry.key.begin(), entry.key.end());
  }
  last_sequence_ = entry.sequence;
  properties_.entry_count++;
  if (entry.kind == EntryKind::kDelete) properties_.tombstone_count++;
  properties_.content_bytes += entry.key.size() + entry.value.size();
  NoteSequence(entry.sequence);
  return Status::Ok();
}

Status TableWriter::Finish(std::span<const RangeTombstone> tombstones, TableInfo* info) {
  *info = {};
  if (properties_.entry_count + tombstones.size() == 0) return Status::Ok();
  if (!block_.is_empty()) {
    if (Status status = FinishBlock({}); !status.ok()) return status;
  }
  info->data_bytes = end();
  SetSpan(tombstones);
  for (const RangeTombstone& tombstone : tombstones) NoteSequence(tombstone.sequence);
  properties_.range_tombstone_count = static_cast<uint32_t>(tombstones.size());
  Footer footer;
  footer.id = identity_.id;
  if (!hashes_.empty()) {
    const std::vector<uint8_t> filter = bloom::BuildFilter(hashes_, shape_.bits_per_key);
    Status status = Append(BlockType::kFilter, filter, &footer.filter);
    if (!status.ok()) return status;
  }
  FieldWriter index;
  index.U32(block_count_);
  index.Raw(index_.bytes());
  FieldWriter properties;
  WriteProperties(properties_, &properties);
  const std::pair<BlockType, std::vector<uint8_t>> parts[] = {
      {BlockType::kIndex, index.Take()},
      {BlockType::kTombstones, TombstonePayload(tombstones)},
      {BlockType::kProperties, properties.Take()}};
  BlockHandle* const handles[] = {&footer.index, &footer.tombstones, &footer.properties};
  for (size_t i = 0; i < std::size(parts); i++) {
    Status status = Append(parts[i].first, parts[i].second, handles[i]);
    if (!status.ok()) return status;
  }
  footer.file_bytes = end() + kFooterBytes;
  const auto footer_bytes = EncodeFooter(footer);
  waiting_.insert(waiting_.end(), footer_bytes.begin(), footer_bytes.end());
  if (Status status = WriteWaiting(); !status.ok()) return status;
  static_cast<TableProperties&>(*info) = properties_;
  info->number = identity_.number;
  info->id = identity_.id;
  info->file_bytes = footer.file_bytes;
  return Status::Ok();
}

Status TableWriter::FinishBlock(Bytes next_key) {
  const std::vector<uint8_t> separator =
      next_key.empty() ? last_key_ : SeparatorOf(last_key_, next_key);
  BlockHandle handle;
  Status status = Append(BlockType::kData, block_.Finish(), &handle);
  block_count_++;
  index_.Sized(separator);
  index_.U48(handle.offset);
  index_.U32(handle.length);
  return status;
}

Status TableWriter::Append(BlockType type, Bytes payload, BlockHandle* handle) {
  const uint64_t offset = end();
  const Compression compression =
      type == BlockType::kData ? shape_.compression : Compression::kNone;
  const size_t before = waiting_.size();
  SealBlock(type, payload, compression, seed_, offset, &waiting_);
  *handle = {offset, static_cast<uint32_t>(waiting_.size() - before)};
  const uint64_t padding = (kBlockAlignment - end() % kBlockAlignment) % kBlockAlignment;
  waiting_.resize(waiting_.size() + padding);
  return waiting_.size() >= kWriteBytes ? WriteWaiting() : Status::Ok();
}

Status TableWriter::WriteWaiting() {
  Status status = file_->Write(waiting_, written_);
  written_ += waiting_.size();
  if (waiting_.size() > 4 * kWriteBytes) waiting_ = {};  // a huge value's
  waiting_.clear();
  return status;
}

void TableWriter::NoteSequence(uint64_t sequence) {
  properties_.min_sequence = std::min(properties_.min_sequence, sequence);
  properties_.max_sequence = std::max(properties_.max_sequence, sequence);
}

void TableWriter::SetSpan(std::span<const RangeTombstone> tombstones) {
  std::vector<uint8_t>& start = properties_.start;
  std::vector<uint8_t>& end = properties_.end;
  const bool has_entries = properties_.entry_count > 0;
  if (has_entries) end = Successor(last_key_);
  for (size_t i = 0; i < tombstones.size(); i++) {
    const KeySpan& span = tombstones[i].span;
    const bool is_only = i == 0 && !has_entries;
    if (is_only || CompareBytes(span.start, start) < 0) {
      start.assign(span.start.begin(), span.start.end());
    }
    if (is_only || CompareBytes(span.end, end) > 0) end.assign(span.end.begin(), span.end.end());
  }
}

}  // namespace bedplate::lsm

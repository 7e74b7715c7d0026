#include "lsm/build_tables.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "core/compare.h"

namespace bedplate::lsm {
namespace {

// What of `tombstones` lies from `start` up to and without `end`; null: without a bound.
std::vector<RangeTombstone> Clip(const std::vector<RangeTombstone>& tombstones, const Bytes* start,
                                 const Bytes* end) {
  std::vector<RangeTombstone> clipped;
  for (RangeTombstone tombstone : tombstones) {
    auto& [span, sequence] = tombstone;
    if (start != nullptr && CompareBytes(span.start, *start) < 0) span.start = *start;
    if (end != nullptr && CompareBytes(*end, span.end) < 0) span.end = *end;
    if (!span.is_empty()) clipped.push_back(tombstone);
  }
  return clipped;
}

// Builds the tables of one batch, one behind the other.
class TableSeries {
 public:
  TableSeries(const Workshop& workshop, const Batch& batch, std::vector<TableInfo>* made)
      : workshop_(workshop), batch_(batch), made_(made) {}

  Status Run();
  // Leaves nothing behind.
  void Undo();

 private:
  Status AddAll();
  Status Add(const Entry& entry);
  Status Begin();
  // `end` is the first key of the next table, null if this is the last one.
  Status FinishTable(const Bytes* end);
  Status Sync(Status outcome);
  Status EndSlice();

  const Workshop& workshop_;
  const Batch& batch_;
  std::vector<TableInfo>* made_;
  std::unique_ptr<vfs::File> file_;
  std::unique_ptr<TableWriter> writer_;
  // Where the table that is being made begins; the first one has no lower bound.
  bool has_start_ = false;
  std::vector<uint8_t> start_;
  uint64_t slice_bytes_ = 0;
};

Status TableSeries::Run() {
  if (Status status = AddAll(); !status.ok()) return status;
  const Bytes start(start_);
  const bool has_rest = !Clip(batch_.tombstones, has_start_ ? &start : nullptr, nullptr).empty();
  if (writer_ == nullptr && has_rest) {
    if (Status status = Begin(); !status.ok()) return status;
  }
  if (writer_ != nullptr) {
    if (Status status = FinishTable(nullptr); !status.ok()) return status;
  }
  if (made_->empty() || Lacks(workshop_.mutant, Rule::kTableNameSync)) return Status::Ok();
  return Sync(workshop_.disk->SyncDirectory(workshop_.path));
}

Status TableSeries::AddAll() {
  while (true) {
    bool found = false;
    if (Status status = batch_.versions->Step(&found); !status.ok()) return status;
    if (!found) return Status::Ok();
    const Entry& entry = batch_.versions->entry();
    if (Status status = Add(entry); !status.ok()) return status;
    slice_bytes_ += entry.key.size() + entry.value.size();
    if (slice_bytes_ < kSliceBytes) continue;
    if (Status status = EndSlice(); !status.ok()) return status;
  }
}

Status TableSeries::Add(const Entry& entry) {
  const bool is_full = writer_ != nullptr && writer_->data_bytes() >= batch_.table_bytes;
  if (is_full && !AreEqual(writer_->last_key(), entry.key)) {
    if (Status status = FinishTable(&entry.key); !status.ok()) return status;
    start_.assign(entry.key.begin(), entry.key.end());
    has_start_ = true;
  }
  if (writer_ == nullptr) {
    if (Status status = Begin(); !status.ok()) return status;
  }
  return writer_->Add(entry);
}

Status TableSeries::Begin() {
  const TableIdentity identity = workshop_.new_identity();
  const std::string path = vfs::JoinPath(workshop_.path, TableName(identity.number));
  Status status = workshop_.disk->Open(path, vfs::OpenMode::kCreate, &file_);
  if (status.ok()) writer_ = std::make_unique<TableWriter>(file_.get(), identity, workshop_.shape);
  return status;
}

Status TableSeries::FinishTable(const Bytes* end) {
  const Bytes start(start_);
  const auto tombstones = Clip(batch_.tombstones, has_start_ ? &start : nullptr, end);
  TableInfo info;
  if (Status status = writer_->Finish(tombstones, &info); !status.ok()) return status;
  if (!Lacks(workshop_.mutant, Rule::kTableSync)) {
    if (Status status = Sync(file_->Sync()); !status.ok()) return status;
  }
  writer_.reset();
  file_.reset();
  made_->push_back(std::move(info));
  return EndSlice();
}

Status TableSeries::Sync(Status outcome) {
  if (!outcome.ok() && workshop_.on_failed_sync) workshop_.on_failed_sync(outcome);
  return outcome;
}

Status TableSeries::EndSlice() {
  const uint64_t bytes = std::exchange(slice_bytes_, 0);
  return batch_.on_slice ? batch_.on_slice(bytes) : Status::Ok();
}

void TableSeries::Undo() {
  writer_.reset();
  if (file_ != nullptr) {
    const std::string path = file_->path();
    file_.reset();
    Discard(workshop_.disk, path);
  }
  for (const TableInfo& info : *made_) {
    Discard(workshop_.disk, vfs::JoinPath(workshop_.path, TableName(info.number)));
  }
  made_->clear();
}

}  // namespace

Status BuildTables(const Workshop& workshop, const Batch& batch, std::vector<TableInfo>* made) {
  made->clear();
  TableSeries series(workshop, batch, made);
  Status status = series.Run();
  if (!status.ok()) series.Undo();
  return status;
}

void Discard(vfs::Disk* disk, const std::string& path) {
  // What led here is the error worth telling.
  (void)disk->Unlink(path);
}

}  // namespace bedplate::lsm

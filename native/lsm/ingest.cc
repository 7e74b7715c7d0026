// Tables that are made beside the store's own work become a part of it at one instant. The twin is
// `attach` of ts/storage/lsm/engine.ts.
#include <utility>

#include "lsm/engine.h"

namespace bedplate::lsm {

Status Engine::IdFor(TreeSlot* tree, uint32_t* tree_id) {
  const std::lock_guard lock(writer_);
  if (Status status = CheckWritable(); !status.ok()) return status;
  if (tree->id == 0) {
    record_.Begin();
    record_.CreateTree(memory_->catalogue()->next_tree_id, AsBytes(tree->name));
    uint64_t position = 0;
    if (Status status = LogRecord(record_.bytes(), &position); !status.ok()) return status;
    log_->Submit();
  }
  *tree_id = tree->id;
  return Status::Ok();
}

Status Engine::Ingest(const TreeSlot& tree, uint32_t tree_id, const Run& tables,
                      uint64_t* position) {
  const std::lock_guard lock(writer_);
  if (Status status = CheckWritable(); !status.ok()) return status;
  if (tree.id != tree_id) {
    return Status::Error(ErrorCode::kConflict,
                         "the tree was dropped while entries were ingested into it");
  }
  record_.Begin();
  record_.BulkLoad(tree_id);
  HoldLog(log_->last_position() + 1);  // first: what is held back needs room of its own
  if (Status status = Reserve(record_.bytes().size()); !status.ok()) {
    TakeBackHold();
    return status;
  }
  shared_at_bytes_ = 0;
  Frozen before = memory_->Freeze();
  if (!before.memtable->is_empty()) states_->Freeze(std::move(before), memory_->active());
  if (Status status = memory_->Apply(log_->last_position() + 1, record_.bytes()); !status.ok()) {
    return FailedHalfWay(status);
  }
  *position = log_->Append(record_.bytes());
  Frozen ingested;
  ingested.position = memory_->position();
  ingested.catalogue = memory_->catalogue();
  for (const TableRef& table : tables) {
    TableInfo info = *table;
    info.sequence = ingested.position;
    ingested.tables.push_back(MakeLiveTable(std::move(info), janitor_));
  }
  states_->Freeze(std::move(ingested), memory_->active());
  states_->Publish(*memory_);
  background_->Wake();
  return Status::Ok();
}

Status Engine::FlushFrozen() {
  if (Status status = CheckSound(); !status.ok()) return status;
  Status status = background_->Flush();
  return status.ok() ? CheckSound() : status;
}

uint64_t Engine::held_from() const {
  const std::lock_guard lock(held_mutex_);
  return held_from_;
}

bool Engine::is_waiting_for_space() const {
  return background_->is_starved() && held_from() != kNotHeld;
}

void Engine::HoldLog(uint64_t position) {
  const std::lock_guard lock(held_mutex_);
  ingested_.push_back(position);
  if (held_from_ != kNotHeld || Lacks(options_.mutant, Rule::kLogUntilIngested)) return;
  log_->Hold();
  held_from_ = position;
}

void Engine::TakeBackHold() {
  const std::lock_guard lock(held_mutex_);
  ingested_.pop_back();
  ReleaseLogIfNamed();
}

void Engine::OnFlushed(uint64_t position) {
  const std::lock_guard lock(held_mutex_);
  while (!ingested_.empty() && ingested_.front() <= position) ingested_.pop_front();
  ReleaseLogIfNamed();
  if (!ingested_.empty()) return;
  const bool keeps_less = Lacks(options_.mutant, Rule::kLogUntilFlushed);
  log_->DiscardUpTo(keeps_less ? log_->last_position() : position);
}

void Engine::ReleaseLogIfNamed() {
  if (!ingested_.empty() || held_from_ == kNotHeld) return;
  log_->Release();
  held_from_ = kNotHeld;
}

}  // namespace bedplate::lsm

#include "lsm/engine.h"

#include <algorithm>
#include <array>
#include <utility>

#include "core/clock.h"
#include "lsm/commit.h"
#include "lsm/internal_key.h"
#include "lsm/store_files.h"

namespace bedplate::lsm {

Snapshot::~Snapshot() {
  if (engine_ != nullptr) engine_->states_->Unpin(position_, since_ms_);
}

Hold::~Hold() {
  moment_ = {};
  engine_->open_holds_--;
}

// -- opening and closing --------------------------------------------------------------------------

Status Engine::Open(EngineOptions options, std::unique_ptr<Engine>* engine) {
  std::unique_ptr<Engine> opened(new Engine(std::move(options)));
  if (Status status = opened->OpenFiles(); !status.ok()) return status;
  *engine = std::move(opened);
  return Status::Ok();
}

Status Engine::OpenFiles() {
  janitor_ = std::make_shared<Janitor>([this] {
    if (background_ != nullptr) background_->WakeCompaction();
  });
  tables_ = std::make_unique<Tables>(
      Tables::Options{options_.disk, options_.path, 0, options_.max_open_files, options_.mutant});
  const auto make_table = [this](TableInfo info) {
    return MakeLiveTable(std::move(info), janitor_);
  };
  Manifest manifest;
  Status status =
      ReadManifest(options_.disk, options_.path, make_table, options_.mutant, &manifest);
  if (!status.ok()) return status;
  if (status = CheckParts(options_.disk, options_.path, *manifest.version); !status.ok()) {
    return status;
  }
  if (!options_.read_only && !Lacks(options_.mutant, Rule::kOrphansRemoved)) {
    status = RemoveOrphans(options_.disk, options_.path, *manifest.version);
    if (!status.ok()) return status;
  }
  memory_ = std::make_unique<Memory>(manifest.catalogue, manifest.position);
  states_ = std::make_unique<States>(manifest.version, *memory_);
  if (status = OpenLog(manifest); !status.ok()) return status;
  states_->Publish(*memory_);
  ShareMemory();
  MakeBackground(std::move(manifest));
  return options_.read_only ? Status::Ok() : background_->Start();
}

Status Engine::OpenLog(const Manifest& manifest) {
  log::LogOptions options;
  options.disk = options_.disk;
  options.directory = options_.path;
  options.uuid = manifest.uuid;
  options.durability = options_.durability;
  options.interval_ms = options_.interval_ms;
  options.kept_elsewhere = Lacks(options_.mutant, Rule::kReplayFromL) ? 0 : manifest.position;
  options.read_only = options_.read_only;
  options.first_segment_bytes = options_.first_segment_bytes;
  options.max_segment_bytes = options_.max_segment_bytes;
  options.manual = options_.manual;
  options.on_progress = options_.on_progress;
  const auto replay = [this](uint64_t position, Bytes record) {
    if (Status status = memory_->Apply(position, record); !status.ok()) return status;
    if (memory_->IsFull(options_.memtable_bytes)) Freeze();
    return Status::Ok();
  };
  return log::Log::Open(options, replay, &log_);
}

void Engine::MakeBackground(Manifest manifest) {
  BackgroundOptions options;
  options.disk = options_.disk;
  options.path = options_.path;
  options.limits = options_.limits;
  options.table_bytes = options_.table_bytes;
  options.now_ms = options_.now_ms;
  options.random = options_.random;
  options.states = states_.get();
  options.tables = tables_.get();
  options.janitor = janitor_;
  options.events = &events_;
  options.manual = options_.manual;
  options.mutant = options_.mutant;
  options.on_progress = [this] { OnBackgroundProgress(); };
  options.sync_log = [this](uint64_t position) {
    return log_->SyncTo(std::min(position, held_from() - 1));
  };
  options.on_flushed = [this](uint64_t position) { OnFlushed(position); };
  options.fail = [this](const Status& cause) { Fail(cause); };
  options.has_failed = [this] { return !CheckSound().ok(); };
  background_ = std::make_unique<Background>(std::move(options), std::move(manifest));
}

Engine::~Engine() {
  // Whoever did not close it has lost interest in what is in memory.
  if (is_open_ && background_ != nullptr) background_->Abandon();
  if (janitor_ != nullptr) janitor_->Close();
}

Status Engine::Attach(std::unique_ptr<Attachment>* attachment) {
  attachment->reset(new Attachment());
  return Status::Ok();
}

Status Engine::Close() {
  is_open_ = false;
  Status status = Status::Ok();
  if (options_.read_only) {
    background_->Abandon();
  } else {
    status = CloseFiles();
  }
  tables_->Close();
  return status;
}

Status Engine::CloseFiles() {
  if (const Status failure = log_->failure(); !failure.ok()) Fail(failure);
  if (CheckSound().ok()) {
    const std::lock_guard lock(writer_);
    if (HasUnfrozen()) Freeze();
  }
  Status status = background_->Close();
  if (!CheckSound().ok()) {
    const uint64_t kept = std::max(log_->durable_position(), background_->manifest().position);
    // With `sync`, the acknowledgement of every write that may be lost has said so itself.
    const bool is_told = kept >= position() || options_.durability == log::Durability::kSync;
    return is_told ? Status::Ok() : CheckSound();
  }
  if (!status.ok() || held_from() == kNotHeld) return status.ok() ? log_->Close() : status;
  // What is logged behind tables that the manifest does not name must not be written.
  status = log_->SyncTo(held_from() - 1);
  if (!status.ok()) return status;
  return Status::Error(ErrorCode::kDiskFull,
                       path() + " was closed before there was space to name what was ingested",
                       "what was ingested and written since then is not in the store: free some "
                       "space, open it, and write that again");
}

Status Engine::CheckOpen() const {
  if (!is_open_.load(std::memory_order_relaxed)) {
    return Status::Error(ErrorCode::kClosed, "the store " + path() + " is closed");
  }
  return CheckSound();
}

Status Engine::CheckSound() const {
  if (!has_failed_.load(std::memory_order_relaxed)) return Status::Ok();
  const std::lock_guard lock(failure_mutex_);
  return failure_;
}

Status Engine::CheckWritable() const {
  if (Status status = CheckOpen(); !status.ok()) return status;
  if (options_.read_only) {
    return Status::Error(ErrorCode::kReadOnly,
                         "the store " + path() + " was opened for reading only");
  }
  return Status::Ok();
}

// Takes no more work: what is on disk is unknown until the store is reopened.
void Engine::Fail(const Status& cause) {
  {
    const std::lock_guard lock(failure_mutex_);
    if (has_failed_) return;
    failure_ = Status::Error(
        ErrorCode::kIo,
        "the store " + path() +
            " failed and takes no more work until it is reopened: " + cause.message(),
        "close it, see to the disk, and open it again: what was acknowledged is recovered");
    has_failed_ = true;
  }
  stalled_from_ = kNoStall;
  if (options_.on_progress != nullptr) options_.on_progress();
}

Status Engine::Failed(Status status) {
  if (!status.ok() && !IsShortage(status.code())) Fail(status);
  return status;
}

Status Engine::FailedHalfWay(const Status& status) {
  Fail(status);
  return IsShortage(status.code()) ? CheckSound() : status;
}

// -- writing --------------------------------------------------------------------------------------

Status Engine::Put(Attachment* attachment, TreeSlot* tree, Bytes key, Bytes value,
                   uint64_t* position) {
  Operation operation;
  operation.tree = tree;
  operation.key = key;
  operation.value = value;
  return Apply(attachment, {&operation, 1}, position);
}

Status Engine::Apply(Attachment* /*attachment*/, std::span<const Operation> operations,
                     uint64_t* position) {
  const std::lock_guard lock(writer_);
  return Commit(operations, position);
}

Status Engine::CompareAndSwap(Attachment* attachment, TreeSlot* tree, Bytes key,
                              const std::optional<Bytes>& expected,
                              const std::optional<Bytes>& value, bool* swapped,
                              uint64_t* position) {
  const std::lock_guard lock(writer_);
  if (Status status = CheckWritable(); !status.ok()) return status;
  ordered::ValueTarget found;
  if (Status status = Get(attachment, tree, key, &found); !status.ok()) return status;
  *swapped = found.found ? expected && CompareBytes(*expected, found.bytes()) == 0 : !expected;
  *position = this->position();
  if (!*swapped) return Status::Ok();
  Operation operation;
  operation.kind = value ? ordered::OperationKind::kPut : ordered::OperationKind::kDelete;
  operation.tree = tree;
  operation.key = key;
  if (value) operation.value = *value;
  return Commit({&operation, 1}, position);
}

Status Engine::Commit(std::span<const Operation> operations, uint64_t* position) {
  if (Status status = CheckWritable(); !status.ok()) return status;
  if (Status status = EncodeCommit(&record_, operations, memory_->catalogue()->next_tree_id);
      !status.ok()) {
    return status;
  }
  *position = this->position();
  const Bytes record = record_.bytes();
  if (record.empty()) return Status::Ok();  // nothing to remove
  if (Status status = Admit(); !status.ok()) return status;
  if (Status status = LogRecord(record, position); !status.ok()) return status;
  if (!options_.submits_apart) log_->Submit();
  FreezeIfFull();
  return Status::Ok();
}

Status Engine::LogRecord(Bytes record, uint64_t* position) {
  const bool is_late = Lacks(options_.mutant, Rule::kSpaceFirst);
  if (!is_late) {
    if (Status status = Reserve(record.size()); !status.ok()) return status;
  }
  if (Status status = memory_->Apply(log_->last_position() + 1, record); !status.ok()) {
    return FailedHalfWay(status);
  }
  if (is_late) {
    if (Status status = Reserve(record.size()); !status.ok()) return status;
  }
  *position = log_->Append(record);
  states_->Publish(*memory_);
  return Status::Ok();
}

Status Engine::Admit() {
  if (is_waiting_for_space()) {
    background_->Wake();
    return ShortOf(path(), background_->shortage());
  }
  const uint64_t bytes = memory_->active()->bytes();
  if (bytes < options_.memtable_bytes || states_->frozen_count() < kMaxFrozenMemtables) {
    return Status::Ok();
  }
  if (background_->is_starved()) {
    return ShortOf(path(), background_->shortage());
  }
  if (bytes < std::max(kMemtableOverrun * options_.memtable_bytes, kMemtableOverrunBytes)) {
    return Status::Ok();
  }
  return Status::Error(ErrorCode::kUnavailable,
                       path() + ": too much was written without waiting; nothing was changed",
                       "await the promises of writes now and then");
}

Status Engine::Reserve(uint64_t bytes) {
  if (bytes > log::kMaxRecordBytes) {
    return Status::Error(ErrorCode::kInvalidInput,
                         "a commit of " + std::to_string(bytes) + " bytes is larger than the " +
                             std::to_string(log::kMaxRecordBytes) + " that the log takes",
                         "write in smaller batches");
  }
  return Failed(log_->Reserve(bytes));
}

void Engine::FreezeIfFull() {
  const uint64_t bytes = memory_->active()->bytes();
  if (bytes >= shared_at_bytes_ + options_.memory_bytes / 64) {
    shared_at_bytes_ = bytes;
    ShareMemory();
  }
  if (!memory_->IsFull(options_.memtable_bytes)) return;
  if (states_->frozen_count() < kMaxFrozenMemtables) {
    Freeze();
    background_->Wake();
  } else if (!background_->is_starved()) {
    BeginStall();
  }
}

bool Engine::HasUnfrozen() const {
  const std::vector<Frozen> frozen = states_->frozen();
  const uint64_t settled =
      frozen.empty() ? background_->manifest().position : frozen.front().position;
  return memory_->position() > settled;
}

void Engine::Freeze() {
  shared_at_bytes_ = 0;
  Frozen frozen = memory_->Freeze();
  states_->Freeze(std::move(frozen), memory_->active());
}

void Engine::BeginStall() {
  if (stalled_from_ != kNoStall) return;
  stall_began_ms_ = MonotonicMs();
  stall_bytes_ = states_->memtable_bytes();
  stall_count_++;
  stalled_from_ = position();
  OnStallMayBeOver();  // a flush may have ended since we looked
}

void Engine::OnBackgroundProgress() {
  ShareMemory();
  OnStallMayBeOver();
  if (options_.on_progress != nullptr) options_.on_progress();
}

void Engine::OnStallMayBeOver() {
  const bool is_over = states_->frozen_count() < kMaxFrozenMemtables || background_->is_starved() ||
                       !CheckSound().ok() || !is_open_;
  if (!is_over || stalled_from_.exchange(kNoStall) == kNoStall) return;
  const uint64_t passed_ms = MonotonicMs() - stall_began_ms_;
  stall_ms_ += passed_ms;
  events_.Add({.kind = Event::Kind::kStall,
               .bytes = stall_bytes_,
               .milliseconds = static_cast<double>(passed_ms)});
  if (options_.on_progress != nullptr) options_.on_progress();
}

uint64_t Engine::acknowledged_position() const {
  const uint64_t acknowledged = log_->acknowledged_position();
  const uint64_t stalled_from = stalled_from_;
  return stalled_from == kNoStall ? acknowledged : std::min(acknowledged, stalled_from - 1);
}

void Engine::ShareMemory() {
  const uint64_t all = options_.memory_bytes;
  const uint64_t taken = std::min(all, states_->memtable_bytes());
  tables_->SetCacheBytes(std::max(all / kLeastCacheShare, all - taken));
}

// -- the whole store ------------------------------------------------------------------------------

Status Engine::Flush() {
  if (Status status = CheckWritable(); !status.ok()) return status;
  {
    const std::lock_guard lock(writer_);
    if (HasUnfrozen()) Freeze();
  }
  Status status = background_->Flush();
  return status.ok() ? CheckSound() : status;
}

Status Engine::Compact() {
  constexpr std::array<uint8_t, kTreeIdBytes> kEnd = {0xff, 0xff, 0xff, 0xff};
  return CompactSpan({{}, kEnd});
}

Status Engine::CompactRange(const TreeSlot& tree, const KeyRange& range) {
  const uint32_t tree_id = tree.id.load(std::memory_order_acquire);
  if (tree_id == 0) return Flush();
  const OwnedSpan span = SpanOf(tree_id, range);
  return span.view().is_empty() ? Flush() : CompactSpan(span.view());
}

Status Engine::CompactSpan(const KeySpan& span) {
  if (Status status = Flush(); !status.ok()) return status;
  Status status = background_->CompactAll(span);
  return status.ok() ? CheckSound() : status;
}

EngineStats Engine::Stats() {
  const std::shared_ptr<const ReadState> state = states_->Current();
  EngineStats stats;
  for (size_t level = 0; level < kMaxLevels; level++) {
    const Run& tables = state->version->levels()[level];
    if (tables.empty()) continue;
    LevelStats& one = stats.levels.emplace_back();
    one.level = level;
    one.tables = tables.size();
    one.bytes = BytesOf(tables);
    for (const TableRef& table : tables) one.entries += table->entry_count;
  }
  const Memtable& active = *state->layers.front().memtable;
  stats.runs = state->layers.size() + state->version->runs().size();
  stats.memtable_bytes = active.bytes();
  stats.memtable_entries = active.entry_count();
  stats.frozen_memtables = states_->frozen_count();
  stats.cache = tables_->cache_figures();
  stats.open_files = tables_->open_files();
  stats.memory_bytes = states_->memtable_bytes() + stats.cache.bytes;
  stats.log = log_->stats();
  stats.position = position();
  stats.durable_position = log_->durable_position();
  stats.flushed_position = background_->manifest().position;
  stats.background = background_->stats();
  stats.compaction_debt_bytes =
      DebtOf(*state->version, background_->manifest().plan, options_.limits);
  stats.stall_count = stall_count_;
  stats.stall_ms = stall_ms_;
  stats.open_snapshots = states_->pin_count() + open_holds_;
  const uint64_t now_ms = MonotonicMs();
  stats.oldest_snapshot_ms = now_ms - states_->OldestPinMs(now_ms);
  return stats;
}

}  // namespace bedplate::lsm

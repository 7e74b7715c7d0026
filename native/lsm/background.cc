#include "lsm/background.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <unordered_set>
#include <utility>

#include "lsm/internal_key.h"
#include "lsm/merge.h"
#include "lsm/run_cursor.h"

namespace bedplate::lsm {
namespace {

// Bounds of a wait for the next table to be too old: clocks jump.
constexpr uint64_t kMinWatchMs = 1000;
constexpr uint64_t kMaxWatchMs = 3'600'000;
constexpr uint64_t kUnbounded = UINT64_MAX;

// Above every key of every tree, so this holds all of them.
constexpr std::array<uint8_t, kTreeIdBytes> kEnd = {0xff, 0xff, 0xff, 0xff};
constexpr KeySpan kEverything = {{}, kEnd};

Event::Kind KindOf(Compaction::Kind kind) {
  if (kind == Compaction::Kind::kMove) return Event::Kind::kMove;
  return kind == Compaction::Kind::kDrop ? Event::Kind::kDrop : Event::Kind::kMerge;
}

Status Cancelled() {
  return Status::Error(ErrorCode::kClosed, "the work was cancelled: the store is being closed");
}

}  // namespace

Background::Background(BackgroundOptions options, Manifest manifest)
    : options_(std::move(options)),
      plan_(manifest.plan),
      next_number_(manifest.next_number),
      manifest_(std::move(manifest)) {
  workshop_.disk = options_.disk;
  workshop_.path = options_.path;
  workshop_.shape = manifest_.shape;
  workshop_.mutant = options_.mutant;
  workshop_.new_identity = [this] { return NewIdentity(); };
  workshop_.on_failed_sync = options_.fail;
}

Background::~Background() = default;

bool IsShortage(ErrorCode code) {
  return code == ErrorCode::kDiskFull || code == ErrorCode::kUnavailable;
}

Status ShortOf(const std::string& path, ErrorCode shortage) {
  if (shortage == ErrorCode::kUnavailable) {
    return Status::Error(
        ErrorCode::kUnavailable, path + ": tables cannot be written: too many open files",
        "close some files, or raise the limit (ulimit -n); nothing was lost, and it "
        "is tried again by itself");
  }
  return Status::Error(
      ErrorCode::kDiskFull, path + ": no space to write tables",
      "free some space on the disk; nothing was lost, and it is tried again by itself");
}

// -- threads --------------------------------------------------------------------------------------

Status Background::Start() {
  if (options_.manual) return Status::Ok();
  Status status = Thread::Start(
      [this] {
        RunThread(&is_flush_wanted_, [this] {
          const std::lock_guard lock(flush_mutex_);
          return FlushAllFrozen();
        });
      },
      &flush_thread_);
  if (!status.ok()) return status;
  status = Thread::Start(
      [this] {
        RunThread(&is_compaction_wanted_, [this] {
          RemoveObsolete();
          const std::lock_guard lock(compaction_mutex_);
          return CompactWhileDue();
        });
      },
      &compaction_thread_);
  if (status.ok()) Wake();
  return status;
}

// Does `work` whenever it is wanted; it says whether to try again later.
void Background::RunThread(bool* is_wanted, const std::function<bool()>& work) {
  const bool is_compacting = is_wanted == &is_compaction_wanted_;
  Lock lock(sleep_mutex_);
  while (!is_stopping_) {
    *is_wanted = false;
    lock.unlock();
    const bool is_put_off = work();
    const uint64_t wait_ms = is_put_off ? kRetryMs : (is_compacting ? NextLookMs() : kMaxWatchMs);
    lock.lock();
    sleep_.wait_for(lock, std::chrono::milliseconds(wait_ms),
                    [&] { return *is_wanted || is_stopping_; });
  }
}

// How long the compaction thread may sleep: a table of a FIFO store may be too old by then.
uint64_t Background::NextLookMs() const {
  const uint64_t expiry_ms = NextExpiryMs(*options_.states->Current()->version, plan_);
  if (expiry_ms == 0) return kMaxWatchMs;
  const uint64_t now_ms = options_.now_ms();
  const uint64_t wait_ms = expiry_ms > now_ms ? expiry_ms - now_ms : 0;
  return std::clamp(wait_ms, kMinWatchMs, kMaxWatchMs);
}

void Background::Wake() {
  const std::lock_guard lock(sleep_mutex_);
  is_flush_wanted_ = true;
  is_compaction_wanted_ = true;
  sleep_.notify_all();
}

void Background::WakeCompaction() {
  const std::lock_guard lock(sleep_mutex_);
  is_compaction_wanted_ = true;
  sleep_.notify_all();
}

void Background::WakeFlush() {
  const std::lock_guard lock(sleep_mutex_);
  is_flush_wanted_ = true;
  sleep_.notify_all();
}

bool Background::MustMergeFirst() const {
  return !options_.manual && !are_merges_stuck_ &&
         IsCrowded(*options_.states->Current()->version, plan_, options_.limits);
}

Status Background::Flush() {
  const std::vector<Frozen> frozen = options_.states->frozen();
  if (frozen.empty()) return Status::Ok();
  const std::lock_guard lock(flush_mutex_);
  // Flushes go in order: what is frozen now is done once the newest of it is.
  while (manifest().position < frozen.front().position) {
    if (options_.has_failed()) return Status::Ok();  // who asked sees that for himself
    if (Status status = FlushOldest(); !status.ok()) {
      if (!PutOff(status)) return status;
      Starve(status);
      Wake();  // to try again
      return ShortOf(options_.path, status.code());
    }
    WakeCompaction();
  }
  return Status::Ok();
}

Status Background::CompactAll(const KeySpan& span) {
  if (Status status = Flush(); !status.ok()) return status;
  const std::lock_guard lock(compaction_mutex_);
  if (!damage_.ok()) return damage_;
  Compaction compaction = CompactionOf(span, *options_.states->Current()->version, plan_,
                                       options_.limits, options_.now_ms());
  if (compaction.kind == Compaction::Kind::kNone) return Status::Ok();
  Status status = Compact(std::move(compaction));
  if (!damage_.ok()) return damage_;
  if (status.ok()) return status;
  return PutOff(status) ? ShortOf(options_.path, status.code()) : status;
}

Status Background::DoAllThatIsDue() {
  {
    const std::lock_guard lock(flush_mutex_);
    if (FlushAllFrozen()) return ShortOf(options_.path, shortage_);
  }
  const std::lock_guard lock(compaction_mutex_);
  return CompactWhileDue() ? ShortOf(options_.path, ErrorCode::kDiskFull) : Status::Ok();
}

void Background::Abandon() {
  {
    const std::lock_guard lock(sleep_mutex_);
    is_stopping_ = true;
    sleep_.notify_all();
  }
  flush_thread_.Join();
  compaction_thread_.Join();
}

Status Background::Close() {
  Abandon();
  Status status = Status::Ok();
  const std::lock_guard lock(flush_mutex_);
  while (status.ok() && !options_.has_failed() && options_.states->has_frozen()) {
    status = FlushOldest();
    if (!status.ok() && PutOff(status)) break;
  }
  RemoveObsolete();
  options_.janitor->Close();
  return IsShortage(status.code()) ? Status::Ok() : status;
}

bool Background::PutOff(const Status& status) {
  if (options_.has_failed() || status.Is(ErrorCode::kClosed)) return false;
  if (IsShortage(status.code())) return true;
  options_.fail(status);
  options_.on_progress();
  return false;
}

BackgroundStats Background::stats() const {
  return {flushes_, compactions_, flushed_bytes_, written_bytes_};
}

Manifest Background::manifest() const {
  const std::lock_guard lock(manifest_mutex_);
  return manifest_;
}

// -- flush ----------------------------------------------------------------------------------------

bool Background::FlushAllFrozen() {
  while (!is_stopping_ && !options_.has_failed() && options_.states->has_frozen() &&
         !MustMergeFirst()) {
    const Status status = FlushOldest();
    if (status.ok()) {
      WakeCompaction();
      continue;
    }
    if (!PutOff(status)) return false;
    Starve(status);
    return true;
  }
  return false;
}

void Background::Starve(const Status& shortage) {
  shortage_ = shortage.code();
  options_.on_progress();
}

// Makes the oldest of what was frozen a part of level 0.
Status Background::FlushOldest() {
  const Frozen oldest = options_.states->frozen().back();
  const Stopwatch stopwatch;
  std::vector<TableInfo> made;
  if (oldest.memtable != nullptr) {
    if (Status status = TablesOf(*oldest.memtable, &made); !status.ok()) return status;
  }
  if (Status status = options_.sync_log(oldest.position); !status.ok()) return status;
  const bool is_late = Lacks(options_.mutant, Rule::kCatalogueOfL);
  const Flushed flushed{oldest.position,
                        is_late ? options_.states->Now().catalogue : oldest.catalogue};
  VersionEdit edit;
  for (const TableRef& table : oldest.tables) edit.added.emplace_back(0, table);
  for (const TableInfo& table : made) {
    edit.added.emplace_back(0, MakeLiveTable(table, options_.janitor));
  }
  if (Status status = Install(made, edit, &flushed); !status.ok()) return status;
  if (oldest.memtable != nullptr) {
    flushes_++;
    flushed_bytes_ += oldest.memtable->content_bytes();
  }
  for (const TableRef& table : oldest.tables) flushed_bytes_ += table->content_bytes;
  shortage_ = ErrorCode::kOk;
  options_.on_flushed(oldest.position);
  TellOf({.kind = Event::Kind::kFlush, .milliseconds = stopwatch.milliseconds()}, edit);
  return Status::Ok();
}

Status Background::TablesOf(const Memtable& memtable, std::vector<TableInfo>* made) {
  const std::shared_ptr<const ReadState> state = options_.states->Current();
  const std::unique_ptr<VersionCursor> versions = memtable.NewCursor(kEverything, false);
  // Made anew: one that grew has no fragments.
  const auto deletions = memtable.tombstones();
  const RangeTombstones tombstones(deletions == nullptr ? std::vector<RangeTombstone>()
                                                        : deletions->List());
  return Build(versions.get(), tombstones, RetentionOf(state->version->runs()), kUnbounded,
               /*is_compaction=*/false, made);
}

// -- compaction -----------------------------------------------------------------------------------

bool Background::CompactWhileDue() {
  while (!is_stopping_ && !options_.has_failed() && damage_.ok()) {
    Compaction compaction = PickCompaction(*options_.states->Current()->version, plan_,
                                           options_.limits, options_.now_ms());
    if (compaction.kind == Compaction::Kind::kNone) return false;
    const Status status = Compact(std::move(compaction));
    are_merges_stuck_ = !status.ok() || !damage_.ok();
    WakeFlush();  // which may have waited for this one
    if (!status.ok()) return PutOff(status);
  }
  return false;
}

Status Background::Compact(Compaction compaction) {
  const Stopwatch stopwatch;
  std::vector<TableInfo> made;
  if (compaction.kind == Compaction::Kind::kMerge) {
    Status status = MergeTables(compaction, &made);
    if (status.Is(ErrorCode::kCorruption) || status.Is(ErrorCode::kIncompatible)) {
      // What can be read still can, and nothing that is damaged is written again.
      damage_ = status;
      return Status::Ok();
    }
    if (!status.ok()) return status;
  }
  VersionEdit edit;
  for (const TableRef& table : compaction.inputs) edit.removed.insert(table->number);
  for (const TableInfo& table : made) {
    edit.added.emplace_back(compaction.level, MakeLiveTable(table, options_.janitor));
  }
  if (compaction.kind == Compaction::Kind::kMove) {
    for (const TableRef& table : compaction.inputs) {
      edit.added.emplace_back(compaction.level, table);
    }
  }
  if (Status status = Install(made, edit, nullptr); !status.ok()) return status;
  compactions_++;
  TellOf({.kind = KindOf(compaction.kind),
          .level = compaction.level,
          .input_bytes = BytesOf(compaction.inputs),
          .milliseconds = stopwatch.milliseconds()},
         edit);
  compaction = {};  // which holds what has become obsolete
  RemoveObsolete();
  return Status::Ok();
}

Status Background::MergeTables(const Compaction& compaction, std::vector<TableInfo>* made) {
  // The range tombstones are views of what these hold.
  std::vector<std::shared_ptr<const TableMeta>> metas;
  std::vector<RangeTombstone> deletions;
  for (const TableRef& table : compaction.inputs) {
    if (table->range_tombstone_count == 0) continue;
    std::shared_ptr<const TableMeta> meta;
    if (Status status = options_.tables->Meta(*table, &meta); !status.ok()) return status;
    for (const RangeTombstone& each : meta->tombstones().List()) deletions.push_back(each);
    metas.push_back(std::move(meta));
  }
  const RangeTombstones tombstones(std::move(deletions));
  const std::shared_ptr<const ReadState> state = options_.states->Current();
  std::vector<std::unique_ptr<VersionCursor>> sources;
  for (const Run& run : RunsOf(compaction.inputs, *state->version)) {
    sources.push_back(std::make_unique<RunCursor>(options_.tables, run, kEverything,
                                                  /*reverse=*/false, ReadPath::kReadAhead));
  }
  MergeCursor versions(std::move(sources), /*reverse=*/false);
  // What stays in level 0 is one sorted run a table.
  const uint64_t table_bytes = compaction.level == 0 ? kUnbounded : options_.table_bytes;
  return Build(&versions, tombstones, RetentionOf(compaction.older), table_bytes,
               /*is_compaction=*/true, made);
}

// -- what both do ---------------------------------------------------------------------------------

// Tells that something has ended in `edit`.
void Background::TellOf(Event event, const VersionEdit& edit) {
  for (const auto& [level, table] : edit.added) event.bytes += table->file_bytes;
  options_.events->Add(event);
  options_.on_progress();
}

Retention Background::RetentionOf(std::vector<Run> older) const {
  Retention retention;
  retention.snapshots = options_.states->Pinned();
  retention.older = std::move(older);
  retention.mutant = options_.mutant;
  return retention;
}

Status Background::Build(VersionCursor* versions, const RangeTombstones& tombstones,
                         const Retention& retention, uint64_t table_bytes, bool is_compaction,
                         std::vector<TableInfo>* made) {
  SurvivorCursor survivors(versions, &tombstones, &retention);
  Batch batch;
  batch.versions = &survivors;
  batch.tombstones = SurvivingTombstones(tombstones, retention);
  batch.table_bytes = table_bytes;
  batch.on_slice = [&](uint64_t) {
    return is_compaction && is_stopping_ ? Cancelled() : Status::Ok();
  };
  if (Status status = BuildTables(workshop_, batch, made); !status.ok()) return status;
  for (const TableInfo& table : *made) written_bytes_ += table.file_bytes;
  return Status::Ok();
}

TableIdentity Background::NewIdentity() {
  TableIdentity identity;
  identity.number = TakeNumber();
  options_.random(identity.id);
  identity.created_at_ms = options_.now_ms();
  return identity;
}

Status Background::Install(const std::vector<TableInfo>& made, const VersionEdit& edit,
                           const Flushed* flushed) {
  const std::lock_guard lock(install_mutex_);
  Manifest next = manifest();
  next.next_number = next_number_;
  const std::shared_ptr<const Version> replaced = next.version;
  next.version = std::make_shared<const Version>(replaced->With(edit));
  if (flushed != nullptr) {
    next.position = flushed->position;
    next.catalogue = flushed->catalogue;
  }
  if (Lacks(options_.mutant, Rule::kTablesUntilReplaced)) RemoveReplaced(edit);
  Status status = ReplaceManifest(options_.disk, options_.path, next, options_.mutant);
  if (!status.ok()) {
    if (!IsShortage(status.code())) return status;
    for (const TableInfo& table : made) {
      Discard(options_.disk, vfs::JoinPath(options_.path, TableName(table.number)));
    }
    return status;
  }
  {
    const std::lock_guard manifest_lock(manifest_mutex_);
    manifest_ = next;
  }
  std::unordered_set<uint64_t> kept;
  for (const auto& [level, table] : edit.added) kept.insert(table->number);
  for (const TableRef& table : replaced->Tables()) {
    const bool is_gone = edit.removed.contains(table->number) && !kept.contains(table->number);
    if (is_gone) MarkObsolete(table);
  }
  if (flushed != nullptr) {
    options_.states->InstallFlushed(next.version);
  } else {
    options_.states->Install(next.version);
  }
  if (Lacks(options_.mutant, Rule::kReadersKeepTables)) RemoveReplaced(edit);
  return Status::Ok();
}

// For mutants: removes the files of tables that readers, or the manifest, may still name.
void Background::RemoveReplaced(const VersionEdit& edit) {
  for (const uint64_t number : edit.removed) {
    const auto is_it = [&](const auto& added) { return added.second->number == number; };
    if (std::ranges::any_of(edit.added, is_it)) continue;
    TableInfo table;
    table.number = number;
    options_.tables->Forget(table);
    Discard(options_.disk, vfs::JoinPath(options_.path, TableName(number)));
  }
}

// If it fails, the next opening does it.
void Background::RemoveObsolete() {
  for (const TableInfo& table : options_.janitor->Take()) {
    options_.tables->Forget(table);
    Discard(options_.disk, vfs::JoinPath(options_.path, TableName(table.number)));
  }
}

}  // namespace bedplate::lsm

#include "log/writer.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "log/mutant.h"

namespace bedplate::log {
namespace {

// With durability `memory`, records are written once so many bytes wait.
constexpr uint64_t kWriteBehindBytes = uint64_t{1} << 20;

// The size of a frame with one record.
constexpr uint64_t FrameBytesFor(uint64_t record_bytes) {
  return kFrameHeaderBytes + kRecordOverheadBytes + record_bytes;
}

// All records up to this one are durable, and written by others than us.
uint64_t PositionBefore(const Recovered& recovered) {
  if (recovered.unproven.empty()) return recovered.last_position;
  return recovered.unproven.front().header.first_record - 1;
}

}  // namespace

LogWriter::LogWriter(const LogOptions& options, const Recovered& recovered)
    : options_(options),
      seed_(ChecksumSeed(options.uuid)),
      generation_((recovered.segments.empty() ? 0 : recovered.segments.back().generation) + 1),
      syncs_groups_(options.durability == Durability::kSync),
      pool_({options.disk, options.directory, options.first_segment_bytes,
             options.max_segment_bytes, options.manual, options.mutant},
            recovered.segments, recovered.prepared),
      written_(PositionBefore(recovered)),
      durable_(written_),
      acknowledged_(written_),
      last_(written_) {}

LogWriter::~LogWriter() { StopThread(); }

Status LogWriter::Start(const std::deque<UnprovenFrame>& unproven) {
  if (!options_.manual) {
    if (Status status = Thread::Start([this] { Run(); }, &thread_); !status.ok()) return status;
  }
  if (unproven.empty()) return Status::Ok();
  uint64_t payload_bytes = 0;
  for (const UnprovenFrame& frame : unproven) payload_bytes += frame.payload.size();
  Lock lock(mutex_);
  if (Status status = ProvideRoom(&lock, payload_bytes); !status.ok()) return status;
  Group* group = OpenGroup(payload_bytes);
  for (const UnprovenFrame& frame : unproven) {
    group->AppendPayload(frame.payload, frame.header.record_count);
  }
  pending_bytes_ += payload_bytes;
  last_ = group->last_record();
  return AwaitDurable(&lock, last_);
}

uint64_t LogWriter::acknowledged_position() const {
  return options_.durability == Durability::kMemory ? last_ : acknowledged_;
}

Status LogWriter::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

LogStats LogWriter::stats() const {
  const SegmentPool::Size size = pool_.size();
  const std::lock_guard lock(mutex_);
  return {.appends = appends_,
          .frames = frames_,
          .syncs = syncs_,
          .segment_bytes = size.segment_bytes,
          .segment_count = size.segment_count};
}

// -- appending ------------------------------------------------------------------------------------

Status LogWriter::Reserve(uint64_t bytes) {
  Lock lock(mutex_);
  if (Status status = CheckUsable(); !status.ok()) return status;
  if (bytes > kMaxRecordBytes) {
    return Status::Error(ErrorCode::kInvalidInput, "a record may have " +
                                                       std::to_string(kMaxRecordBytes) +
                                                       " bytes, not " + std::to_string(bytes));
  }
  if (pending_bytes_ > 0 && pending_bytes_ + bytes > options_.max_pending_bytes) {
    if (Status status = Relieve(&lock, bytes); !status.ok()) return status;
  }
  return ProvideRoom(&lock, bytes);
}

uint64_t LogWriter::Append(Bytes record) {
  const std::lock_guard lock(mutex_);
  Group* group = open_;
  if (group == nullptr || !group->Fits(record.size())) group = OpenGroup(record.size());
  group->Append(record);
  pending_bytes_ += kRecordOverheadBytes + record.size();
  appends_++;
  return ++last_;
}

void LogWriter::Submit() {
  Lock lock(mutex_);
  if (is_asleep_ && HasWork()) Wake(&lock);
}

void LogWriter::RequestSync(uint64_t position) {
  Lock lock(mutex_);
  if (!failure_.ok() || is_closed_) return;
  write_wanted_ = last_;
  sync_wanted_ = std::max(sync_wanted_, std::min<uint64_t>(position, last_));
  Wake(&lock);
}

Status LogWriter::SyncTo(uint64_t position) {
  Lock lock(mutex_);
  if (!failure_.ok()) return failure_;
  const uint64_t wanted = std::min<uint64_t>(position, last_);
  if (wanted <= durable_) return Status::Ok();
  if (Status status = CheckUsable(); !status.ok()) return status;
  return AwaitDurable(&lock, wanted);
}

Status LogWriter::AwaitDurable(Lock* lock, uint64_t position) {
  write_wanted_ = std::max(write_wanted_, position);
  sync_wanted_ = std::max(sync_wanted_, position);
  Await(lock, [&] { return durable_ >= position; });
  if (durable_ >= position) return Status::Ok();
  if (failure_.ok()) {
    return Status::Error(
        ErrorCode::kClosed,
        "the log in " + options_.directory + " was closed: the outcome of this write is unknown");
  }
  return Status::Error(ErrorCode::kIo, "outcome unknown: " + failure_.message(), failure_.hint());
}

void LogWriter::Hold() {
  const std::lock_guard lock(mutex_);
  if (held_from_ != kNotHeld) return;
  CloseGroup();
  held_from_ = last_ + 1;
}

void LogWriter::Release() {
  Lock lock(mutex_);
  held_from_ = kNotHeld;
  if (is_asleep_ && HasWork()) Wake(&lock);
}

void LogWriter::DiscardUpTo(uint64_t position) { pool_.DiscardUpTo(position); }

Status LogWriter::CheckUsable() const {
  if (!failure_.ok()) return failure_;
  if (!is_closed_) return Status::Ok();
  return Status::Error(ErrorCode::kClosed, "the log in " + options_.directory + " was closed");
}

// Waits until what is pending is written (and synced, if that is what acknowledges it).
Status LogWriter::Relieve(Lock* lock, uint64_t bytes) {
  const auto fits = [&] {
    return pending_bytes_ == 0 || pending_bytes_ + bytes <= options_.max_pending_bytes;
  };
  const auto is_all_held = [&] {
    return !is_working_ && (queue_.empty() || queue_.front()->first_record() >= held_from_);
  };
  write_wanted_ = last_;
  Await(lock, [&] { return fits() || is_all_held(); });
  if (Status status = CheckUsable(); !status.ok()) return status;
  if (fits()) return Status::Ok();
  return Status::Error(ErrorCode::kUnavailable, std::to_string(pending_bytes_) +
                                                    " bytes of writes are held back: no more fit");
}

// Sees to it that a group for a record of `bytes` can be opened. It may have to be a new one even
// if the open one has room: that may be taken away to be written at any time.
Status LogWriter::ProvideRoom(Lock* lock, uint64_t bytes) {
  if (FrameBytesFor(bytes) <= LimitInNewest()) return Status::Ok();
  const std::shared_ptr<SegmentFile> newest = newest_segment_;
  lock->unlock();
  Status status = pool_.ProvideAfter(newest.get(), FrameBytesFor(bytes));
  lock->lock();
  return status;
}

// The bytes that one more frame may have in the segment of the newest group.
uint64_t LogWriter::LimitInNewest() const {
  if (newest_segment_ == nullptr) return 0;
  const uint64_t end = open_ != nullptr ? open_->planned_end() : newest_segment_->planned_end;
  const uint64_t start = AlignUp(end, kPageBytes);
  const uint64_t room_end = newest_segment_->room_end();
  return start < room_end ? room_end - start : 0;
}

// Starts a group for a record of `bytes`, for which there is room.
Group* LogWriter::OpenGroup(uint64_t bytes) {
  CloseGroup();
  if (FrameBytesFor(bytes) > LimitInNewest()) {
    newest_segment_ = pool_.After(newest_segment_.get());
    assert(newest_segment_ != nullptr);
  }
  queue_.push_back(std::make_unique<Group>(last_ + 1, newest_segment_, buffers_.Take()));
  open_ = queue_.back().get();
  assert(open_->Fits(bytes));
  return open_;
}

// Later records go to another group.
void LogWriter::CloseGroup() {
  if (open_ == nullptr) return;
  open_->segment()->planned_end = open_->planned_end();
  open_ = nullptr;
}

// -- the thread -----------------------------------------------------------------------------------

// With durability `memory`, writing waits until it is worth it, or asked for.
bool LogWriter::CanTakeGroup() const {
  if (queue_.empty() || queue_.front()->first_record() >= held_from_) return false;
  return options_.durability != Durability::kMemory || pending_bytes_ >= kWriteBehindBytes ||
         queue_.front()->first_record() <= write_wanted_;
}

bool LogWriter::IsSyncDue() const { return std::min(sync_wanted_, written_) > durable_; }

template <typename IsDone>
void LogWriter::Await(Lock* lock, IsDone is_done) {
  if (options_.manual) {
    DoWork(lock);
    return;
  }
  if (std::exchange(is_asleep_, false)) work_.notify_one();
  progress_.wait(*lock, [&] { return is_done() || !failure_.ok() || is_stopping_; });
}

void LogWriter::Wake(Lock* lock) {
  if (options_.manual) {
    DoWork(lock);
    return;
  }
  // The thread is not woken into a mutex that is still held.
  const bool was_asleep = std::exchange(is_asleep_, false);
  lock->unlock();
  if (was_asleep) work_.notify_one();
}

void LogWriter::Run() {
  Lock lock(mutex_);
  while (!is_stopping_) {
    DoWork(&lock);
    if (!is_stopping_ && !HasWork()) Sleep(&lock);
  }
}

void LogWriter::Sleep(Lock* lock) {
  is_asleep_ = true;
  if (sync_at_.has_value()) {
    work_.wait_until(*lock, *sync_at_);
  } else {
    work_.wait(*lock);
  }
  is_asleep_ = false;
}

void LogWriter::DoWork(Lock* lock) {
  while (!is_stopping_) {
    if (sync_at_.has_value() && std::chrono::steady_clock::now() >= *sync_at_) {
      sync_wanted_ = std::max(sync_wanted_, written_);
      sync_at_.reset();
    }
    if (!HasWork()) return;
    DoStep(lock);
  }
}

// Writes and syncs one group, or syncs what was written.
void LogWriter::DoStep(Lock* lock) {
  std::unique_ptr<Group> group;
  if (CanTakeGroup()) {
    if (queue_.front().get() == open_) CloseGroup();
    group = std::move(queue_.front());
    queue_.pop_front();
  }
  is_working_ = true;
  lock->unlock();
  const Status status = group != nullptr ? WriteGroup(group.get()) : SyncCurrent();
  lock->lock();
  is_working_ = false;
  if (!status.ok()) {
    Fail(status);
  } else if (group != nullptr) {
    Settle(*group);
    buffers_.GiveBack(group->TakeBuffer());
  }
  progress_.notify_all();
  if (options_.on_progress == nullptr) return;
  lock->unlock();
  options_.on_progress();
  lock->lock();
}

void LogWriter::Settle(const Group& group) {
  acknowledged_ = group.last_record();
  pending_bytes_ -= group.payload_bytes();
  // Groups behind this one were planned for the worst; with none, there is nothing to plan for.
  SegmentFile* segment = group.segment().get();
  const bool is_last = std::none_of(queue_.begin(), queue_.end(), [&](const auto& other) {
    return other->segment().get() == segment;
  });
  if (is_last) segment->planned_end = segment->end();
  // A simulation has no clock: it asks for every sync.
  if (options_.durability == Durability::kInterval && !options_.manual && !sync_at_.has_value() &&
      durable_ < written_) {
    sync_at_ = std::chrono::steady_clock::now() + std::chrono::milliseconds(options_.interval_ms);
  }
}

// Notes the first failure: what was to be durable may or may not be.
void LogWriter::Fail(const Status& cause) {
  failure_ = Status::Error(
      ErrorCode::kIo,
      "the log in " + options_.directory + " failed and takes no more records: " + cause.message(),
      "open it again: what had been acknowledged is recovered");
  queue_.clear();
  open_ = nullptr;
}

// -- writing --------------------------------------------------------------------------------------

Status LogWriter::WriteGroup(Group* group) {
  Status status = group->segment() != current_ ? EnterSegment(group) : WriteFrame(group);
  if (status.ok() && syncs_groups_ && durable_ < written_) status = SyncCurrent();
  if (status.ok() && current_->is_half_full()) pool_.PrepareNext();
  return status;
}

// Writes the first frame of a segment and makes it part of the log.
Status LogWriter::EnterSegment(Group* group) {
  Mutant* mutant = options_.mutant;
  SegmentFile* segment = group->segment().get();
  const SegmentHeader header = {.segment = segment->number(),
                                .generation = generation_,
                                .first_record = group->first_record(),
                                .size_bytes = segment->size_bytes()};
  Status status = Status::Ok();
  // From now on, a bad frame in the old segment is corruption.
  if (written_ > durable_ && !Lacks(mutant, Rule::kOldSegmentSync)) status = SyncCurrent();
  if (status.ok()) status = segment->WriteHeader(header, options_.uuid);
  const bool is_late = Lacks(mutant, Rule::kFrameBeforeName);
  if (status.ok() && !is_late) status = WriteFrame(group);
  if (status.ok() && !Lacks(mutant, Rule::kNewSegmentSync)) status = SyncFile(segment);
  if (status.ok()) status = segment->Publish();
  if (status.ok() && !Lacks(mutant, Rule::kNamesAfterPublishing)) status = SyncNames();
  if (status.ok() && is_late) status = WriteFrame(group);
  if (status.ok() && is_late) status = SyncFile(segment);
  if (!status.ok()) return status;
  pool_.Enter(group->segment(), header);
  current_ = group->segment();
  segment->StartNewPage();
  durable_ = written_;
  return status;
}

Status LogWriter::WriteFrame(Group* group) {
  SegmentFile* segment = group->segment().get();
  const FrameHeader header = {.address = {.segment = segment->number(),
                                          .generation = generation_,
                                          .offset = segment->next_frame_offset()},
                              .first_record = group->first_record(),
                              .record_count = group->record_count(),
                              .durable = durable_};
  EncodeFrameHeader(header, seed_, group->frame());
  Status status = segment->WriteFrame(syncs_groups_ ? group->PaddedFrame() : Bytes(group->frame()));
  if (!status.ok()) return status;
  written_ = group->last_record();
  frames_++;
  return status;
}

// Makes everything durable that was written.
Status LogWriter::SyncCurrent() {
  Mutant* mutant = options_.mutant;
  if (!Lacks(mutant, Rule::kPageAlignment)) current_->StartNewPage();
  if (!Lacks(mutant, Rule::kGroupSync)) {
    if (Status status = SyncFile(current_.get()); !status.ok()) return status;
  }
  durable_ = written_;
  return Status::Ok();
}

Status LogWriter::SyncFile(SegmentFile* segment) {
  syncs_++;
  return segment->Sync();
}

Status LogWriter::SyncNames() {
  syncs_++;
  return options_.disk->SyncDirectory(options_.directory);
}

// -- the end --------------------------------------------------------------------------------------

Status LogWriter::Close() {
  Lock lock(mutex_);
  if (is_closed_) return Status::Ok();
  Status status = Status::Ok();
  if (failure_.ok()) {
    held_from_ = kNotHeld;
    status = durable_ < last_ ? AwaitDurable(&lock, last_) : Status::Ok();
  }
  is_closed_ = true;
  const bool is_sound = failure_.ok();
  lock.unlock();
  StopThread();
  if (is_sound && !LeaveSmall() && current_ != nullptr) MarkClean();
  current_.reset();
  newest_segment_.reset();
  pool_.Close();
  return status;
}

void LogWriter::StopThread() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  work_.notify_one();
  progress_.notify_all();
  thread_.Join();
}

// Has a segment of the first size, with a frame of no records, take over from a large one that
// nobody needs. Returns false if there is none such, or no space: everything is as it was then.
bool LogWriter::LeaveSmall() {
  const uint64_t position = last_;
  const std::shared_ptr<SegmentFile> segment = pool_.ProvideSmaller(position);
  if (segment == nullptr) return false;
  Group group(position + 1, segment, buffers_.Take());
  // Failing is no failure: everything is durable, and the old segment stays part of the log.
  if (EnterSegment(&group).ok()) pool_.DiscardUpTo(position);
  return true;
}

// Writes a frame without records that says that all before it is durable: damage to the last group
// is then known for what it is. Cuts off what the segment has not used, once that frame is durable:
// without it a short segment is a damaged one. Failing is no failure: everything is durable.
void LogWriter::MarkClean() {
  Group group(last_ + 1, current_, buffers_.Take());
  if (!WriteFrame(&group).ok() || !current_->CanShrink(options_.first_segment_bytes)) return;
  if (!Lacks(options_.mutant, Rule::kClosingFrameSync) && !current_->Sync().ok()) return;
  (void)current_->Shrink(options_.first_segment_bytes);
}

}  // namespace bedplate::log

#include "log/segment_pool.h"

#include <algorithm>
#include <utility>

namespace bedplate::log {
namespace {

// Files that wait to become segments; more are removed instead of recycled.
constexpr size_t kMaxAhead = 2;
// Preallocation is synced in pieces, so that it never keeps the device from the log for long.
constexpr uint64_t kSyncedPieceBytes = uint64_t{4} << 20;

}  // namespace

SegmentPool::SegmentPool(PoolOptions options, const std::vector<SegmentHeader>& segments,
                         const std::vector<std::string>& prepared)
    : options_(std::move(options)), segments_(segments.begin(), segments.end()) {
  ReusePrepared(prepared);
}

SegmentPool::~SegmentPool() {
  {
    const std::lock_guard lock(mutex_);
    is_closing_ = true;
    discarded_.clear();
  }
  chores_.Join();
}

SegmentPool::Size SegmentPool::size() const {
  const std::lock_guard lock(mutex_);
  Size size;
  size.segment_count = segments_.size();
  for (const SegmentHeader& segment : segments_) size.segment_bytes += segment.size_bytes;
  for (const auto& segment : ahead_) size.segment_bytes += segment->size_bytes();
  return size;
}

// -- segments to come -----------------------------------------------------------------------------

std::shared_ptr<SegmentFile> SegmentPool::After(const SegmentFile* segment) const {
  const std::lock_guard lock(mutex_);
  const size_t place = PlaceAfter(segment);
  return place < ahead_.size() ? ahead_[place] : nullptr;
}

Status SegmentPool::ProvideAfter(const SegmentFile* segment, uint64_t frame_bytes) {
  const uint64_t needed = AlignUp(kSegmentHeaderBytes + frame_bytes, kPageBytes) + kPageBytes;
  Lock lock(mutex_);
  is_awaited_ = true;
  changed_.wait(lock, [this] { return !is_making_; });
  is_awaited_ = false;
  // Only the front of `ahead_` can change while the mutex is not held.
  size_t place = PlaceAfter(segment);
  if (place < ahead_.size() && ahead_[place]->size_bytes() < needed) DropFrom(place);
  const bool is_new = place == ahead_.size();
  std::shared_ptr<SegmentFile> next = is_new ? nullptr : ahead_[place];
  if (!is_new && next->is_filled()) return Status::Ok();

  is_making_ = true;
  const SegmentFile::Plan plan = PlanNext(std::max(NextSizeBytes(), needed));
  lock.unlock();
  Status status = is_new ? SegmentFile::Create(plan, &next) : LoseOldNames();
  while (status.ok() && !next->is_filled()) status = next->FillSome();
  if (!status.ok() && is_new && next != nullptr) next->Drop();
  lock.lock();
  if (status.ok() && is_new) ahead_.push_back(std::move(next));
  if (!status.ok() && !is_new) DropFrom(place);
  is_making_ = false;
  changed_.notify_all();
  return status;
}

std::shared_ptr<SegmentFile> SegmentPool::ProvideSmaller(uint64_t last_position) {
  Lock lock(mutex_);
  changed_.wait(lock, [this] { return !is_making_; });
  uint64_t used_bytes = segments_.empty() ? 0 : segments_.back().size_bytes;
  if (current_ != nullptr) used_bytes = current_->used_bytes();
  if (discarded_up_to_ < last_position || used_bytes <= options_.first_segment_bytes) {
    return nullptr;
  }
  DropFrom(0);
  is_making_ = true;
  const SegmentFile::Plan plan = PlanNext(options_.first_segment_bytes);
  lock.unlock();
  std::shared_ptr<SegmentFile> segment;
  Status status = SegmentFile::Create(plan, &segment);
  while (status.ok() && !segment->is_filled()) status = segment->FillSome();
  if (!status.ok() && segment != nullptr) segment->Drop();
  lock.lock();
  if (status.ok()) ahead_.push_back(segment);
  is_making_ = false;
  changed_.notify_all();
  return status.ok() ? segment : nullptr;
}

// Gives up files that are too small for what comes next, or cannot be filled.
void SegmentPool::DropFrom(size_t place) {
  for (size_t i = place; i < ahead_.size(); i++) ahead_[i]->Drop();
  ahead_.resize(place);
}

void SegmentPool::Enter(const std::shared_ptr<SegmentFile>& segment, const SegmentHeader& header) {
  const std::lock_guard lock(mutex_);
  ahead_.pop_front();
  segments_.push_back(header);
  current_ = segment;
  has_preparation_failed_ = false;
}

size_t SegmentPool::PlaceAfter(const SegmentFile* segment) const {
  const auto found = std::find_if(ahead_.begin(), ahead_.end(),
                                  [&](const auto& other) { return other.get() == segment; });
  return found == ahead_.end() ? 0 : static_cast<size_t>(found - ahead_.begin()) + 1;
}

uint64_t SegmentPool::NextNumber() const {
  if (!ahead_.empty()) return ahead_.back()->number() + 1;
  return segments_.empty() ? 1 : segments_.back().segment + 1;
}

// Sizes double from segment to segment, starting anew with each writer: a store that is little used
// stays small.
uint64_t SegmentPool::NextSizeBytes() const {
  const SegmentFile* newest = ahead_.empty() ? current_.get() : ahead_.back().get();
  if (newest == nullptr) return options_.first_segment_bytes;
  return std::min(newest->size_bytes() * 2, options_.max_segment_bytes);
}

SegmentFile::Plan SegmentPool::PlanNext(uint64_t size_bytes) const {
  return {options_.disk, options_.directory, NextNumber(), size_bytes};
}

// A prepared file bears a number that was never part of the log, and what an earlier life left in
// it bears a smaller one, so no frame in it can pass for one of ours. Without any segment to count
// from, that would not be certain. It may be here because a sync of it failed: then its space is
// only in memory, and no later sync makes it durable unless it is written again.
void SegmentPool::ReusePrepared(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    // The one that was recycled may have taken the name of another, and its place with it.
    if (!ahead_.empty() && PreparedName(ahead_.front()->number()) == name) continue;
    std::shared_ptr<SegmentFile> segment;
    if (!segments_.empty() && ahead_.empty()) {
      // There are other ways to get a segment.
      (void)SegmentFile::Recycle(PlanNext(options_.first_segment_bytes), name,
                                 SegmentFile::Space::kUncertain, &segment);
    }
    if (segment != nullptr) {
      ahead_.push_back(std::move(segment));
    } else {
      RemoveFile(options_.disk, vfs::JoinPath(options_.directory, name));
    }
  }
}

// -- what can wait --------------------------------------------------------------------------------

void SegmentPool::PrepareNext() {
  Lock lock(mutex_);
  if (!ahead_.empty() || is_preparation_wanted_ || has_preparation_failed_) return;
  is_preparation_wanted_ = true;
  StartChores(&lock);
}

void SegmentPool::DiscardUpTo(uint64_t position) {
  Lock lock(mutex_);
  discarded_up_to_ = std::max(discarded_up_to_, position);
  while (segments_.size() >= 2 && segments_[1].first_record - 1 <= position) {
    discarded_.push_back(segments_.front());
    segments_.pop_front();
  }
  if (!discarded_.empty()) StartChores(&lock);
}

void SegmentPool::Close() {
  Lock lock(mutex_);
  is_closing_ = true;
  lock.unlock();
  chores_.Join();
  lock.lock();
  while (DoNextChore(&lock)) {
  }
  bool is_one_kept = false;
  for (const auto& segment : ahead_) {
    if (!is_one_kept && segment->size_bytes() == options_.first_segment_bytes) {
      is_one_kept = true;
    } else {
      segment->Drop();
    }
  }
  ahead_.clear();
  current_.reset();
}

// If no thread can be had, the chores wait for the next occasion.
void SegmentPool::StartChores(Lock* lock) {
  if (options_.manual) {
    while (DoNextChore(lock)) {
    }
    return;
  }
  if (does_chores_) return;
  chores_.Join();  // it has nothing left to do, and does not need the mutex any more
  does_chores_ = Thread::Start([this] { RunChores(); }, &chores_).ok();
}

void SegmentPool::RunChores() {
  Lock lock(mutex_);
  while (DoNextChore(&lock)) {
  }
  does_chores_ = false;
}

// Returns false if there is nothing to do.
bool SegmentPool::DoNextChore(Lock* lock) {
  if (is_making_) {
    changed_.wait(*lock, [this] { return !is_making_; });
  }
  // A segment that is given back may be what the preparation is for.
  if (!discarded_.empty()) {
    Discard(lock);
    return true;
  }
  if (!is_preparation_wanted_) return false;
  is_preparation_wanted_ = false;
  if (ahead_.empty() && !is_closing_) Prepare(lock);
  return true;
}

// Whatever fails here, `ProvideAfter` tries again and tells: no record depends on it yet.
void SegmentPool::Prepare(Lock* lock) {
  is_making_ = true;
  const SegmentFile::Plan plan = PlanNext(NextSizeBytes());
  lock->unlock();
  std::shared_ptr<SegmentFile> segment;
  Status status = SegmentFile::Create(plan, &segment);
  if (status.ok()) status = FillInBackground(segment.get());
  if (!status.ok() && segment != nullptr) segment->Drop();
  lock->lock();
  has_preparation_failed_ = !status.ok();
  if (status.ok()) ahead_.push_back(std::move(segment));
  is_making_ = false;
  changed_.notify_all();
}

Status SegmentPool::FillInBackground(SegmentFile* segment) {
  uint64_t unsynced = 0;
  while (true) {
    {
      const std::lock_guard lock(mutex_);
      if (is_closing_) return Status::Error(ErrorCode::kClosed, "the log was closed");
      if (is_awaited_) unsynced = 0;
    }
    // Its first frame should not have to wait for all of the zeros.
    if (unsynced >= kSyncedPieceBytes || (unsynced > 0 && segment->is_filled())) {
      if (Status status = segment->Sync(); !status.ok()) return status;
      unsynced = 0;
    }
    if (segment->is_filled()) return Status::Ok();
    const uint64_t before = segment->filled_bytes();
    if (Status status = segment->FillSome(); !status.ok()) return status;
    unsynced += segment->filled_bytes() - before;
  }
}

// The space of a segment that nobody needs becomes the next segment's, or is given back.
void SegmentPool::Discard(Lock* lock) {
  const SegmentHeader segment = discarded_.front();
  discarded_.pop_front();
  const std::string name = SegmentName(segment.segment);
  const bool is_useful = !is_closing_ && ahead_.size() < kMaxAhead &&
                         segment.size_bytes >= NextSizeBytes() &&
                         segment.size_bytes <= options_.max_segment_bytes;
  is_making_ = is_useful;
  const SegmentFile::Plan plan = PlanNext(segment.size_bytes);
  lock->unlock();
  std::shared_ptr<SegmentFile> recycled;
  // There are other ways to get a segment, so a failure only costs the file.
  const bool is_recycled = is_useful && Recycle(plan, name, &recycled).ok() && recycled != nullptr;
  if (!is_recycled) RemoveFile(options_.disk, vfs::JoinPath(options_.directory, name));
  lock->lock();
  if (!is_useful) return;
  if (is_recycled) ahead_.push_back(std::move(recycled));
  is_making_ = false;
  changed_.notify_all();
}

// Gives a file its new name, durably. It was part of the log, so its space is durable.
Status SegmentPool::Recycle(const SegmentFile::Plan& plan, const std::string& name,
                            std::shared_ptr<SegmentFile>* segment) {
  Status status = SegmentFile::Recycle(plan, name, SegmentFile::Space::kDurable, segment);
  if (!status.ok() || *segment == nullptr) return status;
  status = LoseOldNames();
  if (!status.ok()) (*segment)->Drop();
  return status;
}

// Were an old name to come back after the content has changed, the log would hold a stranger.
Status SegmentPool::LoseOldNames() {
  if (Lacks(options_.mutant, Rule::kNamesBeforeRecycling)) return Status::Ok();
  return options_.disk->SyncDirectory(options_.directory);
}

}  // namespace bedplate::log

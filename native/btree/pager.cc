#include "btree/pager.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

namespace bedplate::btree {
namespace {

// What one write to the file may carry: neighbouring pages go together.
constexpr size_t kWriteBytes = size_t{1} << 20;

}  // namespace

Status NoRefusal(const Status& status) {
  if (!status.Is(ErrorCode::kDiskFull) && !status.Is(ErrorCode::kUnavailable)) return status;
  return Status::Error(ErrorCode::kIo, status.message(), status.hint());
}

// -- pager ----------------------------------------------------------------------------------------

Pager::Pager(std::unique_ptr<vfs::File> file, Options options)
    : file_(std::move(file)),
      page_size_bytes_(options.page_size_bytes),
      capacity_pages_(std::max(kMinCachePages, options.cache_bytes / options.page_size_bytes)),
      read_only_(options.read_only),
      mutant_(options.mutant),
      free_list_(std::move(options.free_list)),
      epoch_(options.epoch),
      checkpoint_epoch_(options.epoch - 1),
      frozen_epoch_(options.epoch - 1),
      arena_(std::make_shared<PageArena>(FrameBytes(page_size_bytes_))) {}

Pager::~Pager() {
  for (Frame* frame : frames_) FrameHandle::Release(frame);
}

FrameHandle Pager::Keep(Frame* frame) {
  frame->owners_.fetch_add(1, std::memory_order_relaxed);
  return FrameHandle(frame);
}

Status Pager::Corruption(uint64_t page, const std::string& problem) const {
  return Status::Error(ErrorCode::kCorruption,
                       file_->path() + ", page " + std::to_string(page) + " (offset " +
                           std::to_string(page * page_size_bytes_) + "): " + problem,
                       "restore a backup, or export what can still be read; `verify` lists every "
                       "broken page");
}

Status Pager::Accept(const Reference& reference, Frame* found, Frame** frame, Missing* missing) {
  if (found == nullptr) {
    // Nobody may take it for a page that is there.
    if (reference.page < kFirstPage) return Corruption(reference.page, "is meant as a tree's page");
    *missing = {reference, VersionOf(reference.page).load()};
    *frame = nullptr;
    return Status::Ok();
  }
  if (found->self_.birth != reference.birth) {
    return Corruption(reference.page, "a reference means it as of epoch " +
                                          std::to_string(reference.birth) + ", it is of epoch " +
                                          std::to_string(found->self_.birth));
  }
  // Only a change is stored: the line stays shared among the readers.
  if (!found->referenced_.load(std::memory_order_relaxed)) {
    found->referenced_.store(true, std::memory_order_relaxed);
  }
  *frame = found;
  return Status::Ok();
}

Status Pager::Fetch(const Missing& missing, FrameHandle* handle) {
  misses_.fetch_add(1, std::memory_order_relaxed);
  FrameHandle fetched(NewFrame());
  Status status = ReadInto(missing.reference, fetched.get());
  // Bytes that were written while they were read prove nothing: the reader has to look again.
  if (VersionOf(missing.reference.page).load() != missing.version) {
    *handle = FrameHandle();
    return Status::Ok();
  }
  if (!status.ok()) return status;
  *handle = std::move(fetched);
  return Status::Ok();
}

void Pager::Admit(const Missing& missing, FrameHandle* handle) {
  if (handle->get() == nullptr) return;
  Frame* present = table_.Find(missing.reference.page);
  if (present != nullptr) {
    *handle = Keep(present);
    return;
  }
  if (VersionOf(missing.reference.page).load() != missing.version) {
    *handle = FrameHandle();
    return;
  }
  Frame* frame = handle->get();
  frame->owners_.fetch_add(1);  // the table's
  Adopt(frame);
}

Status Pager::Read(const Reference& reference, Frame** frame) {
  Missing missing;
  if (Status status = Peek(reference, frame, &missing); !status.ok() || *frame != nullptr) {
    return status;
  }
  misses_.fetch_add(1, std::memory_order_relaxed);
  FrameHandle fetched(NewFrame());
  if (Status status = ReadInto(reference, fetched.get()); !status.ok()) return status;
  *frame = fetched.get();
  fetched.frame_ = nullptr;  // from here on it is the table's
  Adopt(*frame);
  return Status::Ok();
}

Status Pager::ReadInto(const Reference& reference, Frame* frame) const {
  if (Status status = ReadThrough(reference, frame->page()); !status.ok()) return status;
  // The cache holds pages of trees alone, so nobody who takes one out of it has to ask.
  if (!frame->page().is_of_tree()) {
    return Corruption(reference.page, "is meant as a tree's page, and is none");
  }
  frame->self_ = reference;
  return Status::Ok();
}

Frame* Pager::Allocate(PageType type, uint32_t tree_id, uint32_t level) {
  auto* frame = NewFrame();
  frame->self_ = {free_list_.Allocate(), epoch_};
  frame->page().Format(type, frame->self_, tree_id, level);
  Adopt(frame);
  SetDirty(frame, true);
  return frame;
}

Frame* Pager::Writable(Frame* frame) {
  if (IsPrivate(frame->self_.birth)) {
    if (frame->dirty_) return frame;
    // It is in the file as it was; from now on memory is ahead of the file.
    if (!Lacks(mutant_, Rule::kBornAgain)) {
      frame->self_.birth = epoch_;
      frame->page().Identify(frame->self_);
    }
    SetDirty(frame, true);
    return frame;
  }
  auto* copy = NewFrame();
  std::memcpy(copy->bytes(), frame->bytes(), page_size_bytes_);
  copy->self_ = {free_list_.Allocate(), epoch_};
  copy->page().Identify(copy->self_);
  Adopt(copy);
  SetDirty(copy, true);
  Retire(frame->self_);
  return copy;
}

void Pager::Retire(Reference reference) {
  if (IsPrivate(reference.birth)) {
    Forget(reference.page);
    free_list_.Release(reference.page);
    return;
  }
  free_list_.Retire({reference.page, reference.birth, epoch_});
  if (Frame* frame = table_.Find(reference.page); frame != nullptr) {
    frame->retired_ = true;
    retired_resident_++;
    DropIfUseless(frame);
  }
  if (free_list_.wants_reclaim()) Reclaim();
}

void Pager::Reclaim() {
  if (writes_under_way_ > 0) return;
  std::vector<uint64_t> needed;
  if (!Lacks(mutant_, Rule::kPagesOfTheMetas)) needed = meta_epochs_;
  if (!Lacks(mutant_, Rule::kPagesOfSnapshots)) {
    needed.insert(needed.end(), snapshots_.begin(), snapshots_.end());
  }
  std::sort(needed.begin(), needed.end());
  free_list_.Reclaim(needed, [this](uint64_t page) { Forget(page); });
}

// -- epochs ---------------------------------------------------------------------------------------

uint64_t Pager::OpenEpoch() {
  const uint64_t epoch = epoch_++;
  disturbances_++;
  snapshots_.push_back(epoch);
  if (!Lacks(mutant_, Rule::kFrozenSnapshots)) frozen_epoch_ = epoch;
  return epoch;
}

void Pager::CloseEpoch(uint64_t epoch) {
  const auto found = std::find(snapshots_.rbegin(), snapshots_.rend(), epoch);
  assert(found != snapshots_.rend());
  snapshots_.erase(std::next(found).base());
  frozen_epoch_ = std::max(checkpoint_epoch_, snapshots_.empty() ? 0 : snapshots_.back());
}

// -- writing to the file --------------------------------------------------------------------------

std::vector<FrameHandle> Pager::DirtyPages(uint64_t epoch) const {
  std::vector<FrameHandle> dirty;
  for (Frame* frame : frames_) {
    if (frame->dirty_ && frame->self_.birth <= epoch) dirty.push_back(Keep(frame));
  }
  std::sort(dirty.begin(), dirty.end(), [](const FrameHandle& a, const FrameHandle& b) {
    return a->self_.page < b->self_.page;
  });
  return dirty;
}

Status Pager::WritePages(std::span<const FrameHandle> pages) {
  std::vector<uint8_t> run;
  for (size_t i = 0; i < pages.size();) {
    const uint64_t first = pages[i]->self_.page;
    run.clear();
    // Pages are sealed in a copy: readers may be looking at the original.
    do {
      const uint64_t number = pages[i]->self_.page;
      VersionOf(number).fetch_add(1);
      const uint8_t* bytes = pages[i]->bytes();
      run.insert(run.end(), bytes, bytes + page_size_bytes_);
      Page(run.data() + run.size() - page_size_bytes_, page_size_bytes_).Seal();
      i++;
    } while (i < pages.size() && run.size() + page_size_bytes_ <= kWriteBytes &&
             pages[i]->self_.page == first + run.size() / page_size_bytes_);
    if (Status status = file_->Write(run, first * page_size_bytes_); !status.ok()) return status;
  }
  return Status::Ok();
}

void Pager::MarkClean(std::span<const FrameHandle> pages) {
  disturbances_++;
  for (const FrameHandle& handle : pages) {
    if (handle->self_.birth == epoch_ && !Lacks(mutant_, Rule::kLaterBirth)) epoch_++;
    SetDirty(handle.get(), false);
    DropIfUseless(handle.get());
  }
}

Status Pager::Sync() {
  Status status = file_->Sync();
  return Lacks(mutant_, Rule::kFailedSync) ? status : NoRefusal(status);
}

Status Pager::WriteThrough(const Page& page) {
  if (read_only_) {
    past_file_[page.page_number()].assign(page.bytes(), page.bytes() + page_size_bytes_);
    return Status::Ok();
  }
  VersionOf(page.page_number()).fetch_add(1);
  page.Seal();
  return file_->Write({page.bytes(), page_size_bytes_}, page.page_number() * page_size_bytes_);
}

Status Pager::ReadThrough(const Reference& reference, const Page& page) const {
  const auto kept = past_file_.find(reference.page);
  if (kept != past_file_.end()) {
    std::memcpy(page.bytes(), kept->second.data(), page_size_bytes_);
    return Status::Ok();
  }
  size_t count = 0;
  const uint64_t offset = reference.page * page_size_bytes_;
  if (Status status = file_->Read({page.bytes(), page_size_bytes_}, offset, &count); !status.ok()) {
    return status;
  }
  if (count < page_size_bytes_) {
    return Corruption(reference.page, "it lies beyond the end of the file");
  }
  if (std::string problem = page.ProblemAs(reference, mutant_); !problem.empty()) {
    return Corruption(reference.page, problem);
  }
  return Status::Ok();
}

bool Pager::CopyIfDirty(uint64_t page, std::span<uint8_t> target) const {
  const Frame* frame = table_.Find(page);
  if (frame == nullptr || !frame->dirty_) return false;
  std::memcpy(target.data(), frame->bytes(), page_size_bytes_);
  Page(target.data(), page_size_bytes_).Seal();
  return true;
}

Status Pager::ReadUnchecked(uint64_t page, std::span<uint8_t> target, size_t* count) const {
  const auto kept = past_file_.find(page);
  if (kept == past_file_.end()) return file_->Read(target, page * page_size_bytes_, count);
  std::memcpy(target.data(), kept->second.data(), page_size_bytes_);
  Page(target.data(), page_size_bytes_).Seal();
  *count = page_size_bytes_;
  return Status::Ok();
}

// -- keeping the bound ----------------------------------------------------------------------------

std::vector<FrameHandle> Pager::Trim(size_t max_dirty) {
  std::vector<FrameHandle> to_write;
  // Two turns of the hand give every page its second chance; what is still there then is in use.
  for (size_t steps = 2 * frames_.size(); is_over() && steps > 0; steps--) {
    if (hand_ >= frames_.size()) hand_ = 0;
    Frame* frame = frames_[hand_];
    if (frame->referenced_.exchange(false, std::memory_order_relaxed) ||
        frame->owners_.load() > 1) {
      hand_++;
    } else if (!frame->dirty_) {
      Drop(frame);  // another frame takes its place under the hand
    } else {
      hand_++;
      if (read_only_ || max_dirty == 0) continue;
      to_write.push_back(Keep(frame));
      if (to_write.size() >= max_dirty) break;
    }
  }
  std::sort(to_write.begin(), to_write.end(), [](const FrameHandle& a, const FrameHandle& b) {
    return a->self_.page < b->self_.page;
  });
  return to_write;
}

CacheStats Pager::stats() const {
  return {capacity_pages_, frames_.size(), dirty_count_, misses_.load(std::memory_order_relaxed)};
}

void Pager::Adopt(Frame* frame) {
  frame->index_ = frames_.size();
  frames_.push_back(frame);
  resident_ = frames_.size();
  table_.Insert(frame->self_.page, frame);
}

void Pager::Forget(uint64_t page) {
  VersionOf(page).fetch_add(
      1);  // what a reader is fetching from there must not be admitted any more
  Frame* frame = table_.Find(page);
  if (frame != nullptr) Drop(frame);
}

// A retired page makes room at once: who still wants it, a snapshot, finds it in the file.
void Pager::DropIfUseless(Frame* frame) {
  if (frame->retired_ && !frame->dirty_ && table_.Find(frame->self_.page) == frame) Drop(frame);
}

void Pager::Drop(Frame* frame) {
  disturbances_++;
  SetDirty(frame, false);
  if (frame->retired_) retired_resident_--;
  table_.Remove(frame->self_.page);
  Frame* last = frames_.back();
  frames_[frame->index_] = last;
  last->index_ = frame->index_;
  frames_.pop_back();
  resident_ = frames_.size();
  FrameHandle::Release(frame);
}

void Pager::SetDirty(Frame* frame, bool dirty) {
  if (frame->dirty_ == dirty) return;
  frame->dirty_ = dirty;
  if (dirty) {
    dirty_count_++;
  } else {
    dirty_count_--;
  }
}

}  // namespace bedplate::btree

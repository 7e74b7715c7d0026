#include "lsm/states.h"

#include <algorithm>
#include <utility>

namespace bedplate::lsm {

States::States(std::shared_ptr<const Version> version, const Memory& memory)
    : active_(memory.active()), catalogue_(memory.catalogue()), position_(memory.position()) {
  (void)Replace(std::move(version));
}

Moment States::Now() const {
  const std::lock_guard lock(mutex_);
  return {current_, position(), catalogue_};
}

std::vector<Frozen> States::frozen() const {
  const std::lock_guard lock(mutex_);
  return {frozen_.begin(), frozen_.end()};
}

bool States::has_frozen() const {
  const std::lock_guard lock(mutex_);
  return !frozen_.empty();
}

uint64_t States::memtable_bytes() const {
  const std::shared_ptr<const ReadState> state =
      Current();  // which has to live as long as the loop
  uint64_t bytes = 0;
  for (const Layer& layer : state->layers) {
    if (layer.memtable != nullptr) bytes += layer.memtable->bytes();
  }
  return bytes;
}

Moment States::Pin(uint64_t now_ms) {
  const std::lock_guard lock(mutex_);
  const uint64_t pinned = position();  // once: commits go on meanwhile
  pins_.emplace(pinned, now_ms);
  return {current_, pinned, catalogue_};
}

void States::Unpin(uint64_t position, uint64_t since_ms) {
  const std::lock_guard lock(mutex_);
  const auto [first, end] = pins_.equal_range(position);
  const auto found =
      std::find_if(first, end, [&](const auto& pin) { return pin.second == since_ms; });
  if (found != end) pins_.erase(found);
}

std::vector<uint64_t> States::Pinned() const {
  const std::lock_guard lock(mutex_);
  std::vector<uint64_t> positions;
  for (const auto& [position, since_ms] : pins_) {
    if (positions.empty() || positions.back() != position) positions.push_back(position);
  }
  return positions;
}

size_t States::pin_count() const {
  const std::lock_guard lock(mutex_);
  return pins_.size();
}

uint64_t States::OldestPinMs(uint64_t otherwise) const {
  const std::lock_guard lock(mutex_);
  uint64_t oldest = otherwise;
  for (const auto& [position, since_ms] : pins_) oldest = std::min(oldest, since_ms);
  return oldest;
}

void States::Publish(const Memory& memory) {
  if (memory.catalogue() == catalogue_) {  // only the writer changes that
    position_.store(memory.position(), std::memory_order_release);
    return;
  }
  std::shared_ptr<const Catalogue> replaced = memory.catalogue();
  const std::lock_guard lock(mutex_);
  std::swap(catalogue_, replaced);
  position_.store(memory.position(), std::memory_order_release);
}

void States::Freeze(Frozen frozen, std::shared_ptr<const Memtable> active) {
  std::shared_ptr<const ReadState> replaced;
  const std::lock_guard lock(mutex_);
  frozen_.push_front(std::move(frozen));
  active_ = std::move(active);
  replaced = Replace(current_->version);
}

void States::Install(std::shared_ptr<const Version> version) {
  std::shared_ptr<const ReadState> replaced;
  const std::lock_guard lock(mutex_);
  replaced = Replace(std::move(version));
}

void States::InstallFlushed(std::shared_ptr<const Version> version) {
  std::shared_ptr<const ReadState> replaced;
  Frozen flushed;
  const std::lock_guard lock(mutex_);
  flushed = std::move(frozen_.back());
  frozen_.pop_back();
  replaced = Replace(std::move(version));
}

std::shared_ptr<const ReadState> States::Replace(std::shared_ptr<const Version> version) {
  auto next = std::make_shared<ReadState>();
  next->version = std::move(version);
  next->layers.push_back({active_, {}});
  size_t memtables = 0;
  for (const Frozen& frozen : frozen_) {
    next->layers.push_back({frozen.memtable, frozen.tables});
    if (frozen.memtable != nullptr) memtables++;
  }
  frozen_count_.store(memtables, std::memory_order_relaxed);
  std::shared_ptr<const ReadState> replaced = std::move(current_);
  current_ = std::move(next);
  return replaced;
}

}  // namespace bedplate::lsm

// What a store does by itself, for those who want to be told. The twin is ts/storage/lsm/events.ts.
#ifndef BEDPLATE_LSM_EVENTS_H_
#define BEDPLATE_LSM_EVENTS_H_

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <vector>

namespace bedplate::lsm {

// What has ended. Bytes of files; of a stall, bytes of memtables at its beginning.
struct Event {
  enum class Kind : uint8_t { kFlush, kMerge, kMove, kDrop, kStall };
  Kind kind;
  size_t level = 0;
  uint64_t input_bytes = 0;
  uint64_t bytes = 0;
  double milliseconds = 0;
};

// Measures how long something takes.
class Stopwatch {
 public:
  [[nodiscard]] double milliseconds() const {
    const std::chrono::duration<double, std::milli> passed =
        std::chrono::steady_clock::now() - began_at_;
    return passed.count();
  }

 private:
  std::chrono::steady_clock::time_point began_at_ = std::chrono::steady_clock::now();
};

// The last events of a store. Any thread.
class Events {
 public:
  // Whoever does not ask in time misses the oldest.
  static constexpr size_t kMaxKept = 1024;

  void Add(const Event& event) {
    const std::lock_guard lock(mutex_);
    kept_.push_back(event);
    count_++;
    if (kept_.size() > kMaxKept) kept_.pop_front();
  }

  // How many there have been.
  [[nodiscard]] uint64_t count() const {
    const std::lock_guard lock(mutex_);
    return count_;
  }

  // Those behind the first `*seen`, which becomes the count of all.
  [[nodiscard]] std::vector<Event> Since(uint64_t* seen) const {
    const std::lock_guard lock(mutex_);
    const uint64_t missed = std::min<uint64_t>(count_ - *seen, kept_.size());
    *seen = count_;
    return {kept_.end() - static_cast<ptrdiff_t>(missed), kept_.end()};
  }

 private:
  mutable std::mutex mutex_;
  std::deque<Event> kept_;
  uint64_t count_ = 0;
};

}  // namespace bedplate::lsm

#endif  // BEDPLATE_LSM_EVENTS_H_

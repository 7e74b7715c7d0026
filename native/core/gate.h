// A lock for many short reads and rare short changes. A reader touches only a cache line of its
// own, so readers on different threads never slow each other down; whoever changes something pays
// for that by looking at every reader's line. (Known as a big-reader lock or distributed
// reader-writer lock.)
#ifndef BEDPLATE_CORE_GATE_H_
#define BEDPLATE_CORE_GATE_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <thread>

namespace bedplate {

class Gate {
 public:
  static constexpr uint32_t kMaxReaders = 128;

  // The place of one reader: at most one thread uses it at a time.
  class Reader {
   public:
    Reader() = default;
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;

   private:
    friend class Gate;
    friend class SharedGuard;
    friend class ExclusiveGuard;
    alignas(64) std::atomic<bool> taken_{false};
    std::atomic<bool> inside_{false};
  };

  // A free place, or null if all are taken.
  [[nodiscard]] Reader* Attach() {
    for (uint32_t i = 0; i < kMaxReaders; i++) {
      if (readers_[i].taken_.exchange(true)) continue;
      uint32_t used = used_.load();
      while (used <= i && !used_.compare_exchange_weak(used, i + 1)) {
      }
      return &readers_[i];
    }
    return nullptr;
  }
  void Detach(Reader* reader) { reader->taken_.store(false); }

 private:
  friend class SharedGuard;
  friend class ExclusiveGuard;

  std::array<Reader, kMaxReaders> readers_;
  // Readers from here on were never attached.
  std::atomic<uint32_t> used_{0};
  std::atomic<bool> closed_{false};
  std::mutex exclusive_;
};

// Reading: nothing changes while it lives. Short, without I/O, never nested.
class SharedGuard {
 public:
  SharedGuard(Gate* gate, Gate::Reader* reader) : reader_(reader) {
    // Either the writer sees this store, or this thread sees the writer's: both are sequentially
    // consistent (Dekker's algorithm).
    while (true) {
      reader->inside_.store(true);
      if (!gate->closed_.load()) return;
      reader->inside_.store(false);
      gate->closed_.wait(true);
    }
  }
  ~SharedGuard() { reader_->inside_.store(false, std::memory_order_release); }
  SharedGuard(const SharedGuard&) = delete;
  SharedGuard& operator=(const SharedGuard&) = delete;

 private:
  Gate::Reader* reader_;
};

// Changing: nobody else is inside. Short; never inside a SharedGuard.
class ExclusiveGuard {
 public:
  explicit ExclusiveGuard(Gate* gate) : gate_(gate), lock_(gate->exclusive_) {
    gate->closed_.store(true);
    const uint32_t used = gate->used_.load();
    for (uint32_t i = 0; i < used; i++) {
      while (gate->readers_[i].inside_.load()) std::this_thread::yield();
    }
  }
  ~ExclusiveGuard() {
    gate_->closed_.store(false);
    gate_->closed_.notify_all();
  }
  ExclusiveGuard(const ExclusiveGuard&) = delete;
  ExclusiveGuard& operator=(const ExclusiveGuard&) = delete;

 private:
  Gate* gate_;
  std::lock_guard<std::mutex> lock_;
};

}  // namespace bedplate

#endif  // BEDPLATE_CORE_GATE_H_

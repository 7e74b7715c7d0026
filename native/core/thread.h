// A thread whose start may fail: std::thread would throw then, and nothing here catches.
#ifndef BEDPLATE_CORE_THREAD_H_
#define BEDPLATE_CORE_THREAD_H_

#include <functional>
#include <memory>

#include "core/status.h"

namespace bedplate {

// A running thread, or none. It takes no signals: those belong to the process that we are part of.
class Thread {
 public:
  Thread();
  // Waits for its end.
  ~Thread();
  Thread(Thread&& other) noexcept;
  Thread& operator=(Thread&& other) noexcept;
  Thread(const Thread&) = delete;
  Thread& operator=(const Thread&) = delete;

  // UNAVAILABLE if the machine has no more threads to give. `thread` must be none.
  static Status Start(std::function<void()> work, Thread* thread);
  // Waits for its end, if there is one; it is none then.
  void Join();

 private:
  struct Handle;
  std::unique_ptr<Handle> handle_;
};

}  // namespace bedplate

#endif  // BEDPLATE_CORE_THREAD_H_

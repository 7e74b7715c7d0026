#include "core/thread.h"

#include <utility>

#if defined(_WIN32)
#include <thread>
#else
#include <pthread.h>
#include <signal.h>
#endif

namespace bedplate {

#if defined(_WIN32)

struct Thread::Handle {
  std::thread thread;
};

Status Thread::Start(std::function<void()> work, Thread* thread) {
  thread->handle_ = std::make_unique<Handle>(Handle{std::thread(std::move(work))});
  return Status::Ok();
}

void Thread::Join() {
  if (handle_ == nullptr) return;
  handle_->thread.join();
  handle_.reset();
}

#else

struct Thread::Handle {
  pthread_t thread;
};

namespace {

void* Run(void* argument) {
  const std::unique_ptr<std::function<void()>> work(static_cast<std::function<void()>*>(argument));
  (*work)();
  return nullptr;
}

}  // namespace

Status Thread::Start(std::function<void()> work, Thread* thread) {
  auto handle = std::make_unique<Handle>();
  auto argument = std::make_unique<std::function<void()>>(std::move(work));
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const int error = pthread_create(&handle->thread, nullptr, Run, argument.get());
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error != 0) {
    return Status::Error(ErrorCode::kUnavailable,
                         "cannot start a thread: system error " + std::to_string(error),
                         "close stores that are not needed, or raise the limit of threads");
  }
  (void)argument.release();  // The thread owns it now.
  thread->handle_ = std::move(handle);
  return Status::Ok();
}

void Thread::Join() {
  if (handle_ == nullptr) return;
  pthread_join(handle_->thread, nullptr);
  handle_.reset();
}

#endif

Thread::Thread() = default;
Thread::~Thread() { Join(); }
Thread::Thread(Thread&& other) noexcept = default;
Thread& Thread::operator=(Thread&& other) noexcept {
  Join();
  handle_ = std::move(other.handle_);
  return *this;
}

}  // namespace bedplate

// POSIX file descriptors: owned, and calls on them that signals may interrupt. Not for Windows.
#ifndef BEDPLATE_VFS_DESCRIPTOR_H_
#define BEDPLATE_VFS_DESCRIPTOR_H_

#include <unistd.h>

#include <cerrno>
#include <utility>

namespace bedplate::vfs {

// Repeats a system call as long as a signal interrupts it.
template <typename Call>
auto RetryInterrupted(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

// An open descriptor, or none.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    // Not repeated on EINTR: Linux has closed it by then, and the number may be somebody else's.
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  [[nodiscard]] bool is_open() const { return number_ >= 0; }
  [[nodiscard]] int number() const { return number_; }

 private:
  int number_ = -1;
};

}  // namespace bedplate::vfs

#endif  // BEDPLATE_VFS_DESCRIPTOR_H_

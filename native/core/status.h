// The outcome of everything that can fail in the core. Results come out through the last arguments,
// which are set only on success.
#ifndef BEDPLATE_CORE_STATUS_H_
#define BEDPLATE_CORE_STATUS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace bedplate {

// The codes of ts/base/errors.ts that the core uses, which says what each of them means.
enum class ErrorCode : uint8_t {
  kOk,
  kInvalidInput,
  kNotFound,
  kAlreadyExists,
  kConflict,
  kLocked,
  kClosed,
  kReadOnly,
  kPermission,
  kDiskFull,
  kUnavailable,
  kNotSupported,
  kIncompatible,
  kIo,
  kCorruption,
  kInternal,
};

// The name that JavaScript knows the code by, such as "DISK_FULL".
[[nodiscard]] const char* NameOf(ErrorCode code);

// Success, or a code with a message. Cheap to copy; a success carries nothing.
class [[nodiscard]] Status {
 public:
  Status() = default;

  [[nodiscard]] static Status Ok() { return {}; }
  // `hint` says what the reader can do about it, if there is something.
  [[nodiscard]] static Status Error(ErrorCode code, std::string message, std::string hint = {}) {
    Status status;
    status.details_ =
        std::make_shared<const Details>(Details{code, std::move(message), std::move(hint), 0});
    return status;
  }
  // What the operating system said, as "cannot `action` `path`: ...". The code follows from
  // `error`, an errno, as in ts/io/disk-errors.ts.
  [[nodiscard]] static Status System(const std::string& action, const std::string& path, int error);

  [[nodiscard]] bool ok() const { return details_ == nullptr; }
  [[nodiscard]] ErrorCode code() const { return ok() ? ErrorCode::kOk : details_->code; }
  [[nodiscard]] bool Is(ErrorCode code) const { return this->code() == code; }
  // Only of a failure.
  [[nodiscard]] const std::string& message() const { return details_->message; }
  [[nodiscard]] const std::string& hint() const { return details_->hint; }
  // The errno that led to it, or 0.
  [[nodiscard]] int system_error() const { return ok() ? 0 : details_->system_error; }

 private:
  struct Details {
    ErrorCode code;
    std::string message;
    std::string hint;
    int system_error;
  };
  std::shared_ptr<const Details> details_;
};

}  // namespace bedplate

#endif  // BEDPLATE_CORE_STATUS_H_

#include "core/status.h"

#include <algorithm>
#include <array>
#include <cerrno>

namespace bedplate {
namespace {

// A system error: what it means to a caller, and what to call it. The same table stands in
// ts/io/disk-errors.ts, with the reasons.
struct SystemError {
  int number;
  const char* name;
  ErrorCode code;
  const char* explanation;  // null: the name says enough
};

constexpr auto kSystemErrors = std::to_array<SystemError>({
  {ENOENT, "ENOENT", ErrorCode::kNotFound, "no such file or directory"},
      {ENOTDIR, "ENOTDIR", ErrorCode::kNotFound, "a part of the path is not a directory"},
      {EEXIST, "EEXIST", ErrorCode::kAlreadyExists, "it exists already"},
      {ENOTEMPTY, "ENOTEMPTY", ErrorCode::kAlreadyExists, "the directory is not empty"},
      {EACCES, "EACCES", ErrorCode::kPermission, "permission denied"},
      {EPERM, "EPERM", ErrorCode::kPermission, "operation not permitted"},
      {EROFS, "EROFS", ErrorCode::kPermission, "the file system is read-only"},
      {ENOSPC, "ENOSPC", ErrorCode::kDiskFull, "no space left on the disk"},
#if defined(EDQUOT)
      {EDQUOT, "EDQUOT", ErrorCode::kDiskFull, "the disk quota is used up"},
#endif
      {EISDIR, "EISDIR", ErrorCode::kInvalidInput, "it is a directory"},
      {EINVAL, "EINVAL", ErrorCode::kInvalidInput, "the system calls it invalid"},
      {ELOOP, "ELOOP", ErrorCode::kInvalidInput, nullptr},
      {ENAMETOOLONG, "ENAMETOOLONG", ErrorCode::kInvalidInput, nullptr},
      {EXDEV, "EXDEV", ErrorCode::kInvalidInput, nullptr},
      {EMFILE, "EMFILE", ErrorCode::kUnavailable, "too many open files in this process"},
      {ENFILE, "ENFILE", ErrorCode::kUnavailable, "too many open files on this machine"},
      {EIO, "EIO", ErrorCode::kIo, "the disk reports an input/output error"},
      {EBADF, "EBADF", ErrorCode::kIo, nullptr}, {EBADMSG, "EBADMSG", ErrorCode::kIo, nullptr},
      {EBUSY, "EBUSY", ErrorCode::kIo, nullptr}, {EFBIG, "EFBIG", ErrorCode::kIo, nullptr},
      {ENODEV, "ENODEV", ErrorCode::kIo, nullptr}, {ENOMEM, "ENOMEM", ErrorCode::kIo, nullptr},
      {ENOTSUP, "ENOTSUP", ErrorCode::kIo, nullptr}, {ENXIO, "ENXIO", ErrorCode::kIo, nullptr},
      {EOVERFLOW, "EOVERFLOW", ErrorCode::kIo, nullptr},
      {ETIMEDOUT, "ETIMEDOUT", ErrorCode::kIo, nullptr},
      {ETXTBSY, "ETXTBSY", ErrorCode::kIo, nullptr},
});

// "explanation (NAME)", or what is known of it.
std::string Explain(int error, const SystemError* known) {
  if (known == nullptr) return "system error " + std::to_string(error);
  if (known->explanation == nullptr) return known->name;
  return std::string(known->explanation) + " (" + known->name + ")";
}

}  // namespace

const char* NameOf(ErrorCode code) {
  switch (code) {
    case ErrorCode::kOk:
      return "OK";
    case ErrorCode::kInvalidInput:
      return "INVALID_INPUT";
    case ErrorCode::kNotFound:
      return "NOT_FOUND";
    case ErrorCode::kAlreadyExists:
      return "ALREADY_EXISTS";
    case ErrorCode::kConflict:
      return "CONFLICT";
    case ErrorCode::kLocked:
      return "LOCKED";
    case ErrorCode::kClosed:
      return "CLOSED";
    case ErrorCode::kReadOnly:
      return "READ_ONLY";
    case ErrorCode::kPermission:
      return "PERMISSION";
    case ErrorCode::kDiskFull:
      return "DISK_FULL";
    case ErrorCode::kUnavailable:
      return "UNAVAILABLE";
    case ErrorCode::kNotSupported:
      return "NOT_SUPPORTED";
    case ErrorCode::kIncompatible:
      return "INCOMPATIBLE";
    case ErrorCode::kIo:
      return "IO";
    case ErrorCode::kCorruption:
      return "CORRUPTION";
    case ErrorCode::kInternal:
      return "INTERNAL";
  }
  return "INTERNAL";
}

Status Status::System(const std::string& action, const std::string& path, int error) {
  const auto found = std::ranges::find(kSystemErrors, error, &SystemError::number);
  const SystemError* known = found == kSystemErrors.end() ? nullptr : &*found;
  std::string message = "cannot " + action + " " + path + ": " + Explain(error, known);
  Status status;
  status.details_ = std::make_shared<const Details>(
      Details{known == nullptr ? ErrorCode::kIo : known->code, std::move(message), {}, error});
  return status;
}

}  // namespace bedplate

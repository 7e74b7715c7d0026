#include "core/status.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "test/test_support.h"

namespace bedplate {
namespace {

TEST(StatusTest, OfSuccessCarriesNothing) {
  const Status status = Status::Ok();
  EXPECT_TRUE(status.ok());
  EXPECT_EQ(status.code(), ErrorCode::kOk);
  EXPECT_EQ(status.system_error(), 0);
}

TEST(StatusTest, OfFailureSaysWhatAndWhatToDo) {
  const Status status = Status::Error(ErrorCode::kLocked, "it is taken", "close it");
  EXPECT_FALSE(status.ok());
  EXPECT_TRUE(status.Is(ErrorCode::kLocked));
  EXPECT_EQ(status.message(), "it is taken");
  EXPECT_EQ(status.hint(), "close it");
  EXPECT_EQ(status.system_error(), 0);
}

TEST(StatusTest, OfTheSystemReadsLikeTheTwins) {
  const Status status = Status::System("open", "a/b", ENOENT);
  EXPECT_EQ(status.message(), "cannot open a/b: no such file or directory (ENOENT)");
  EXPECT_EQ(status.system_error(), ENOENT);
  EXPECT_EQ(Status::System("rename", "a", EXDEV).message(), "cannot rename a: EXDEV");
  EXPECT_EQ(Status::System("read", "a", 9999).message(), "cannot read a: system error 9999");
}

TEST(StatusTest, OfTheSystemMeansOneOfOurCodes) {
  const std::pair<int, ErrorCode> meanings[] = {
      {ENOENT, ErrorCode::kNotFound},
      {ENOTDIR, ErrorCode::kNotFound},
      {EEXIST, ErrorCode::kAlreadyExists},
      {ENOTEMPTY, ErrorCode::kAlreadyExists},
      {EACCES, ErrorCode::kPermission},
      {EPERM, ErrorCode::kPermission},
      {EROFS, ErrorCode::kPermission},
      {ENOSPC, ErrorCode::kDiskFull},
      {EDQUOT, ErrorCode::kDiskFull},
      {EISDIR, ErrorCode::kInvalidInput},
      {EINVAL, ErrorCode::kInvalidInput},
      {ELOOP, ErrorCode::kInvalidInput},
      {ENAMETOOLONG, ErrorCode::kInvalidInput},
      {EXDEV, ErrorCode::kInvalidInput},
      {EMFILE, ErrorCode::kUnavailable},
      {ENFILE, ErrorCode::kUnavailable},
      {EIO, ErrorCode::kIo},
      {EBADMSG, ErrorCode::kIo},
      {9999, ErrorCode::kIo},
  };
  for (const auto& [error, code] : meanings) {
    EXPECT_EQ(Status::System("do", "it", error).code(), code) << error;
  }
}

TEST(StatusTest, HasTheNamesThatJavaScriptKnows) {
  EXPECT_STREQ(NameOf(ErrorCode::kOk), "OK");
  EXPECT_STREQ(NameOf(ErrorCode::kInvalidInput), "INVALID_INPUT");
  EXPECT_STREQ(NameOf(ErrorCode::kNotFound), "NOT_FOUND");
  EXPECT_STREQ(NameOf(ErrorCode::kAlreadyExists), "ALREADY_EXISTS");
  EXPECT_STREQ(NameOf(ErrorCode::kConflict), "CONFLICT");
  EXPECT_STREQ(NameOf(ErrorCode::kLocked), "LOCKED");
  EXPECT_STREQ(NameOf(ErrorCode::kClosed), "CLOSED");
  EXPECT_STREQ(NameOf(ErrorCode::kReadOnly), "READ_ONLY");
  EXPECT_STREQ(NameOf(ErrorCode::kPermission), "PERMISSION");
  EXPECT_STREQ(NameOf(ErrorCode::kDiskFull), "DISK_FULL");
  EXPECT_STREQ(NameOf(ErrorCode::kUnavailable), "UNAVAILABLE");
  EXPECT_STREQ(NameOf(ErrorCode::kNotSupported), "NOT_SUPPORTED");
  EXPECT_STREQ(NameOf(ErrorCode::kIncompatible), "INCOMPATIBLE");
  EXPECT_STREQ(NameOf(ErrorCode::kIo), "IO");
  EXPECT_STREQ(NameOf(ErrorCode::kCorruption), "CORRUPTION");
  EXPECT_STREQ(NameOf(ErrorCode::kInternal), "INTERNAL");
}

}  // namespace
}  // namespace bedplate

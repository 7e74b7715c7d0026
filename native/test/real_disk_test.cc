// What the conformance suite cannot ask of a healthy machine.
#include "vfs/real_disk.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <string>

#include "test/test_support.h"

namespace bedplate::vfs {
namespace {

// Lets no file of this process grow beyond a size: write(2) then takes less than all.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit = {bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    ::signal(SIGXFSZ, handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit before_{};
  void (*handler_)(int);
};

class RealDiskTest : public testing::Test {
 protected:
  std::unique_ptr<File> Open(const std::string& path, OpenMode mode) {
    std::unique_ptr<File> file;
    EXPECT_OK(disk_.Open(path, mode, &file));
    return file;
  }

  RealDisk disk_;
  TemporaryDirectory directory_;
};

TEST_F(RealDiskTest, LeavesTheWrittenPartOfAWriteThatThenFailsAndSaysWhy) {
  const auto file = Open(directory_.At("a"), OpenMode::kCreate);
  Status status;
  {
    const FileSizeLimit limit(3);
    status = file->Write(AsBytes("hello"), 0);
  }
  EXPECT_EQ(status.message(), "cannot write " + directory_.At("a") + ": EFBIG");
  EXPECT_EQ(ReadText(directory_.At("a")), "hel");
}

TEST_F(RealDiskTest, CallsADiskWithoutSpaceFull) {
  const auto file = Open("/dev/full", OpenMode::kWrite);
  EXPECT_EQ(file->Write(AsBytes("hello"), 0).code(), ErrorCode::kDiskFull);
}

TEST_F(RealDiskTest, TellsOfASyncThatFailed) {
  EXPECT_EQ(Open("/dev/null", OpenMode::kWrite)->Sync().message(),
            "cannot sync /dev/null: the system calls it invalid (EINVAL)");
}

TEST_F(RealDiskTest, TellsOfAReadThatFailed) {
  std::array<uint8_t, 1> target;
  size_t count = 7;
  // Nothing is mapped at the address 0.
  EXPECT_EQ(Open("/proc/self/mem", OpenMode::kRead)->Read(target, 0, &count).message(),
            "cannot read /proc/self/mem: the disk reports an input/output error (EIO)");
  EXPECT_EQ(count, 7u);
}

TEST_F(RealDiskTest, GivesTheDescriptorBackWhenADirectoryWasOpenedAsAFile) {
  const int before = ::open("/dev/null", O_RDONLY);
  std::unique_ptr<File> file;
  EXPECT_EQ(disk_.Open(directory_.path(), OpenMode::kRead, &file).code(), ErrorCode::kInvalidInput);
  const int after = ::open("/dev/null", O_RDONLY);
  EXPECT_EQ(after, before + 1);
  ::close(before);
  ::close(after);
}

TEST_F(RealDiskTest, HandsNoDescriptorToOtherPrograms) {
  const int expected = ::open("/dev/null", O_RDONLY);
  ::close(expected);
  const auto file = Open(directory_.At("a"), OpenMode::kCreate);
  EXPECT_EQ(::fcntl(expected, F_GETFD), FD_CLOEXEC);
}

TEST_F(RealDiskTest, FollowsLinksToWhatTheyName) {
  WriteText(directory_.At("a"), "hello");
  ASSERT_EQ(::symlink("a", directory_.At("link").c_str()), 0);
  ASSERT_EQ(::symlink("loop", directory_.At("loop").c_str()), 0);
  Kind kind = Kind::kAbsent;
  EXPECT_OK(disk_.KindOf(directory_.At("link"), &kind));
  EXPECT_EQ(kind, Kind::kFile);
  EXPECT_EQ(disk_.KindOf(directory_.At("loop"), &kind).code(), ErrorCode::kInvalidInput);
}

}  // namespace
}  // namespace bedplate::vfs

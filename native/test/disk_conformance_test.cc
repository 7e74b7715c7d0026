// What every disk does, whatever is below it: the twin of test/support/disk-conformance.ts.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "test/test_support.h"
#include "vfs/disk.h"
#include "vfs/disk_errors.h"
#include "vfs/real_disk.h"
#include "vfs/simulated_disk.h"

namespace bedplate::vfs {
namespace {

using FileNames = std::vector<std::string>;

// A disk with an empty directory.
class Setting {
 public:
  virtual ~Setting() = default;
  virtual Disk* disk() = 0;
  virtual std::string root() = 0;
};

class RealSetting final : public Setting {
 public:
  Disk* disk() override { return &disk_; }
  std::string root() override { return directory_.path(); }

 private:
  RealDisk disk_;
  TemporaryDirectory directory_;
};

class SimulatedSetting final : public Setting {
 public:
  SimulatedSetting() { EXPECT_OK(disk_.MakeDirectory("root")); }
  ~SimulatedSetting() override {
    EXPECT_EQ(disk_.open_files(), 0u);
    EXPECT_EQ(disk_.held_locks(), 0u);
  }
  Disk* disk() override { return &disk_; }
  std::string root() override { return "root"; }

 private:
  SimulatedDisk disk_;
};

struct Maker {
  const char* name;
  std::unique_ptr<Setting> (*make)();
};

class DiskConformanceTest : public testing::TestWithParam<Maker> {
 protected:
  [[nodiscard]] Disk& disk() { return *setting_->disk(); }
  [[nodiscard]] std::string root() { return setting_->root(); }
  [[nodiscard]] std::string At(const std::string& path) { return root() + "/" + path; }

  std::unique_ptr<File> Open(const std::string& path, OpenMode mode) {
    std::unique_ptr<File> file;
    const Status status = disk().Open(At(path), mode, &file);
    if (!status.ok()) ADD_FAILURE() << status.message();
    return file;
  }

  ErrorCode CodeOfOpen(const std::string& path, OpenMode mode) {
    std::unique_ptr<File> file;
    return disk().Open(At(path), mode, &file).code();
  }

  ErrorCode CodeOfLock(LockKind kind) {
    std::unique_ptr<Lock> lock;
    return disk().TakeLock(root(), kind, &lock).code();
  }

  std::unique_ptr<Lock> TakeLock(const std::string& directory, LockKind kind) {
    std::unique_ptr<Lock> lock;
    EXPECT_OK(disk().TakeLock(directory, kind, &lock));
    return lock;
  }

  void WriteFile(const std::string& path, std::string_view content) {
    EXPECT_OK(Open(path, OpenMode::kCreate)->Write(AsBytes(content), 0));
  }

  std::string ReadFile(const std::string& path) { return ReadAll(*Open(path, OpenMode::kRead)); }

  static std::string ReadAll(const File& file) { return ReadAt(file, 0, SizeOf(file)); }

  static std::string ReadAt(const File& file, uint64_t position, size_t length) {
    std::string text(length, '?');
    size_t count = 0;
    EXPECT_OK(file.Read({reinterpret_cast<uint8_t*>(text.data()), length}, position, &count));
    text.resize(count);
    return text;
  }

  static uint64_t SizeOf(const File& file) {
    uint64_t size = 0;
    EXPECT_OK(file.Size(&size));
    return size;
  }

  FileNames List(const std::string& directory) {
    FileNames names;
    EXPECT_OK(disk().List(directory, &names));
    return names;
  }

  Kind KindOf(const std::string& path) {
    Kind kind = Kind::kAbsent;
    EXPECT_OK(disk().KindOf(At(path), &kind));
    return kind;
  }

 private:
  std::unique_ptr<Setting> setting_ = GetParam().make();
};

INSTANTIATE_TEST_SUITE_P(Disks, DiskConformanceTest,
                         testing::Values(Maker{
                             "Real", [] { return std::unique_ptr<Setting>(new RealSetting()); }}),
                         [](const auto& info) { return info.param.name; });

TEST_P(DiskConformanceTest, FilesReadBackWhatWasWritten) {
  WriteFile("a", "hello");
  EXPECT_EQ(ReadFile("a"), "hello");
}

TEST_P(DiskConformanceTest, FilesStartEmptyAndAreToldByTheirPath) {
  const auto file = Open("a", OpenMode::kCreate);
  EXPECT_EQ(SizeOf(*file), 0u);
  EXPECT_EQ(file->path(), At("a"));
}

TEST_P(DiskConformanceTest, FilesAreOverwrittenInPlaceAcrossAnyBoundary) {
  const auto file = Open("a", OpenMode::kCreate);
  EXPECT_OK(file->Write(AsBytes(std::string(10'000, '1')), 0));
  EXPECT_OK(file->Write(AsBytes(std::string(5000, '2')), 4000));
  EXPECT_EQ(ReadAll(*file),
            std::string(4000, '1') + std::string(5000, '2') + std::string(1000, '1'));
}

TEST_P(DiskConformanceTest, FilesReadAsZerosInTheGapThatAWriteBeyondTheEndLeaves) {
  const auto file = Open("a", OpenMode::kCreate);
  EXPECT_OK(file->Write(AsBytes("x"), 9000));
  EXPECT_EQ(ReadAll(*file), std::string(9000, '\0') + "x");
}

TEST_P(DiskConformanceTest, FilesGiveFewerBytesOnlyAtTheEndAndNoneBeyondIt) {
  WriteFile("a", "hello");
  const auto file = Open("a", OpenMode::kRead);
  EXPECT_EQ(ReadAt(*file, 3, 4), "lo");
  EXPECT_EQ(ReadAt(*file, 5, 4), "");
  EXPECT_EQ(ReadAt(*file, 500, 4), "");
  EXPECT_EQ(ReadAt(*file, 0, 0), "");
}

TEST_P(DiskConformanceTest, FilesAreNotChangedByAWriteOfNothing) {
  const auto file = Open("a", OpenMode::kCreate);
  EXPECT_OK(file->Write({}, 100));
  EXPECT_EQ(SizeOf(*file), 0u);
}

TEST_P(DiskConformanceTest, FilesAreCutAndShowZerosWhenTheyGrowAgain) {
  const auto file = Open("a", OpenMode::kCreate);
  EXPECT_OK(file->Write(AsBytes(std::string(9000, '5')), 0));
  EXPECT_OK(file->Truncate(100));
  EXPECT_EQ(SizeOf(*file), 100u);
  EXPECT_OK(file->Truncate(9000));
  EXPECT_EQ(ReadAll(*file), std::string(100, '5') + std::string(8900, '\0'));
}

TEST_P(DiskConformanceTest, FilesKeepTheBytesThoughTheCallerUsesItsBufferAgain) {
  std::string buffer = "first";
  {
    const auto file = Open("a", OpenMode::kCreate);
    EXPECT_OK(file->Write(AsBytes(buffer), 0));
    buffer = "other";
  }
  EXPECT_EQ(ReadFile("a"), "first");
}

TEST_P(DiskConformanceTest, FilesAreSeenAlikeThroughAllTheirHandles) {
  const auto writer = Open("a", OpenMode::kCreate);
  const auto reader = Open("a", OpenMode::kRead);
  EXPECT_OK(writer->Write(AsBytes("shared"), 0));
  EXPECT_EQ(ReadAll(*reader), "shared");
}

TEST_P(DiskConformanceTest, FilesAreSynced) {
  const auto file = Open("a", OpenMode::kCreate);
  EXPECT_OK(file->Write(AsBytes("x"), 0));
  EXPECT_OK(file->Sync());
  EXPECT_OK(Open("a", OpenMode::kRead)->Sync());
}

TEST_P(DiskConformanceTest, FilesRefuseWritesWhenTheyWereOpenedForReading) {
  WriteFile("a", "hello");
  const auto file = Open("a", OpenMode::kRead);
  EXPECT_EQ(file->Write(AsBytes("x"), 0).code(), ErrorCode::kReadOnly);
  EXPECT_EQ(file->Truncate(0).code(), ErrorCode::kReadOnly);
  EXPECT_EQ(ReadFile("a"), "hello");
}

TEST_P(DiskConformanceTest, FilesRefusePositionsThatAreNone) {
  const auto file = Open("a", OpenMode::kCreate);
  std::array<uint8_t, 1> target;
  size_t count = 0;
  EXPECT_EQ(file->Write(AsBytes("x"), kMaxPosition).code(), ErrorCode::kInternal);
  EXPECT_EQ(file->Read(target, kMaxPosition, &count).code(), ErrorCode::kInternal);
  EXPECT_EQ(file->Truncate(kMaxPosition).code(), ErrorCode::kInternal);
}

TEST_P(DiskConformanceTest, OpenFindsNothingWhereNothingIs) {
  EXPECT_EQ(CodeOfOpen("a", OpenMode::kRead), ErrorCode::kNotFound);
  EXPECT_EQ(CodeOfOpen("a", OpenMode::kWrite), ErrorCode::kNotFound);
  EXPECT_EQ(CodeOfOpen("no/a", OpenMode::kRead), ErrorCode::kNotFound);
  EXPECT_EQ(CodeOfOpen("no/a", OpenMode::kCreate), ErrorCode::kNotFound);
}

TEST_P(DiskConformanceTest, OpenCreatesOnlyWhatIsNotThere) {
  WriteFile("a", "hello");
  EXPECT_OK(disk().MakeDirectory(At("d")));
  EXPECT_EQ(CodeOfOpen("a", OpenMode::kCreate), ErrorCode::kAlreadyExists);
  EXPECT_EQ(CodeOfOpen("d", OpenMode::kCreate), ErrorCode::kAlreadyExists);
  EXPECT_EQ(ReadFile("a"), "hello");
}

TEST_P(DiskConformanceTest, OpenRefusesDirectories) {
  EXPECT_OK(disk().MakeDirectory(At("d")));
  EXPECT_EQ(CodeOfOpen("d", OpenMode::kRead), ErrorCode::kInvalidInput);
  EXPECT_EQ(CodeOfOpen("d", OpenMode::kWrite), ErrorCode::kInvalidInput);
}

TEST_P(DiskConformanceTest, OpenFindsNothingBelowAFile) {
  WriteFile("a", "hello");
  EXPECT_EQ(CodeOfOpen("a/b", OpenMode::kRead), ErrorCode::kNotFound);
  EXPECT_EQ(CodeOfOpen("a/b", OpenMode::kCreate), ErrorCode::kNotFound);
}

TEST_P(DiskConformanceTest, OpenNamesThePathInItsErrors) {
  std::unique_ptr<File> file;
  const Status status = disk().Open(At("a"), OpenMode::kRead, &file);
  EXPECT_EQ(status.message(), "cannot open " + At("a") + ": no such file or directory (ENOENT)");
  EXPECT_EQ(status.system_error(), ENOENT);
}

TEST_P(DiskConformanceTest, DirectoriesListTheirNamesSorted) {
  for (const char* name : {"b", "a", "c"}) WriteFile(name, "");
  EXPECT_OK(disk().MakeDirectory(At("aa")));
  EXPECT_EQ(List(root()), (FileNames{"a", "aa", "b", "c"}));
}

TEST_P(DiskConformanceTest, DirectoriesAreListedOnlyIfTheyAre) {
  WriteFile("a", "");
  FileNames names;
  EXPECT_EQ(disk().List(At("no"), &names).code(), ErrorCode::kNotFound);
  EXPECT_EQ(disk().List(At("a"), &names).code(), ErrorCode::kNotFound);
}

TEST_P(DiskConformanceTest, DirectoriesAreToldFromFilesAndFromNothing) {
  WriteFile("a", "");
  EXPECT_OK(disk().MakeDirectory(At("d")));
  EXPECT_EQ(KindOf("a"), Kind::kFile);
  EXPECT_EQ(KindOf("d"), Kind::kDirectory);
  for (const char* path : {"no", "no/no", "a/b"}) EXPECT_EQ(KindOf(path), Kind::kAbsent) << path;
}

TEST_P(DiskConformanceTest, DirectoriesAreMadeOneAtATime) {
  EXPECT_OK(disk().MakeDirectory(At("d")));
  EXPECT_EQ(disk().MakeDirectory(At("d")).code(), ErrorCode::kAlreadyExists);
  EXPECT_EQ(disk().MakeDirectory(At("x/y")).code(), ErrorCode::kNotFound);
  EXPECT_OK(disk().MakeDirectory(At("d/e")));
  EXPECT_EQ(List(At("d")), FileNames{"e"});
}

TEST_P(DiskConformanceTest, DirectoriesAreRemovedOnlyWhenTheyAreEmpty) {
  EXPECT_OK(disk().MakeDirectory(At("d")));
  WriteFile("d/a", "");
  EXPECT_EQ(disk().RemoveDirectory(At("d")).code(), ErrorCode::kAlreadyExists);
  EXPECT_OK(disk().Unlink(At("d/a")));
  EXPECT_OK(disk().RemoveDirectory(At("d")));
  EXPECT_EQ(disk().RemoveDirectory(At("d")).code(), ErrorCode::kNotFound);
  WriteFile("a", "");
  EXPECT_EQ(disk().RemoveDirectory(At("a")).code(), ErrorCode::kNotFound);
}

TEST_P(DiskConformanceTest, DirectoriesAreSynced) {
  WriteFile("a", "");
  EXPECT_OK(disk().SyncDirectory(root()));
  EXPECT_EQ(disk().SyncDirectory(At("no")).code(), ErrorCode::kNotFound);
  EXPECT_EQ(disk().SyncDirectory(At("a")).code(), ErrorCode::kNotFound);
}

TEST_P(DiskConformanceTest, RenameMovesAFileAndReplacesTheOneThatHasTheName) {
  WriteFile("a", "new");
  WriteFile("b", "old");
  EXPECT_OK(disk().Rename(At("a"), At("b")));
  EXPECT_EQ(List(root()), FileNames{"b"});
  EXPECT_EQ(ReadFile("b"), "new");
}

TEST_P(DiskConformanceTest, RenameMovesBetweenDirectories) {
  EXPECT_OK(disk().MakeDirectory(At("d")));
  WriteFile("a", "x");
  EXPECT_OK(disk().Rename(At("a"), At("d/b")));
  EXPECT_EQ(List(root()), FileNames{"d"});
  EXPECT_EQ(ReadFile("d/b"), "x");
}

TEST_P(DiskConformanceTest, RenameMovesADirectoryWithAllThatIsInIt) {
  EXPECT_OK(disk().MakeDirectory(At("d")));
  WriteFile("d/a", "x");
  EXPECT_OK(disk().Rename(At("d"), At("e")));
  EXPECT_EQ(List(root()), FileNames{"e"});
  EXPECT_EQ(ReadFile("e/a"), "x");
}

TEST_P(DiskConformanceTest, RenameDoesNothingFromANameToItself) {
  WriteFile("a", "x");
  EXPECT_OK(disk().Rename(At("a"), At("a")));
  EXPECT_EQ(ReadFile("a"), "x");
}

TEST_P(DiskConformanceTest, RenameReplacesNoDirectoryAndNothingByADirectory) {
  WriteFile("a", "x");
  EXPECT_OK(disk().MakeDirectory(At("d")));
  EXPECT_OK(disk().MakeDirectory(At("e")));
  EXPECT_EQ(disk().Rename(At("a"), At("d")).code(), ErrorCode::kAlreadyExists);
  EXPECT_EQ(disk().Rename(At("e"), At("d")).code(), ErrorCode::kAlreadyExists);
  EXPECT_EQ(disk().Rename(At("d"), At("a")).code(), ErrorCode::kNotFound);
  EXPECT_EQ(disk().Rename(At("d"), At("d/x")).code(), ErrorCode::kInvalidInput);
  WriteFile("d/x", "x");
  EXPECT_EQ(disk().Rename(At("d"), At("d/x")).code(), ErrorCode::kInvalidInput);
  EXPECT_EQ(List(root()), (FileNames{"a", "d", "e"}));
}

TEST_P(DiskConformanceTest, RenameNeedsSomethingToRename) {
  EXPECT_OK(disk().MakeDirectory(At("d")));
  EXPECT_EQ(disk().Rename(At("no"), At("b")).code(), ErrorCode::kNotFound);
  EXPECT_EQ(disk().Rename(At("no"), At("d")).code(), ErrorCode::kNotFound);
}

TEST_P(DiskConformanceTest, RenameLeavesOpenHandlesWithTheirFiles) {
  WriteFile("a", "one");
  WriteFile("b", "two");
  const auto replaced = Open("b", OpenMode::kRead);
  const auto moved = Open("a", OpenMode::kWrite);
  EXPECT_OK(disk().Rename(At("a"), At("b")));
  EXPECT_OK(moved->Write(AsBytes("ONE"), 0));
  EXPECT_EQ(ReadAll(*replaced), "two");
  EXPECT_EQ(ReadFile("b"), "ONE");
}

TEST_P(DiskConformanceTest, UnlinkRemovesAFileAndNothingElse) {
  WriteFile("a", "x");
  EXPECT_OK(disk().MakeDirectory(At("d")));
  EXPECT_OK(disk().Unlink(At("a")));
  EXPECT_EQ(disk().Unlink(At("a")).code(), ErrorCode::kNotFound);
  EXPECT_EQ(disk().Unlink(At("d")).code(), ErrorCode::kInvalidInput);
  EXPECT_EQ(List(root()), FileNames{"d"});
}

TEST_P(DiskConformanceTest, UnlinkLeavesAnOpenHandleAtWorkAndTheNameFree) {
  WriteFile("a", "old");
  const auto handle = Open("a", OpenMode::kWrite);
  EXPECT_OK(disk().Unlink(At("a")));
  WriteFile("a", "new");
  EXPECT_OK(handle->Write(AsBytes("OLD"), 0));
  EXPECT_EQ(ReadAll(*handle), "OLD");
  EXPECT_EQ(ReadFile("a"), "new");
}

TEST_P(DiskConformanceTest, LockOfAWriterExcludesEverybody) {
  auto writer = TakeLock(root(), LockKind::kWriter);
  EXPECT_EQ(CodeOfLock(LockKind::kWriter), ErrorCode::kLocked);
  EXPECT_EQ(CodeOfLock(LockKind::kReader), ErrorCode::kLocked);
  writer.reset();
  EXPECT_EQ(CodeOfLock(LockKind::kWriter), ErrorCode::kOk);
  EXPECT_EQ(CodeOfLock(LockKind::kReader), ErrorCode::kOk);
}

TEST_P(DiskConformanceTest, LockOfReadersExcludesWritersAlone) {
  auto first = TakeLock(root(), LockKind::kReader);
  auto second = TakeLock(root(), LockKind::kReader);
  EXPECT_EQ(CodeOfLock(LockKind::kWriter), ErrorCode::kLocked);
  EXPECT_EQ(CodeOfLock(LockKind::kReader), ErrorCode::kOk);
  first.reset();
  EXPECT_EQ(CodeOfLock(LockKind::kWriter), ErrorCode::kLocked);
  second.reset();
  EXPECT_EQ(CodeOfLock(LockKind::kWriter), ErrorCode::kOk);
}

TEST_P(DiskConformanceTest, LockOfOneDirectorySaysNothingAboutAnother) {
  EXPECT_OK(disk().MakeDirectory(At("d")));
  auto one = TakeLock(root(), LockKind::kWriter);
  auto other = TakeLock(At("d"), LockKind::kWriter);
  one.reset();
  other.reset();
  EXPECT_EQ(List(root()), FileNames{"d"});
  EXPECT_EQ(List(At("d")), FileNames{});
}

TEST_P(DiskConformanceTest, LockNeedsADirectory) {
  std::unique_ptr<Lock> lock;
  EXPECT_EQ(disk().TakeLock(At("no"), LockKind::kWriter, &lock).code(), ErrorCode::kNotFound);
  EXPECT_EQ(disk().TakeLock(At("no"), LockKind::kReader, &lock).code(), ErrorCode::kNotFound);
}

}  // namespace
}  // namespace bedplate::vfs

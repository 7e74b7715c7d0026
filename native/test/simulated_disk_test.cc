#include "vfs/simulated_disk.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "test/test_support.h"
#include "vfs/real_disk.h"

namespace bedplate::vfs {
namespace {

std::string TextOf(const FileBytes& bytes) { return std::string(AsText(bytes.ReadAll())); }

// What an image holds, as `path` for directories and `path=content` for files.
std::vector<std::string> Describe(const DiskImage& image) {
  std::vector<std::string> lines(image.directories.begin(), image.directories.end());
  for (const auto& [path, bytes] : image.files) lines.push_back(path + "=" + TextOf(bytes));
  std::ranges::sort(lines);
  return lines;
}

using Lines = std::vector<std::string>;

class SimulatedDiskTest : public testing::Test {
 protected:
  std::unique_ptr<File> Open(const std::string& path, OpenMode mode) {
    std::unique_ptr<File> file;
    EXPECT_OK(disk_.Open(path, mode, &file));
    return file;
  }
  std::unique_ptr<File> Create(const std::string& path, std::string_view content = "") {
    auto file = Open(path, OpenMode::kCreate);
    EXPECT_OK(file->Write(AsBytes(content), 0));
    return file;
  }

  DiskImage Crash(CrashVariant variant, uint64_t seed = 1) {
    return CrashAt(disk_.history_length(), variant, seed);
  }
  DiskImage CrashAt(size_t point, CrashVariant variant, uint64_t seed = 1) {
    SeededRandom random(seed);
    DiskImage image;
    EXPECT_OK(disk_.CrashImage(point, variant, &random, &image));
    return image;
  }

  // What the file may hold after crashes of one variant, over many seeds.
  std::set<std::string> Seen(const std::string& path, CrashVariant variant) {
    std::set<std::string> seen;
    for (uint64_t seed = 0; seed < 500; seed++) {
      seen.insert(TextOf(Crash(variant, seed).files[path]));
    }
    return seen;
  }

  SimulatedDisk disk_;
};

TEST_F(SimulatedDiskTest, KeepsSyncedBytesUnderSyncedNamesWhateverTheVariant) {
  EXPECT_OK(Create("a", "hello")->Sync());
  EXPECT_OK(disk_.SyncDirectory("/"));
  for (const CrashVariant variant : kCrashVariants) {
    EXPECT_EQ(Describe(Crash(variant)), Lines{"a=hello"}) << NameOf(variant);
  }
}

TEST_F(SimulatedDiskTest, LosesTheNameOfAFileThatWasSyncedInADirectoryThatWasNot) {
  EXPECT_OK(Create("a", "hello")->Sync());
  EXPECT_EQ(Describe(Crash(CrashVariant::kNone)), Lines{});
  EXPECT_EQ(Describe(Crash(CrashVariant::kNamesLost)), Lines{});
  EXPECT_EQ(Describe(Crash(CrashVariant::kRenameWithoutData)), Lines{"a=hello"});
}

TEST_F(SimulatedDiskTest, LeavesAFileEmptyThatWasNamedDurablyBeforeItWasSynced) {
  const auto file = Create("a", "hello");
  EXPECT_OK(disk_.SyncDirectory("/"));
  EXPECT_EQ(Describe(Crash(CrashVariant::kNone)), Lines{"a="});
  EXPECT_EQ(Describe(Crash(CrashVariant::kAll)), Lines{"a=hello"});
}

TEST_F(SimulatedDiskTest, LosesADirectoryWithAllThatIsInItIfItsOwnNameWasNotSynced) {
  EXPECT_OK(disk_.MakeDirectory("d"));
  EXPECT_OK(Create("d/a", "hello")->Sync());
  EXPECT_OK(disk_.SyncDirectory("d"));
  EXPECT_EQ(Describe(Crash(CrashVariant::kNone)), Lines{});
  EXPECT_EQ(Describe(Crash(CrashVariant::kAll)), (Lines{"d", "d/a=hello"}));
}

TEST_F(SimulatedDiskTest, UndoesNameChangesUntilTheDirectoryIsSynced) {
  EXPECT_OK(Create("a", "1")->Sync());
  EXPECT_OK(Create("b", "2")->Sync());
  EXPECT_OK(disk_.MakeDirectory("d"));
  EXPECT_OK(disk_.SyncDirectory("/"));
  EXPECT_OK(disk_.Rename("a", "c"));
  EXPECT_OK(disk_.Unlink("b"));
  EXPECT_OK(disk_.RemoveDirectory("d"));
  EXPECT_EQ(Describe(Crash(CrashVariant::kNone)), (Lines{"a=1", "b=2", "d"}));
  EXPECT_EQ(Describe(Crash(CrashVariant::kAll)), Lines{"c=1"});
  EXPECT_OK(disk_.SyncDirectory("/"));
  EXPECT_EQ(Describe(Crash(CrashVariant::kNone)), Lines{"c=1"});
}

TEST_F(SimulatedDiskTest, MayKeepAnySubsetOfNameChangesEachRenameWhole) {
  EXPECT_OK(Create("a", "1")->Sync());
  EXPECT_OK(Create("b", "2")->Sync());
  EXPECT_OK(disk_.SyncDirectory("/"));
  EXPECT_OK(disk_.Rename("a", "c"));
  EXPECT_OK(disk_.Rename("b", "d"));
  std::set<Lines> seen;
  for (uint64_t seed = 0; seed < 100; seed++) {
    seen.insert(Describe(Crash(CrashVariant::kSubset, seed)));
  }
  EXPECT_EQ(seen,
            (std::set<Lines>{{"a=1", "b=2"}, {"b=2", "c=1"}, {"a=1", "d=2"}, {"c=1", "d=2"}}));
}

TEST_F(SimulatedDiskTest, NeverUndoesADurableRenameByAnOlderChange) {
  EXPECT_OK(disk_.MakeDirectory("d"));
  EXPECT_OK(disk_.SyncDirectory("/"));
  EXPECT_OK(Create("a", "1")->Sync());
  EXPECT_OK(disk_.Rename("a", "d/a"));
  EXPECT_OK(disk_.SyncDirectory("d"));
  for (const CrashVariant variant : kCrashVariants) {
    for (uint64_t seed = 0; seed < 20; seed++) {
      EXPECT_EQ(Describe(Crash(variant, seed)), (Lines{"d", "d/a=1"})) << NameOf(variant);
    }
  }
}

TEST_F(SimulatedDiskTest, NeverMakesARingOfDirectories) {
  EXPECT_OK(disk_.MakeDirectory("a"));
  EXPECT_OK(disk_.MakeDirectory("b"));
  EXPECT_OK(disk_.SyncDirectory("/"));
  EXPECT_OK(disk_.Rename("a", "b/a"));
  EXPECT_OK(disk_.Rename("b/a", "a"));
  EXPECT_OK(disk_.Rename("b", "a/b"));
  for (uint64_t seed = 0; seed < 100; seed++) {
    EXPECT_EQ(Crash(CrashVariant::kSubset, seed).directories.size(), 2u);
  }
}

TEST_F(SimulatedDiskTest, MayKeepAnySubsetOfUnsyncedWritesInTheirOrder) {
  const auto file = Create("a", "....");
  EXPECT_OK(file->Sync());
  EXPECT_OK(disk_.SyncDirectory("/"));
  EXPECT_OK(file->Write(AsBytes("11"), 0));
  EXPECT_OK(file->Write(AsBytes("22"), 1));
  EXPECT_EQ(Seen("a", CrashVariant::kSubset),
            (std::set<std::string>{"....", "11..", ".22.", "122."}));
}

TEST_F(SimulatedDiskTest, CoversBySyncWhatWasWrittenBeforeItBeganAndNothingElse) {
  const auto file = Create("a", "0");
  EXPECT_OK(disk_.SyncDirectory("/"));
  EXPECT_OK(file->Write(AsBytes("1"), 0));
  disk_.HoldSyncs();
  std::thread syncing([&] { EXPECT_OK(file->Sync()); });
  disk_.AwaitHeldSyncs(1);
  EXPECT_OK(file->Write(AsBytes("2"), 0));
  const size_t before_end = disk_.history_length();
  disk_.ReleaseSyncs();
  syncing.join();
  EXPECT_EQ(Describe(CrashAt(before_end, CrashVariant::kNone)), Lines{"a="});
  EXPECT_EQ(Describe(Crash(CrashVariant::kNone)), Lines{"a=1"});
  EXPECT_EQ(Describe(Crash(CrashVariant::kAll)), Lines{"a=2"});
}

TEST_F(SimulatedDiskTest, MixesSectorsOldNewTornAndDamagedButNoneThatWasNotWritten) {
  const std::string old(2048, 'o');
  const auto file = Create("a", old);
  EXPECT_OK(file->Sync());
  EXPECT_OK(disk_.SyncDirectory("/"));
  // Covers the second sector, and half of the third.
  EXPECT_OK(file->Write(AsBytes(std::string(768, 'n')), 512));
  bool torn = false;
  bool damaged = false;
  for (const std::string& text : Seen("a", CrashVariant::kSectors)) {
    EXPECT_EQ(text.size(), old.size());
    EXPECT_EQ(text.substr(0, 512), old.substr(0, 512));
    EXPECT_EQ(text.substr(1280), old.substr(1280));
    const std::string_view second = std::string_view(text).substr(512, 512);
    const bool is_mix = second.find_first_not_of("on") == std::string_view::npos;
    damaged |= !is_mix;
    torn |= is_mix && second.find('o') != std::string_view::npos &&
            second.find('n') != std::string_view::npos;
  }
  EXPECT_TRUE(torn);
  EXPECT_TRUE(damaged);
}

TEST_F(SimulatedDiskTest, DamagesNeighboursInTheSectorOnlyIfTheMediumIsNotPowersafe) {
  SimulatedDisk disk({.image = {}, .medium = {.sector_bytes = 512, .powersafe = false}});
  std::unique_ptr<File> file;
  EXPECT_OK(disk.Open("a", OpenMode::kCreate, &file));
  EXPECT_OK(file->Write(AsBytes(std::string(512, 'o')), 0));
  EXPECT_OK(file->Sync());
  EXPECT_OK(disk.SyncDirectory("/"));
  EXPECT_OK(file->Write(AsBytes("n"), 100));
  bool damaged = false;
  for (uint64_t seed = 0; seed < 200; seed++) {
    SeededRandom random(seed);
    DiskImage image;
    EXPECT_OK(disk.CrashImage(disk.history_length(), CrashVariant::kSectors, &random, &image));
    damaged |= TextOf(image.files["a"])[0] != 'o';
  }
  EXPECT_TRUE(damaged);
}

TEST_F(SimulatedDiskTest, MayLeaveTheNewSizeWithoutTheDataAndTheDataWithoutTheNewSize) {
  const auto file = Create("a", "old");
  EXPECT_OK(file->Sync());
  EXPECT_OK(disk_.SyncDirectory("/"));
  EXPECT_OK(file->Write(AsBytes("NEWER"), 0));
  const std::set<std::string> sizes = Seen("a", CrashVariant::kSizeWithoutData);
  EXPECT_TRUE(sizes.contains(std::string("old\0\0", 5)));
  EXPECT_TRUE(sizes.contains("old\xff\xff"));
  for (const std::string& text : sizes) {
    EXPECT_EQ(text.size(), 5u);
    EXPECT_EQ(text.substr(0, 3), "old");
  }
  EXPECT_EQ(Seen("a", CrashVariant::kDataWithoutSize), std::set<std::string>{"NEW"});
}

TEST_F(SimulatedDiskTest, ShowsNothingOfWhatASurvivingTruncateCutOff) {
  const auto file = Create("a", std::string(1000, 'o'));
  EXPECT_OK(file->Sync());
  EXPECT_OK(disk_.SyncDirectory("/"));
  EXPECT_OK(file->Truncate(600));
  EXPECT_OK(file->Truncate(1000));
  const std::string cut = std::string(600, 'o') + std::string(400, '\0');
  for (const CrashVariant variant : {CrashVariant::kSubset, CrashVariant::kSectors}) {
    EXPECT_EQ(Seen("a", variant),
              (std::set<std::string>{std::string(1000, 'o'), cut.substr(0, 600), cut}));
  }
}

TEST_F(SimulatedDiskTest, LeavesTheSameImageForTheSameArgumentsInWhateverOrder) {
  const auto file = Create("a");
  for (int i = 0; i < 700; i++) {
    EXPECT_OK(file->Write(AsBytes(std::to_string(i)), static_cast<uint64_t>(i * 100)));
    if (i % 50 == 0) {
      EXPECT_OK(file->Sync());
    }
    if (i % 70 == 0) {
      EXPECT_OK(disk_.SyncDirectory("/"));
    }
  }
  const size_t length = disk_.history_length();
  std::vector<Lines> rising;
  for (size_t point = 0; point <= length; point += 29) {
    rising.push_back(Describe(CrashAt(point, CrashVariant::kSectors)));
  }
  for (size_t i = rising.size(); i-- > 0;) {
    EXPECT_EQ(Describe(CrashAt(i * 29, CrashVariant::kSectors)), rising[i]);
  }
}

TEST_F(SimulatedDiskTest, LeavesADiskThatWorksAndThatCanBeCrashedAgain) {
  EXPECT_OK(disk_.MakeDirectory("d"));
  EXPECT_OK(Create("d/a", "one")->Sync());
  SimulatedDisk after({.image = Crash(CrashVariant::kAll)});
  std::unique_ptr<File> file;
  EXPECT_OK(after.Open("d/a", OpenMode::kWrite, &file));
  EXPECT_OK(file->Write(AsBytes("two"), 0));
  SeededRandom random(1);
  DiskImage image;
  EXPECT_OK(after.CrashImage(1, CrashVariant::kNone, &random, &image));
  EXPECT_EQ(Describe(image), (Lines{"d", "d/a=one"}));
  EXPECT_EQ(Describe(after.CurrentImage()), (Lines{"d", "d/a=two"}));
  EXPECT_EQ(Describe(disk_.CurrentImage()), (Lines{"d", "d/a=one"}));
}

TEST_F(SimulatedDiskTest, TakesAnImageThatNamesNoDirectories) {
  DiskImage image;
  image.files["d/e/a"] = FileBytes(AsBytes("hello"));
  SimulatedDisk disk({.image = image});
  EXPECT_EQ(Describe(disk.CurrentImage()), (Lines{"d", "d/e", "d/e/a=hello"}));
}

TEST_F(SimulatedDiskTest, ForgetsThePastWhenItIsTrimmed) {
  const auto file = Create("a", "1");
  EXPECT_OK(disk_.SyncDirectory("/"));
  EXPECT_OK(file->Sync());
  EXPECT_OK(file->Write(AsBytes("2"), 0));
  disk_.TrimHistory();
  const size_t trimmed = disk_.history_length();
  EXPECT_OK(file->Write(AsBytes("3"), 0));
  SeededRandom random(1);
  DiskImage image;
  EXPECT_EQ(disk_.CrashImage(trimmed - 1, CrashVariant::kAll, &random, &image).code(),
            ErrorCode::kInvalidInput);
  EXPECT_EQ(
      disk_.CrashImage(disk_.history_length() + 1, CrashVariant::kAll, &random, &image).code(),
      ErrorCode::kInvalidInput);
  EXPECT_EQ(Describe(CrashAt(trimmed, CrashVariant::kAll)), Lines{"a=2"});
  EXPECT_EQ(Seen("a", CrashVariant::kSubset), (std::set<std::string>{"1", "2", "3"}));
  EXPECT_EQ(disk_.DescribeEffectAt(0), "forgotten");
}

TEST_F(SimulatedDiskTest, TellsWhatHappenedInWords) {
  const auto file = Create("a", "hello");
  EXPECT_OK(file->Truncate(2));
  EXPECT_OK(file->Sync());
  EXPECT_OK(disk_.Rename("a", "b"));
  EXPECT_OK(disk_.Unlink("b"));
  EXPECT_OK(disk_.MakeDirectory("d"));
  Lines told;
  for (size_t i = 0; i < disk_.history_length(); i++) told.push_back(disk_.DescribeEffectAt(i));
  EXPECT_EQ(told, (Lines{"create a", "write a [0, 5)", "truncate a to 2", "sync of a begins",
                         "sync of a ends: durable", "rename a to b", "remove b", "mkdir d"}));
}

TEST_F(SimulatedDiskTest, FailsTheNthCallOfItsKindOnceOrForEver) {
  const auto file = Create("a");
  const auto once = disk_.FailAt({.operation = DiskOperation::kWrite, .nth = 2, .error = EIO});
  EXPECT_OK(file->Write(AsBytes("1"), 0));
  EXPECT_EQ(file->Write(AsBytes("2"), 0).code(), ErrorCode::kIo);
  EXPECT_OK(file->Write(AsBytes("3"), 0));
  EXPECT_EQ(once->applied(), 1u);
  const auto forever = disk_.FailAt({.path_part = "a", .nth = 1, .error = ENOSPC, .forever = true});
  EXPECT_EQ(file->Truncate(0).code(), ErrorCode::kDiskFull);
  EXPECT_EQ(file->Sync().code(), ErrorCode::kDiskFull);
  EXPECT_OK(disk_.MakeDirectory("d"));
  forever->Cancel();
  EXPECT_OK(file->Sync());
  EXPECT_EQ(forever->applied(), 2u);
}

TEST_F(SimulatedDiskTest, FailsEveryCallInItsTurnWithoutAnEffect) {
  const auto file = Create("a", "hello");
  const auto other = Create("b");
  const size_t before = disk_.history_length();
  const auto fault = disk_.FailAt({.error = EACCES, .forever = true});
  std::unique_ptr<File> opened;
  std::vector<std::string> names;
  std::array<uint8_t, 1> target;
  size_t count = 0;
  for (const Status& status :
       {disk_.Open("a", OpenMode::kRead, &opened), disk_.Open("c", OpenMode::kCreate, &opened),
        file->Read(target, 0, &count), file->Write(AsBytes("x"), 0), file->Truncate(0),
        disk_.Rename("a", "c"), disk_.Unlink("a"), disk_.MakeDirectory("d"),
        disk_.RemoveDirectory("d"), disk_.List("/", &names)}) {
    EXPECT_EQ(status.code(), ErrorCode::kPermission);
  }
  EXPECT_EQ(disk_.history_length(), before);
  EXPECT_EQ(fault->applied(), 10u);
}

TEST_F(SimulatedDiskTest, CanLeaveHalfOfAWriteBehind) {
  const auto file = Create("a");
  disk_.FailAt({.operation = DiskOperation::kWrite, .error = EIO, .short_write = true});
  EXPECT_EQ(file->Write(AsBytes("hello!"), 0).code(), ErrorCode::kIo);
  EXPECT_EQ(Describe(disk_.CurrentImage()), Lines{"a=hel"});
}

TEST_F(SimulatedDiskTest, LosesByAFailedSyncWhatItWasToCoverUnlessToldOtherwise) {
  const auto file = Create("a", "1");
  EXPECT_OK(disk_.SyncDirectory("/"));
  disk_.FailAt({.operation = DiskOperation::kSync});
  EXPECT_EQ(file->Sync().code(), ErrorCode::kIo);
  EXPECT_OK(file->Sync());
  EXPECT_EQ(Describe(Crash(CrashVariant::kAll)), Lines{"a="});
  EXPECT_EQ(Describe(disk_.CurrentImage()), Lines{"a=1"});
  EXPECT_OK(file->Write(AsBytes("2"), 0));
  disk_.FailAt({.operation = DiskOperation::kSync, .keep_unsynced = true});
  EXPECT_EQ(file->Sync().code(), ErrorCode::kIo);
  EXPECT_EQ(Describe(Crash(CrashVariant::kAll)), Lines{"a=2"});
  EXPECT_EQ(Describe(Crash(CrashVariant::kNone)), Lines{"a="});
  EXPECT_OK(file->Sync());
  EXPECT_EQ(Describe(Crash(CrashVariant::kNone)), Lines{"a=2"});
}

TEST_F(SimulatedDiskTest, LeavesNamesOpenWhenTheSyncOfADirectoryFails) {
  EXPECT_OK(Create("a")->Sync());
  disk_.FailAt({.operation = DiskOperation::kSyncDirectory});
  EXPECT_EQ(disk_.SyncDirectory("/").code(), ErrorCode::kIo);
  EXPECT_EQ(Describe(Crash(CrashVariant::kNone)), Lines{});
  EXPECT_OK(disk_.SyncDirectory("/"));
  EXPECT_EQ(Describe(Crash(CrashVariant::kNone)), Lines{"a="});
}

TEST_F(SimulatedDiskTest, IgnoresSyncsThatAMutantNames) {
  const auto file = Create("a", "1");
  EXPECT_OK(disk_.SyncDirectory("/"));
  disk_.IgnoreSyncs([](const SyncCall& call) { return call.path == "a" && !call.of_directory; });
  EXPECT_OK(file->Sync());
  EXPECT_EQ(disk_.ignored_syncs(), 1u);
  EXPECT_EQ(Describe(Crash(CrashVariant::kNone)), Lines{"a="});
  disk_.IgnoreSyncs(nullptr);
  EXPECT_OK(file->Sync());
  EXPECT_EQ(Describe(Crash(CrashVariant::kNone)), Lines{"a=1"});
}

TEST_F(SimulatedDiskTest, HasRoomForItsCapacityAndNoMore) {
  SimulatedDisk disk({.image = {}, .medium = {}, .capacity_bytes = 3 * kChunkBytes});
  std::unique_ptr<File> file;
  EXPECT_OK(disk.Open("a", OpenMode::kCreate, &file));
  const std::string text(4 * kChunkBytes, 'x');
  EXPECT_EQ(file->Write(AsBytes(text), 100).code(), ErrorCode::kDiskFull);
  EXPECT_EQ(disk.CurrentImage().files["a"].size(), 3 * kChunkBytes);
  EXPECT_OK(file->Write(AsBytes(text).first(100), 0));
  EXPECT_OK(file->Truncate(kChunkBytes));
  EXPECT_EQ(disk.used_bytes(), kChunkBytes);
  // A hole takes no space.
  EXPECT_OK(file->Write(AsBytes("x"), 10 * kChunkBytes));
  EXPECT_EQ(disk.used_bytes(), 2 * kChunkBytes);
  EXPECT_OK(disk.Unlink("a"));
  EXPECT_EQ(disk.used_bytes(), 2 * kChunkBytes);
  file.reset();
  EXPECT_EQ(disk.used_bytes(), 0u);
}

TEST_F(SimulatedDiskTest, KnowsPathsByWhatTheyMean) {
  EXPECT_OK(disk_.MakeDirectory("/d/"));
  EXPECT_OK(Create("./d//a", "x")->Sync());
  EXPECT_EQ(Describe(disk_.CurrentImage()), (Lines{"d", "d/a=x"}));
  EXPECT_EQ(CleanPath("../d/../d/./a"), "d/a");
}

// -- Random operations, on both disks and against a model of what is durable --

class RandomOperations : public testing::TestWithParam<uint64_t> {
 protected:
  std::string AnyPath() {
    static constexpr std::array<const char*, 6> kPaths = {"a", "b", "d", "d/a", "d/b", "d/d"};
    return kPaths[random_.Below(kPaths.size())];
  }

  std::string AnyText() {
    return std::string(random_.Below(6000), static_cast<char>('a' + random_.Below(26)));
  }

  SeededRandom random_{GetParam()};
};

INSTANTIATE_TEST_SUITE_P(Seeds, RandomOperations, testing::Range<uint64_t>(0, 20));

// One disk, with the files that a run has open on it.
class Operated {
 public:
  Operated(Disk* disk, std::string root) : disk_(disk), root_(std::move(root)) {}

  // Does the same on every disk, and says what came of it.
  std::string Do(uint64_t kind, const std::string& path, const std::string& other,
                 const std::string& text, uint64_t number) {
    const std::string at = root_ + "/" + path;
    switch (kind) {
      case 0:
        return Code(disk_->MakeDirectory(at));
      case 1:
        return Code(disk_->RemoveDirectory(at));
      case 2:
        return Code(disk_->Unlink(at));
      case 3:
        return Code(disk_->Rename(at, root_ + "/" + other));
      case 4:
        return OpenFile(at, OpenMode::kCreate);
      case 5:
        return OpenFile(at, OpenMode::kWrite);
      case 6:
        return OpenFile(at, OpenMode::kRead);
      case 7:
        return List(at);
      case 8:
        return Code(disk_->SyncDirectory(at));
      default:
        return files_.empty() ? "" : Use(kind, files_[number % files_.size()].get(), text, number);
    }
  }

 private:
  static std::string Code(const Status& status) { return NameOf(status.code()); }

  std::string OpenFile(const std::string& path, OpenMode mode) {
    std::unique_ptr<File> file;
    const Status status = disk_->Open(path, mode, &file);
    if (status.ok()) files_.push_back(std::move(file));
    if (files_.size() > 5) files_.erase(files_.begin());
    return Code(status);
  }

  std::string List(const std::string& path) {
    std::vector<std::string> names;
    const Status status = disk_->List(path, &names);
    std::string text = Code(status);
    for (const std::string& name : names) text += " " + name;
    return text;
  }

  static std::string Use(uint64_t kind, File* file, const std::string& text, uint64_t number) {
    const uint64_t position = number % 9000;
    if (kind < 12) return Code(file->Write(AsBytes(text), position));
    if (kind == 12) return Code(file->Truncate(position));
    if (kind == 13) return Code(file->Sync());
    std::vector<uint8_t> target(text.size());
    size_t count = 0;
    uint64_t size = 0;
    const std::string codes = Code(file->Read(target, position, &count)) + Code(file->Size(&size));
    return codes + std::to_string(size) + std::string(AsText(Bytes(target).first(count)));
  }

  Disk* const disk_;
  const std::string root_;
  std::vector<std::unique_ptr<File>> files_;
};

TEST_P(RandomOperations, HaveTheSameOutcomeOnBothDisks) {
  RealDisk real_disk;
  SimulatedDisk simulated_disk;
  const TemporaryDirectory directory;
  EXPECT_OK(simulated_disk.MakeDirectory("root"));
  Operated real(&real_disk, directory.path());
  Operated simulated(&simulated_disk, "root");
  for (int step = 0; step < 300; step++) {
    const uint64_t kind = random_.Below(16);
    const std::string path = AnyPath();
    const std::string other = AnyPath();
    const std::string text = AnyText();
    const uint64_t number = random_.NextUint32();
    ASSERT_EQ(simulated.Do(kind, path, other, text, number),
              real.Do(kind, path, other, text, number))
        << "step " << step << ": operation " << kind << " on " << path << ", " << other;
  }
}

TEST_P(RandomOperations, LeaveBytesThatWereThereSinceTheLastSync) {
  SimulatedDisk disk;
  std::unique_ptr<File> file;
  EXPECT_OK(disk.Open("a", OpenMode::kCreate, &file));
  EXPECT_OK(disk.SyncDirectory("/"));
  constexpr size_t kSize = 8192;
  std::string durable(kSize, '.');
  EXPECT_OK(file->Write(AsBytes(durable), 0));
  EXPECT_OK(file->Sync());
  std::string now = durable;
  // What each byte was since the last sync: one version if it was not written.
  std::vector<std::multiset<char>> versions(kSize, {'.'});
  for (int step = 0; step < 60; step++) {
    const std::string text = AnyText();
    const size_t position = random_.Below(kSize - text.size());
    EXPECT_OK(file->Write(AsBytes(text), position));
    now.replace(position, text.size(), text);
    for (size_t i = 0; i < text.size(); i++) versions[position + i].insert(text[i]);
    if (random_.Below(5) == 0) {
      EXPECT_OK(file->Sync());
      durable = now;
      for (size_t i = 0; i < kSize; i++) versions[i] = {now[i]};
    }
    const size_t point = disk.history_length();
    DiskImage image;
    EXPECT_OK(disk.CrashImage(point, CrashVariant::kNone, &random_, &image));
    ASSERT_EQ(TextOf(image.files["a"]), durable);
    EXPECT_OK(disk.CrashImage(point, CrashVariant::kAll, &random_, &image));
    ASSERT_EQ(TextOf(image.files["a"]), now);
    EXPECT_OK(disk.CrashImage(point, CrashVariant::kSubset, &random_, &image));
    const std::string subset = TextOf(image.files["a"]);
    EXPECT_OK(disk.CrashImage(point, CrashVariant::kSectors, &random_, &image));
    const std::string sectors = TextOf(image.files["a"]);
    for (size_t i = 0; i < kSize; i++) {
      ASSERT_TRUE(versions[i].contains(subset[i])) << "byte " << i;
      if (versions[i].size() == 1) {
        ASSERT_EQ(sectors[i], durable[i]) << "byte " << i;
      }
    }
  }
}

TEST(SimulatedDiskThreadsTest, MayAllUseItAtOnce) {
  SimulatedDisk disk;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; t++) {
    threads.emplace_back([&disk, t] {
      const std::string path = "file" + std::to_string(t);
      SeededRandom random(static_cast<uint64_t>(t));
      std::unique_ptr<File> file;
      EXPECT_OK(disk.Open(path, OpenMode::kCreate, &file));
      for (uint64_t i = 0; i < 50; i++) {
        EXPECT_OK(file->Write(AsBytes(std::to_string(i)), i * 1000));
        EXPECT_OK(file->Sync());
        EXPECT_OK(disk.SyncDirectory("/"));
        // Images share their bytes with the disk and with each other.
        DiskImage image;
        EXPECT_OK(disk.CrashImage(disk.history_length(), CrashVariant::kSectors, &random, &image));
        DiskImage copy = image;
        copy.files[path].Write(AsBytes("mine"), 0);
        EXPECT_EQ(disk.CurrentImage().files[path].size(), i * 1000 + std::to_string(i).size());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace bedplate::vfs

// What a log does while nothing goes wrong, and what it says when something does. Crashes are the
// business of log_crash_test.cc.
#include "log/log.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "log/segment.h"
#include "test/test_support.h"
#include "vfs/simulated_disk.h"

namespace bedplate::log {
namespace {

using std::chrono_literals::operator""ms;

class LogTest : public testing::Test {
 protected:
  LogTest() {
    EXPECT_OK(disk_.MakeDirectory("store"));
    EXPECT_OK(disk_.SyncDirectory("/"));
    options_.disk = &disk_;
    options_.directory = "store";
    for (size_t i = 0; i < options_.uuid.size(); i++) {
      options_.uuid[i] = static_cast<uint8_t>(i);
    }
    options_.first_segment_bytes = 64 << 10;
    options_.max_segment_bytes = 256 << 10;
    options_.on_progress = [this] { progress_++; };
  }

  Status TryOpen() {
    log_.reset();
    replayed_.clear();
    return Log::Open(
        options_,
        [this](uint64_t position, Bytes record) {
          replayed_.push_back(std::to_string(position) + ":" + std::string(AsText(record)));
          return Status::Ok();
        },
        &log_);
  }
  void Open() { ASSERT_OK(TryOpen()); }

  // Opens what a power cut leaves that takes everything that is not certain to stay.
  void OpenAfterPowerCut() {
    log_.reset();
    vfs::SimulatedDiskOptions crashed;
    SeededRandom random(1);
    ASSERT_OK(disk_.CrashImage(disk_.history_length(), vfs::CrashVariant::kNone, &random,
                               &crashed.image));
    disk_after_ = std::make_unique<vfs::SimulatedDisk>(crashed);
    options_.disk = disk_after_.get();
    Open();
  }

  uint64_t Append(const std::string& record) {
    EXPECT_OK(log_->Reserve(record.size()));
    const uint64_t position = log_->Append(AsBytes(record));
    log_->Submit();
    return position;
  }
  void AppendDurably(const std::string& record) { ASSERT_OK(log_->SyncTo(Append(record))); }

  // Waits for what a thread does on its own time.
  template <typename Condition>
  static bool Await(Condition condition) {
    for (int i = 0; i < 5000; i++) {
      if (condition()) return true;
      std::this_thread::sleep_for(1ms);
    }
    return false;
  }

  std::vector<std::string> Names() {
    std::vector<std::string> names;
    EXPECT_OK(disk_.List("store", &names));
    return names;
  }

  std::string FirstBytes(const std::string& name, size_t count) {
    std::unique_ptr<vfs::File> file;
    EXPECT_OK(disk_.Open("store/" + name, vfs::OpenMode::kRead, &file));
    std::string bytes(count, '\0');
    EXPECT_OK(file->Read({reinterpret_cast<uint8_t*>(bytes.data()), count}, 0, &count));
    return bytes;
  }

  vfs::SimulatedDisk disk_;
  std::unique_ptr<vfs::SimulatedDisk> disk_after_;
  LogOptions options_;
  std::vector<std::string> replayed_;
  std::atomic<int> progress_{0};
  std::unique_ptr<Log> log_;
};

using Lines = std::vector<std::string>;

TEST_F(LogTest, GivesBackItsRecordsNumberedFromOneAfterItWasClosed) {
  Open();
  EXPECT_EQ(Append("a"), 1U);
  EXPECT_EQ(Append(""), 2U);
  AppendDurably("c");
  EXPECT_EQ(log_->last_position(), 3U);
  EXPECT_EQ(log_->durable_position(), 3U);
  EXPECT_EQ(log_->acknowledged_position(), 3U);
  ASSERT_OK(log_->Close());
  ASSERT_OK(log_->Close());  // closing it again does nothing
  Open();
  EXPECT_EQ(replayed_, (Lines{"1:a", "2:", "3:c"}));
  AppendDurably("d");
  ASSERT_OK(log_->Close());
  options_.kept_elsewhere = 2;
  Open();
  EXPECT_EQ(replayed_, (Lines{"3:c", "4:d"}));
  EXPECT_EQ(log_->durable_position(), 4U);
}

TEST_F(LogTest, GivesThemBackWithoutHavingBeenClosed) {
  Open();
  for (int i = 0; i < 100; i++) AppendDurably("record " + std::to_string(i));
  for (size_t i = 0; i < 3; i++) {
    Open();
    ASSERT_EQ(replayed_.size(), 100 + i);
    AppendDurably("more");
  }
}

TEST_F(LogTest, ContinuesBehindWhatIsKeptElsewhereEvenIfThatIsMoreThanItHas) {
  Open();
  AppendDurably("a");
  ASSERT_OK(log_->Close());
  options_.kept_elsewhere = 7;
  Open();
  EXPECT_EQ(replayed_, Lines{});
  EXPECT_EQ(log_->last_position(), 7U);
  EXPECT_EQ(Append("b"), 8U);
  ASSERT_OK(log_->Close());
  Open();
  EXPECT_EQ(replayed_, Lines{"8:b"});
}

// The first frame of docs/formats/log.md, byte for byte.
TEST_F(LogTest, WritesTheBytesThatTheDocumentShows) {
  options_.first_segment_bytes = kFirstSegmentBytes;
  options_.max_segment_bytes = kMaxSegmentBytes;
  options_.manual = true;
  Open();
  ASSERT_OK(log_->Reserve(5));
  log_->Append(AsBytes("hello"));
  ASSERT_OK(log_->Reserve(0));
  log_->Append({});
  ASSERT_OK(log_->SyncTo(2));
  const std::string bytes = FirstBytes(SegmentName(1), kSegmentHeaderBytes + 77);
  EXPECT_EQ(bytes.substr(0, 8), "BPLS\xd3\xee\x84\x36");
  EXPECT_EQ(bytes.substr(kSegmentHeaderBytes, 12), "BPLF\x53\x60\x66\xef\x37\xc5\x8c\x07");
  EXPECT_EQ(bytes.substr(kSegmentHeaderBytes + 64), std::string("\5\0\0\0hello\0\0\0\0", 13));
}

TEST_F(LogTest, FillsManySegmentsAtEveryDurability) {
  options_.first_segment_bytes = 16 << 10;
  options_.max_segment_bytes = 64 << 10;
  for (const Durability durability :
       {Durability::kSync, Durability::kInterval, Durability::kOs, Durability::kMemory}) {
    vfs::SimulatedDisk disk;
    ASSERT_OK(disk.MakeDirectory("store"));
    options_.disk = &disk;
    options_.durability = durability;
    options_.interval_ms = 1;
    Open();
    Lines expected;
    for (int i = 0; i < 3000; i++) {
      const std::string record = std::to_string(i) + std::string(static_cast<size_t>(i) % 300, 'x');
      expected.push_back(std::to_string(i + 1) + ":" + record);
      Append(record);
      if (i % 500 == 0) ASSERT_OK(log_->SyncTo(log_->last_position()));
    }
    ASSERT_OK(log_->SyncTo(log_->last_position()));
    EXPECT_EQ(log_->durable_position(), 3000U);
    EXPECT_GT(log_->stats().segment_count, 5U);
    Open();
    EXPECT_EQ(replayed_, expected);
    ASSERT_OK(log_->Close());
    log_.reset();
    EXPECT_EQ(disk.open_files(), 0U);
  }
}

TEST_F(LogTest, TakesARecordLargerThanASegment) {
  options_.first_segment_bytes = 16 << 10;
  options_.max_segment_bytes = 64 << 10;
  Open();
  AppendDurably("small");
  AppendDurably(std::string(300000, 'L'));
  AppendDurably("small again");
  ASSERT_OK(log_->Close());
  Open();
  ASSERT_EQ(replayed_.size(), 3U);
  EXPECT_EQ(replayed_[1].size(), 300002U);
  EXPECT_EQ(log_->Reserve(kMaxRecordBytes + 1).code(), ErrorCode::kInvalidInput);
}

TEST_F(LogTest, SharesOneSyncAmongTheRecordsThatComeWhileAnotherRuns) {
  Open();
  AppendDurably("the first segment gets its name");
  const uint64_t syncs = log_->stats().syncs;
  disk_.HoldSyncs();
  Append("alone");
  disk_.AwaitHeldSyncs(1);
  for (int i = 0; i < 50; i++) Append("together");
  EXPECT_EQ(log_->durable_position(), 1U);
  EXPECT_EQ(log_->acknowledged_position(), 1U);
  disk_.ReleaseSyncs();
  ASSERT_OK(log_->SyncTo(52));
  EXPECT_EQ(log_->stats().syncs, syncs + 2);
  EXPECT_EQ(log_->stats().appends, 52U);
}

TEST_F(LogTest, TellsOfEveryMoveOfItsPositions) {
  Open();
  AppendDurably("a");
  EXPECT_TRUE(Await([&] { return progress_ == 1; }));
  AppendDurably("b");
  EXPECT_TRUE(Await([&] { return progress_ == 2; }));
}

TEST_F(LogTest, AcknowledgesBeforeTheSyncWhatIsOnlyHandedToTheSystem) {
  options_.durability = Durability::kOs;
  Open();
  AppendDurably("the first segment gets its name");
  disk_.HoldSyncs();
  Append("a");
  EXPECT_TRUE(Await([&] { return log_->acknowledged_position() == 2; }));
  EXPECT_EQ(log_->durable_position(), 1U);
  log_->RequestSync(2);
  disk_.AwaitHeldSyncs(1);
  EXPECT_EQ(log_->durable_position(), 1U);
  disk_.ReleaseSyncs();
  ASSERT_OK(log_->SyncTo(2));
}

TEST_F(LogTest, SyncsUnaskedEveryInterval) {
  options_.durability = Durability::kInterval;
  options_.interval_ms = 5;
  Open();
  for (uint64_t position = 1; position < 5; position++) {
    Append("a");
    EXPECT_TRUE(Await([&] { return log_->durable_position() == position; }));
  }
}

TEST_F(LogTest, KeepsInMemoryWhatNobodyAskedFor) {
  options_.durability = Durability::kMemory;
  Open();
  Append("a");
  EXPECT_EQ(log_->acknowledged_position(), 1U);
  std::this_thread::sleep_for(20ms);
  EXPECT_EQ(log_->stats().frames, 0U);
  log_->RequestSync(1);
  EXPECT_TRUE(Await([&] { return log_->durable_position() == 1; }));
  // Much of it is written in any case.
  Append(std::string(2 << 20, 'm'));
  EXPECT_TRUE(Await([&] { return log_->stats().frames == 2; }));
}

TEST_F(LogTest, HoldsBackWhatIsAppendedAfterHold) {
  Open();
  AppendDurably("before");
  log_->Hold();
  const uint64_t held = Append("held");
  ASSERT_OK(log_->SyncTo(held - 1));
  log_->RequestSync(held);
  std::this_thread::sleep_for(20ms);
  EXPECT_EQ(log_->durable_position(), held - 1);
  Append("held too");
  log_->Release();
  ASSERT_OK(log_->SyncTo(held + 1));
  Open();
  EXPECT_EQ(replayed_, (Lines{"1:before", "2:held", "3:held too"}));
}

TEST_F(LogTest, RefusesWhatDoesNotFitBesideWhatIsHeldBack) {
  options_.max_pending_bytes = 1000;
  Open();
  AppendDurably("before");
  log_->Hold();
  Append(std::string(900, 'h'));
  EXPECT_EQ(log_->Reserve(200).code(), ErrorCode::kUnavailable);
  log_->Release();
  AppendDurably(std::string(200, 'a'));
}

TEST_F(LogTest, MakesAWriterWaitThatIsFarAheadOfTheDevice) {
  options_.max_pending_bytes = 10000;
  Open();
  AppendDurably("the first segment gets its name");
  disk_.HoldSyncs();
  Append(std::string(4000, 'a'));
  disk_.AwaitHeldSyncs(1);
  Append(std::string(5000, 'b'));
  std::atomic<bool> is_reserved{false};
  std::thread writer([&] {
    EXPECT_OK(log_->Reserve(3000));
    is_reserved = true;
  });
  std::this_thread::sleep_for(20ms);
  EXPECT_FALSE(is_reserved);
  disk_.ReleaseSyncs();
  writer.join();
  EXPECT_TRUE(is_reserved);
}

TEST_F(LogTest, RecyclesTheSegmentsThatNobodyNeeds) {
  options_.first_segment_bytes = 16 << 10;
  options_.max_segment_bytes = 64 << 10;
  Open();
  for (uint64_t i = 1; i <= 2000; i++) {
    AppendDurably(std::to_string(i) + std::string(500, 'x'));
    if (i % 50 == 0) log_->DiscardUpTo(i - 10);
  }
  EXPECT_TRUE(Await([&] { return log_->stats().segment_count < 4; }));
  EXPECT_TRUE(Await([&] { return Names().size() < 7; }));
  ASSERT_OK(log_->Close());
  options_.kept_elsewhere = 1990;
  Open();
  EXPECT_EQ(replayed_.size(), 10U);
}

TEST_F(LogTest, KeepsEverySegmentThatHasARecordAboveThePosition) {
  options_.first_segment_bytes = 16 << 10;
  options_.max_segment_bytes = 64 << 10;
  Open();
  for (uint64_t i = 1; i <= 300; i++) AppendDurably(std::to_string(i) + std::string(500, 'x'));
  log_->DiscardUpTo(100);
  ASSERT_OK(log_->Close());
  options_.kept_elsewhere = 100;
  Open();
  EXPECT_EQ(replayed_.size(), 200U);
}

TEST_F(LogTest, LeavesOneSmallFileAheadForTheNextWriterAndCutsTheLastOne) {
  Open();
  for (int i = 0; i < 9; i++) AppendDurably(std::string(4000, 'x'));
  ASSERT_OK(log_->Close());
  EXPECT_LE(Names().size(), 2U);
  EXPECT_LE(disk_.used_bytes(), uint64_t{128} << 10);
}

TEST_F(LogTest, IsPoisonedByAFailedSync) {
  Open();
  AppendDurably("a");
  const auto fault = disk_.FailAt({.operation = vfs::DiskOperation::kSync});
  disk_.HoldSyncs();
  Append("b");
  disk_.AwaitHeldSyncs(1);
  Status lost = Status::Ok();
  std::thread waiter([&] { lost = log_->SyncTo(2); });
  std::this_thread::sleep_for(20ms);
  disk_.ReleaseSyncs();
  waiter.join();
  EXPECT_EQ(lost.code(), ErrorCode::kIo);
  EXPECT_NE(lost.message().find("outcome unknown"), std::string::npos) << lost.message();
  EXPECT_EQ(fault->applied(), 1U);
  EXPECT_EQ(log_->failure().code(), ErrorCode::kIo);
  EXPECT_EQ(log_->Reserve(1).code(), ErrorCode::kIo);
  EXPECT_EQ(log_->SyncTo(2).code(), ErrorCode::kIo);
  EXPECT_EQ(log_->durable_position(), 1U);
  EXPECT_TRUE(Await([&] { return progress_ == 2; }));
  ASSERT_OK(log_->Close());
  Open();
  EXPECT_EQ(replayed_.front(), "1:a");
  AppendDurably("c");
}

// Linux takes what a failed sync was to cover for written: the file has its whole size, but only
// until the power is cut.
TEST_F(LogTest, FillsAgainAFileThatAFailedSyncMayHaveLeft) {
  options_.first_segment_bytes = 16 << 10;
  options_.max_segment_bytes = 16 << 10;
  options_.manual = true;
  Open();
  AppendDurably("a");
  disk_.FailAt({.operation = vfs::DiskOperation::kSync, .path_part = SegmentName(2)});
  EXPECT_EQ(log_->SyncTo(Append(std::string(6000, 'b'))).code(), ErrorCode::kIo);
  Open();
  AppendDurably("c");
  EXPECT_EQ(Names(), (Lines{SegmentName(1), SegmentName(2)}));
  OpenAfterPowerCut();
  EXPECT_EQ(replayed_, (Lines{"1:a", "2:c"}));
}

// A segment counts from when it has its name; opening has to make that durable if the writer before
// could not, or did not come so far.
TEST_F(LogTest, WhatItFoundStaysEvenIfTheNameOfItsSegmentWasNotDurable) {
  options_.first_segment_bytes = 16 << 10;
  options_.max_segment_bytes = 16 << 10;
  options_.manual = true;
  Open();
  AppendDurably("a");
  disk_.FailAt({.operation = vfs::DiskOperation::kSyncDirectory});
  EXPECT_EQ(log_->SyncTo(Append(std::string(6000, 'b'))).code(), ErrorCode::kIo);
  Open();
  ASSERT_EQ(replayed_.size(), 2U);
  EXPECT_EQ(log_->durable_position(), 2U);
  OpenAfterPowerCut();
  EXPECT_EQ(replayed_.size(), 2U);
}

TEST_F(LogTest, IsPoisonedByAFailedWriteAlsoForThoseWhoWait) {
  Open();
  AppendDurably("a");
  disk_.HoldSyncs();
  Append("b");
  disk_.AwaitHeldSyncs(1);
  disk_.FailAt({.operation = vfs::DiskOperation::kWrite, .path_part = "log-", .short_write = true});
  Append(std::string(5000, 'c'));  // half of it reaches the file
  std::thread waiter([&] { EXPECT_EQ(log_->SyncTo(3).code(), ErrorCode::kIo); });
  disk_.ReleaseSyncs();
  waiter.join();
  EXPECT_EQ(log_->durable_position(), 2U);
  Open();
  EXPECT_EQ(replayed_, (Lines{"1:a", "2:b"}));
}

TEST_F(LogTest, AFullDiskRefusesARecordAndPoisonsNothing) {
  options_.first_segment_bytes = 16 << 10;
  options_.max_segment_bytes = 64 << 10;
  Open();
  AppendDurably("a");
  const auto fault = disk_.FailAt({.operation = vfs::DiskOperation::kWrite,
                                   .path_part = SegmentName(2),
                                   .error = ENOSPC,
                                   .forever = true});
  Status refused = Status::Ok();
  uint64_t taken = 1;
  for (; refused.ok(); taken++) {
    refused = log_->Reserve(1000);
    if (!refused.ok()) break;
    log_->Append(AsBytes(std::string(1000, 'x')));
    log_->Submit();
  }
  EXPECT_EQ(refused.code(), ErrorCode::kDiskFull);
  EXPECT_EQ(log_->last_position(), taken);
  ASSERT_OK(log_->failure());
  ASSERT_OK(log_->SyncTo(taken));
  fault->Cancel();
  AppendDurably(std::string(1000, 'y'));
  ASSERT_OK(log_->Close());
  Open();
  EXPECT_EQ(replayed_.size(), taken + 1);
}

TEST_F(LogTest, ReadingOnlyChangesNothing) {
  Open();
  AppendDurably("a");
  Append("b");
  ASSERT_OK(log_->Close());
  const size_t effects = disk_.history_length();
  options_.read_only = true;
  Open();
  EXPECT_EQ(replayed_, (Lines{"1:a", "2:b"}));
  EXPECT_EQ(log_->last_position(), 2U);
  EXPECT_EQ(log_->durable_position(), 2U);
  EXPECT_EQ(log_->Reserve(1).code(), ErrorCode::kReadOnly);
  ASSERT_OK(log_->SyncTo(2));
  ASSERT_OK(log_->failure());
  EXPECT_EQ(log_->stats().segment_count, 1U);
  ASSERT_OK(log_->Close());
  EXPECT_EQ(disk_.history_length(), effects);
}

TEST_F(LogTest, RefusesOddSizes) {
  for (const uint64_t bytes : {uint64_t{0}, uint64_t{8192}, uint64_t{16385}}) {
    options_.first_segment_bytes = bytes;
    EXPECT_EQ(TryOpen().code(), ErrorCode::kInvalidInput) << bytes;
  }
  options_.first_segment_bytes = 16 << 10;
  options_.max_pending_bytes = 0;
  EXPECT_EQ(TryOpen().code(), ErrorCode::kInvalidInput);
}

TEST_F(LogTest, PassesOnWhatReplayGives) {
  Open();
  AppendDurably("a");
  ASSERT_OK(log_->Close());
  std::unique_ptr<Log> again;
  EXPECT_EQ(
      Log::Open(
          options_, [&](uint64_t, Bytes) { return Status::Error(ErrorCode::kConflict, "stop"); },
          &again)
          .code(),
      ErrorCode::kConflict);
  EXPECT_EQ(again, nullptr);
}

TEST_F(LogTest, RefusesFilesOfALaterVersionAndOfOthers) {
  Open();
  AppendDurably("a");
  ASSERT_OK(log_->Close());
  options_.uuid[0] ^= 1;
  EXPECT_EQ(TryOpen().code(), ErrorCode::kCorruption);
}

TEST_F(LogTest, ClosedItTakesNothing) {
  Open();
  AppendDurably("a");
  ASSERT_OK(log_->Close());
  EXPECT_EQ(log_->Reserve(1).code(), ErrorCode::kClosed);
  ASSERT_OK(log_->SyncTo(1));
  log_->RequestSync(5);
  log_->Submit();
}

// One thread appends, others wait for what they need to be durable.
TEST_F(LogTest, ThreadsWaitForWhatAnotherAppends) {
  Open();
  constexpr uint64_t kRecords = 3000;
  std::atomic<uint64_t> appended{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; i++) {
    threads.emplace_back([&] {
      while (log_->durable_position() < kRecords) {
        const uint64_t position = appended;
        ASSERT_OK(log_->SyncTo(position));
        ASSERT_GE(log_->durable_position(), position);
        (void)log_->stats();
      }
    });
  }
  for (uint64_t i = 1; i <= kRecords; i++) {
    Append(std::to_string(i) + std::string(i % 200, 'x'));
    appended = i;
    if (i % 100 == 0) log_->DiscardUpTo(log_->durable_position() / 2);
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(log_->stats().frames, kRecords);
  ASSERT_OK(log_->Close());
}

}  // namespace
}  // namespace bedplate::log

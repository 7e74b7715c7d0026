// Power loss under the LSM store: every acknowledged commit is there after any crash, also one of
// the recovery, and the state is one that there was; a failing disk costs nothing that was
// promised; and every rule of the store is needed, for with any of them taken away the same checks
// fail. The twin is test/faults/lsm.ts.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/little_endian.h"
#include "lsm/mutant.h"
#include "test/heavy_test.h"
#include "test/lsm_life.h"
#include "test/test_support.h"

namespace bedplate::lsm {
namespace {

using Kind = ordered::OperationKind;
using vfs::CrashVariant;

constexpr int kImagesACase = 24;
constexpr int kDamagesACase = 6;
constexpr double kCompoundChance = 0.3;
constexpr int kMaxDepth = 3;
constexpr uint64_t kKeys = 120;

// What was covered.
struct Tally {
  uint64_t workloads = 0;
  uint64_t commits = 0;
  uint64_t images = 0;
  uint64_t compound = 0;  // of crashes during or after a recovery; part of `images`
  uint64_t damaged = 0;
  uint64_t faults = 0;
};

// -- workloads ------------------------------------------------------------------------------------

LifeSettings ChooseSettings(SeededRandom* random) {
  constexpr std::array kDurabilities = {log::Durability::kSync, log::Durability::kSync,
                                        log::Durability::kOs, log::Durability::kMemory,
                                        log::Durability::kInterval};
  LifeSettings settings;
  // What a FIFO store drops is no loss, but that would have to be told from one.
  if (random->Next() < 0.3) settings.plan.style = CompactionStyle::kTiered;
  if (random->Next() < 0.5) settings.shape.compression = Compression::kLz4;
  if (random->Next() < 0.2) settings.shape.bits_per_key = 0;
  if (random->Next() < 0.3) settings.shape.block_bytes = 1024;
  settings.durability = kDurabilities[random->Below(kDurabilities.size())];
  settings.first_segment_bytes = random->Next() < 0.5 ? 12288 : 16384;
  settings.medium.sector_bytes = random->Next() < 0.2 ? 4096 : 512;
  settings.medium.powersafe = random->Next() < 0.7;
  settings.interrupts = random->Next() < 0.7;
  return settings;
}

// A random store at work.
class Workload {
 public:
  Workload(LsmLife* life, SeededRandom* random) : life_(life), random_(*random) {
    life->on_interruption = [this] { return Interrupt(); };
  }
  ~Workload() { life_->on_interruption = nullptr; }
  Workload(const Workload&) = delete;
  Workload& operator=(const Workload&) = delete;

  // One random step.
  Complaint Step() {
    const uint64_t kind = random_.Below(100);
    has_ingested_meanwhile_ = false;
    if (kind < 58) return Write();
    if (kind < 66) return life_->Sync();
    if (kind < 69) {
      life_->Turn();
      return Status::Ok();
    }
    if (kind < 75) return life_->Work();
    if (kind < 77) {
      Complaint complaint = Ingest();
      return complaint.ok() && random_.Next() < 0.5 ? life_->FlushFrozen() : complaint;
    }
    if (kind < 82) return life_->Flush();
    if (kind < 85) return life_->Pin();
    if (kind < 87) return life_->Unpin();
    if (kind < 89) return life_->BeginWalk(Tree(), random_.Next() < 0.5);
    if (kind < 91) return life_->EndWalk();
    if (kind < 93) return life_->Compact();
    if (kind < 95) return life_->Check();
    if (kind < 98) return life_->Read(Tree(), Key());
    if (kind < 99) return life_->Reopen();
    Complaint complaint = life_->Close();
    return complaint.ok() ? life_->Reopen() : complaint;
  }

  // A commit of some kind.
  Complaint Write() {
    const uint64_t kind = random_.Below(100);
    if (kind < 40) return life_->Apply({Put()});
    if (kind < 55) return life_->Apply({{Kind::kDelete, Tree(), Key(), ""}});
    if (kind < 63) return life_->Apply({Increment()});
    if (kind < 70) return life_->Apply({Append(random_.Next() < 0.3 ? "2" : "3")});
    if (kind < 86) return life_->Apply(Batch());
    if (kind < 92) return life_->CompareAndSwap(Tree(), Key(), random_.Next() < 0.7, Value());
    if (kind < 98) {
      const std::string from = Key();
      return life_->Apply({{Kind::kClear, Tree(), from, from + "~"}});
    }
    return life_->Apply({{Kind::kDrop, random_.Next() < 0.5 ? "b" : "", "", ""}});
  }

 private:
  // What others do while a flush or a compaction waits for the disk.
  Complaint Interrupt() {
    Complaint complaint = Status::Ok();
    for (uint64_t i = random_.Below(5); i > 0 && complaint.ok(); i--) {
      const uint64_t kind = random_.Below(10);
      if (kind < 7) complaint = Write();
      // Once a step: flushes go on until nothing waits, and would never end.
      if (kind == 7 && !std::exchange(has_ingested_meanwhile_, true)) complaint = Ingest();
      if (kind == 8) complaint = life_->Pin();
      if (kind == 9) complaint = life_->Unpin();
      if (complaint.Is(ErrorCode::kUnavailable)) complaint = Status::Ok();
    }
    return complaint;
  }

  // Entries in tables of their own; the log is held back for a while then.
  Complaint Ingest() {
    std::map<std::string, std::string> entries;
    for (uint64_t i = 1 + random_.Below(6); i > 0; i--) entries[Key()] = Value();
    return life_->Ingest(Tree(), entries);
  }

  std::vector<Change> Batch() {
    std::vector<Change> changes;
    for (uint64_t i = random_.Below(12); i > 0; i--) {
      const uint64_t kind = random_.Below(10);
      if (kind < 6) changes.push_back(Put());
      if (kind == 6 || kind == 7) changes.push_back({Kind::kDelete, Tree(), Key(), ""});
      if (kind == 8) changes.push_back(Increment());
      if (kind == 9) changes.push_back(Append());
    }
    return changes;
  }

  Change Put() { return {Kind::kPut, Tree(), Key(), Value()}; }
  // Counters and texts have keys of their own: one commit cannot add to a key and append to it.
  Change Increment() {
    std::string by(8, '\0');
    StoreU64(reinterpret_cast<uint8_t*>(by.data()), random_.Below(2000) - 1000);
    return {Kind::kIncrement, Tree(), "2" + std::to_string(random_.Below(10)), by};
  }
  Change Append(const std::string& prefix = "3") {
    return {Kind::kAppend, Tree(), prefix + std::to_string(random_.Below(10)),
            std::to_string(serial_++) + ","};
  }

  std::string Tree() {
    constexpr std::array kTrees = {"", "", "", "a", "b"};
    return kTrees[random_.Below(kTrees.size())];
  }

  std::string Key() {
    const uint64_t kind = random_.Below(20);
    if (kind == 0) return "2" + std::to_string(random_.Below(10));
    if (kind == 1) return "3" + std::to_string(random_.Below(10));
    std::string key = std::to_string(1000 + random_.Below(kKeys));
    if (key.back() == '7') key += std::string(60, key[2]);
    return key;
  }

  std::string Value() {
    const std::string stamp = std::to_string(serial_++) + ":";
    const uint64_t size = random_.Below(30);
    if (size == 0) return "";
    if (size == 1) return stamp + std::string(random_.Below(9000), 'L');
    return stamp + std::string(random_.Below(100), static_cast<char>('a' + size % 26));
  }

  LsmLife* const life_;
  SeededRandom& random_;
  uint64_t serial_ = 0;
  bool has_ingested_meanwhile_ = false;
};

Complaint RunRandomly(SeededRandom* random, Mutant* mutant, std::unique_ptr<LsmLife>* life) {
  LifeSettings settings = ChooseSettings(random);
  settings.mutant = mutant;
  Complaint complaint =
      LsmLife::Begin(LsmLife::FreshDisk(settings), settings, LsmLife::Nothing(), life);
  if (!complaint.ok()) return complaint;
  Workload workload(life->get(), random);
  const uint64_t steps = random->Next() < 0.3 ? 4 + random->Below(12) : 60 + random->Below(120);
  for (uint64_t i = 0; i < steps && complaint.ok(); i++) complaint = workload.Step();
  return complaint;
}

// -- crashes --------------------------------------------------------------------------------------

// The image opens, shows what it should, can be written and opened again. Gives the life after the
// crash.
Complaint CheckImage(const vfs::DiskImage& image, const LifeSettings& settings,
                     const Expectation& expected, SeededRandom* random,
                     std::unique_ptr<LsmLife>* life) {
  vfs::SimulatedDiskOptions options;
  options.image = image;
  Complaint complaint =
      LsmLife::Begin(std::make_shared<vfs::SimulatedDisk>(options), settings, expected, life);
  if (!complaint.ok()) return complaint;
  LsmLife* after = life->get();
  Workload workload(after, random);
  complaint = workload.Write();
  for (uint64_t i = random->Below(6); i > 0 && complaint.ok(); i--) complaint = workload.Step();
  if (complaint.ok()) complaint = after->Sync();
  if (complaint.ok() && random->Next() < 0.5) complaint = after->Close();
  if (complaint.ok()) complaint = after->Reopen();
  if (complaint.ok()) complaint = workload.Write();
  if (complaint.ok()) complaint = after->Close();
  if (!complaint.ok()) return complaint;
  return Must(after->disk()->open_files() == 0, "files were left open");
}

// Half of the time, a point close to a sync or a new name of what is no log: there the order of
// things matters.
size_t ChoosePoint(const LsmLife& life, SeededRandom* random) {
  const size_t length = life.disk()->history_length();
  size_t point = random->Below(length + 1);
  if (length == 0 || random->Next() < 0.5) return point;
  for (size_t looked = 0; looked < length; looked++, point++) {
    if (point >= length) point = 0;
    const std::string effect = life.disk()->DescribeEffectAt(point);
    const bool is_order =
        effect.starts_with("sync") || effect.starts_with("rename") || effect.starts_with("unlink");
    if (is_order && effect.find("log-") == std::string::npos) break;
  }
  return std::min<size_t>(length, point + random->Below(3));
}

// Crashes `life` at a random point and checks what is left.
Complaint CrashOnce(const LsmLife& life, SeededRandom* random, Tally* tally, int depth = 1) {
  const CrashVariant variant = vfs::kCrashVariants[random->Below(vfs::kCrashVariants.size())];
  const size_t length = life.disk()->history_length();
  const size_t point = ChoosePoint(life, random);
  tally->images++;
  if (depth > 1) tally->compound++;
  vfs::DiskImage image;
  if (Status status = life.disk()->CrashImage(point, variant, random, &image); !status.ok()) {
    return status;
  }
  std::unique_ptr<LsmLife> next;
  Complaint complaint =
      CheckImage(image, life.settings(), life.ExpectationAt(point, variant), random, &next);
  if (complaint.ok() && depth < kMaxDepth && random->Next() < kCompoundChance) {
    complaint = CrashOnce(*next, random, tally, depth + 1);
  }
  return At("crash " + std::to_string(depth) + " (" + NameOf(variant) + ", after effect " +
                std::to_string(point) + " of " + std::to_string(length) + ")",
            complaint);
}

// -- damage ---------------------------------------------------------------------------------------

// Changes a byte of a table or of the manifest. Gives in words what it did.
std::string Damage(vfs::DiskImage* image, SeededRandom* random) {
  std::vector<std::string> paths;
  for (const auto& [path, bytes] : image->files) {
    if (path.ends_with(".sst") || path.ends_with("/manifest")) paths.push_back(path);
  }
  const std::string& path = paths[random->Below(paths.size())];
  std::vector<uint8_t> bytes = image->files[path].ReadAll();
  const size_t at = random->Below(bytes.size());
  bytes[at] = static_cast<uint8_t>(bytes[at] ^ (1U << random->Below(8)));
  image->files[path] = vfs::FileBytes(bytes);
  return "one bit of " + path + " flipped at " + std::to_string(at);
}

// Opens a copy of a closed store with a damaged file: that is found, or it did not matter.
Complaint OpenDamaged(const LsmLife& life, SeededRandom* random, Tally* tally) {
  vfs::SimulatedDiskOptions options;
  options.image = life.disk()->CurrentImage();
  const std::string what = Damage(&options.image, random);
  tally->damaged++;
  std::unique_ptr<LsmLife> reopened;
  Complaint complaint = LsmLife::Begin(std::make_shared<vfs::SimulatedDisk>(options),
                                       life.settings(), life.ExpectationNow(), &reopened);
  if (complaint.Is(ErrorCode::kCorruption) || complaint.Is(ErrorCode::kIncompatible)) {
    return Status::Ok();
  }
  return At(what, complaint);
}

// One workload, crashed many times, and damaged after it was closed.
Complaint RunCase(uint64_t seed, uint64_t number, Mutant* mutant, Tally* tally) {
  SeededRandom random = RandomOf(seed, number);
  tally->workloads++;
  std::unique_ptr<LsmLife> life;
  Complaint complaint = RunRandomly(&random, mutant, &life);
  if (complaint.ok()) tally->commits += life->position();
  for (int i = 0; i < kImagesACase && complaint.ok(); i++) {
    complaint = CrashOnce(*life, &random, tally);
  }
  if (complaint.ok()) complaint = life->Close();
  for (int i = 0; i < kDamagesACase && complaint.ok(); i++) {
    complaint = OpenDamaged(*life, &random, tally);
  }
  return At("seed " + std::to_string(seed) + ", case " + std::to_string(number), complaint);
}

void Report(const Tally& tally) {
  std::cout << "           " << tally.workloads << " workloads of " << tally.commits << " commits, "
            << tally.images << " images, of them " << tally.compound
            << " of crashes in or after a recovery; " << tally.damaged << " damaged stores; "
            << tally.faults << " failed calls\n";
  Record("workloads", tally.workloads);
  Record("commits", tally.commits);
  Record("images", tally.images);
  Record("images_of_a_crash_during_recovery", tally.compound);
  Record("damages", tally.damaged);
  Record("failed_calls", tally.faults);
}

TEST(LsmCrashTest, EverythingPromisedIsThereAfterAnyPowerCut) {
  const Budget budget;
  Tally tally;
  for (uint64_t number = FirstCase(); number == FirstCase() || budget.HasTime(); number++) {
    ASSERT_OK(RunCase(HeavySeed(), number, nullptr, &tally));
  }
  Report(tally);
}

// -- failing disks --------------------------------------------------------------------------------

// Works on until a call of the disk fails, then reopens on a disk that is sound again.
Complaint RunWithFault(uint64_t seed, uint64_t number, Mutant* mutant, Tally* tally) {
  SeededRandom random = RandomOf(seed, number);
  tally->workloads++;
  LifeSettings settings = ChooseSettings(&random);
  settings.mutant = mutant;
  vfs::FaultSpec spec;
  spec.nth = 1 + random.Below(300);
  // Syncs are rare among the calls, and what follows a failed one is the worst.
  if (random.Next() < 0.4) {
    spec.operation = vfs::DiskOperation::kSync;
    spec.nth = 1 + random.Below(30);
  }
  spec.error = random.Next() < 0.5 ? EIO : ENOSPC;
  spec.forever = random.Next() < 0.3;
  spec.short_write = random.Next() < 0.5;
  spec.keep_unsynced = random.Next() < 0.5;
  settings.may_keep_files = true;
  std::unique_ptr<LsmLife> life;
  Complaint complaint =
      LsmLife::Begin(LsmLife::FreshDisk(settings), settings, LsmLife::Nothing(), &life);
  if (!complaint.ok()) return complaint;
  const std::shared_ptr<vfs::PlannedFault> fault = life->disk()->FailAt(spec);
  {
    Workload workload(life.get(), &random);
    for (int i = 0; i < 120 && life->is_open(); i++) {
      const Complaint failed = workload.Step();
      if (failed.Is(ErrorCode::kInternal) || failed.Is(ErrorCode::kCorruption)) {
        return At("with " + std::to_string(fault->applied()) + " failed calls", failed);
      }
      // Where there is no space nothing has changed: one may go on. So may one after a failed read.
      if (!failed.ok() && !(life->is_open() && life->engine()->CheckWritable().ok())) break;
    }
  }
  fault->Cancel();
  tally->faults += fault->applied();
  for (int i = 0; i < 4 && complaint.ok(); i++) complaint = CrashOnce(*life, &random, tally);
  if (!complaint.ok()) return complaint;
  if (complaint = life->Reopen(); !complaint.ok()) return complaint;
  Workload workload(life.get(), &random);
  complaint = workload.Write();
  return complaint.ok() ? life->Close() : complaint;
}

TEST(LsmCrashTest, AFailingDiskCostsNothingThatWasPromised) {
  const Budget budget;
  Tally tally;
  for (uint64_t number = FirstCase(); number < FirstCase() + 20 || budget.HasTime(); number++) {
    ASSERT_OK(At("seed " + std::to_string(HeavySeed()) + ", case " + std::to_string(number),
                 RunWithFault(HeavySeed(), number, nullptr, &tally)));
  }
  EXPECT_GT(tally.faults, 0U);
  Report(tally);
}

TEST(LsmCrashTest, AFullDiskRefusesWritesAndGoesOnOnceThereIsSpace) {
  const LifeSettings settings;
  std::unique_ptr<LsmLife> life;
  ASSERT_OK(LsmLife::Begin(LsmLife::FreshDisk(settings), settings, LsmLife::Nothing(), &life));
  vfs::FaultSpec spec;
  spec.operation = vfs::DiskOperation::kWrite;
  spec.path_part = ".sst";
  spec.error = ENOSPC;
  spec.forever = true;
  const auto fault = life->disk()->FailAt(spec);
  const std::string value(400, 'v');
  Complaint refused = Status::Ok();
  for (int i = 0; i < 200 && refused.ok(); i++) {
    refused = life->Apply({{Kind::kPut, "", std::to_string(i), value}});
    const Complaint work = life->Work();
    ASSERT_TRUE(work.ok() || work.Is(ErrorCode::kDiskFull)) << testing::PrintToString(work);
  }
  EXPECT_EQ(refused.code(), ErrorCode::kDiskFull);
  EXPECT_EQ(life->Flush().code(), ErrorCode::kDiskFull);
  ASSERT_OK(life->Check());
  fault->Cancel();
  ASSERT_OK(life->Work());
  ASSERT_OK(life->Apply({{Kind::kPut, "", "after", value}}));
  ASSERT_OK(life->Check());
  ASSERT_OK(life->Close());
  ASSERT_OK(life->Reopen());
}

TEST(LsmCrashTest, TooManyOpenFilesPutOffFlushes) {
  const LifeSettings settings;
  std::unique_ptr<LsmLife> life;
  ASSERT_OK(LsmLife::Begin(LsmLife::FreshDisk(settings), settings, LsmLife::Nothing(), &life));
  vfs::FaultSpec spec;
  spec.operation = vfs::DiskOperation::kCreate;
  spec.path_part = ".sst";
  spec.error = EMFILE;
  spec.forever = true;
  const auto fault = life->disk()->FailAt(spec);
  ASSERT_OK(life->Apply({{Kind::kPut, "", "before", "v"}}));
  EXPECT_EQ(life->Flush().code(), ErrorCode::kUnavailable);
  ASSERT_OK(life->Apply({{Kind::kPut, "", "meanwhile", "v"}}));
  ASSERT_OK(life->Check());
  fault->Cancel();
  ASSERT_OK(life->Flush());
  ASSERT_OK(life->Check());
  ASSERT_OK(life->Close());
  ASSERT_OK(life->Reopen());
}

TEST(LsmCrashTest, WhatWasIngestedWaitsForSpaceAndHoldsBackWhatCameAfterIt) {
  for (const bool is_closed : {false, true}) {
    std::unique_ptr<LsmLife> life;
    ASSERT_OK(LsmLife::Begin(LsmLife::FreshDisk({}), {}, LsmLife::Nothing(), &life));
    ASSERT_OK(life->Apply({{Kind::kPut, "", "a", "before"}}));
    vfs::FaultSpec spec;
    spec.operation = vfs::DiskOperation::kWrite;
    spec.path_part = "manifest";
    spec.error = ENOSPC;
    spec.forever = true;
    const auto fault = life->disk()->FailAt(spec);
    ASSERT_OK(life->Ingest("", {{"a", "ingested"}, {"b", "ingested"}}));
    const uint64_t ingested = life->position();
    ASSERT_OK(life->Apply({{Kind::kPut, "", "c", "after"}}));
    EXPECT_EQ(life->FlushFrozen().code(), ErrorCode::kDiskFull);
    EXPECT_EQ(life->Apply({{Kind::kPut, "", "d", "refused"}}).code(), ErrorCode::kDiskFull);
    life->Turn();
    EXPECT_EQ(life->engine()->log()->durable_position(), ingested - 1);
    ASSERT_OK(life->Check());
    if (is_closed) {
      EXPECT_EQ(life->Close().code(), ErrorCode::kDiskFull);
      fault->Cancel();
      ASSERT_OK(life->Reopen());
      EXPECT_EQ(life->position(), ingested - 1);
      continue;
    }
    fault->Cancel();
    ASSERT_OK(life->FlushFrozen());
    ASSERT_OK(life->Apply({{Kind::kPut, "", "d", "goes on"}}));
    ASSERT_OK(life->Sync());
    ASSERT_OK(life->Check());
    ASSERT_OK(life->Close());
    ASSERT_OK(life->Reopen());
  }
}

// -- rules ----------------------------------------------------------------------------------------

struct NamedRule {
  Rule rule;
  const char* name;
  // What shows that it is missing.
  Complaint (*check)(uint64_t seed, uint64_t number, Mutant* mutant, Tally* tally) = &RunCase;
};

class LsmMutantTest : public testing::TestWithParam<NamedRule> {};

// A mutant that lives through so many cases is not caught.
constexpr uint64_t kMutantCases = 600;

TEST_P(LsmMutantTest, IsCaught) {
  uint64_t applied = 0;
  for (uint64_t number = 0; number < kMutantCases; number++) {
    Mutant mutant = {.without = GetParam().rule, .applied = 0};
    Tally tally;
    const Complaint complaint = GetParam().check(HeavySeed(), number, &mutant, &tally);
    applied += mutant.applied;
    if (complaint.ok() || mutant.applied == 0) continue;
    std::cout << "           after " << number + 1 << " workloads: " << complaint.message() << '\n';
    Record("mutants", 1);
    return;
  }
  FAIL() << "passed " << kMutantCases << " workloads; the rule was taken away " << applied
         << " times";
}

INSTANTIATE_TEST_SUITE_P(
    Rules, LsmMutantTest,
    testing::Values(NamedRule{Rule::kBlockChecksum, "BlockChecksum"},
                    NamedRule{Rule::kManifestChecksum, "ManifestChecksum"},
                    NamedRule{Rule::kTableSync, "TableSync"},
                    NamedRule{Rule::kTableNameSync, "TableNameSync"},
                    NamedRule{Rule::kManifestTemporaryName, "ManifestTemporaryName"},
                    NamedRule{Rule::kManifestSync, "ManifestSync"},
                    NamedRule{Rule::kManifestNameSync, "ManifestNameSync"},
                    NamedRule{Rule::kLogUntilFlushed, "LogUntilFlushed"},
                    NamedRule{Rule::kLogUntilIngested, "LogUntilIngested"},
                    NamedRule{Rule::kTablesUntilReplaced, "TablesUntilReplaced"},
                    NamedRule{Rule::kSnapshotsKeepVersions, "SnapshotsKeepVersions"},
                    NamedRule{Rule::kTombstonesUntilBottom, "TombstonesUntilBottom"},
                    NamedRule{Rule::kRangeTombstonesHide, "RangeTombstonesHide"},
                    NamedRule{Rule::kRangeTombstonesUntilBottom, "RangeTombstonesUntilBottom"},
                    NamedRule{Rule::kOperandsOfOneStratum, "OperandsOfOneStratum"},
                    NamedRule{Rule::kOperandsUntilBottom, "OperandsUntilBottom"},
                    NamedRule{Rule::kOperandsInOrder, "OperandsInOrder"},
                    NamedRule{Rule::kReadersKeepTables, "ReadersKeepTables"},
                    NamedRule{Rule::kReplayFromL, "ReplayFromL"},
                    NamedRule{Rule::kCatalogueOfL, "CatalogueOfL"},
                    NamedRule{Rule::kOrphansRemoved, "OrphansRemoved"},
                    NamedRule{Rule::kSpaceFirst, "SpaceFirst", &RunWithFault}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace bedplate::lsm

// Power loss under the log: what was promised is there after any crash, also one of the recovery; a
// failing disk costs nothing that was promised; and every rule of the log is needed, for with any
// of them taken away the same checks fail. The twin is test/faults/log.ts.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/little_endian.h"
#include "log/mutant.h"
#include "log/segment.h"
#include "test/heavy_test.h"
#include "test/log_life.h"
#include "test/test_support.h"

namespace bedplate::log {
namespace {

using vfs::CrashVariant;

constexpr uint64_t kKib = 1024;
constexpr int kImagesACase = 30;
constexpr int kImagesAfterClose = 6;
constexpr int kDamagesACase = 10;
constexpr int kCutsACase = 2;
// The last effects of a history: those of closing the log, if it was closed.
constexpr uint64_t kNearTheEnd = 6;
constexpr double kCompoundChance = 0.4;
constexpr int kMaxDepth = 3;

// What was covered.
struct Tally {
  uint64_t workloads = 0;
  uint64_t images = 0;
  uint64_t compound = 0;  // of crashes during or after a recovery; part of `images`
  uint64_t damaged = 0;
  uint64_t faults = 0;
};

// -- workloads ------------------------------------------------------------------------------------

LifeSettings ChooseSettings(SeededRandom* random) {
  constexpr std::array kDurabilities = {Durability::kSync, Durability::kSync, Durability::kOs,
                                        Durability::kMemory, Durability::kInterval};
  LifeSettings settings;
  settings.durability = kDurabilities[random->Below(kDurabilities.size())];
  // So small that a few dozen records fill several.
  settings.first_segment_bytes = (3 + random->Below(4)) * 4 * kKib;
  settings.max_segment_bytes = settings.first_segment_bytes * (1 + random->Below(3));
  return settings;
}

// A text that no other record has, of any length from none to more than a segment.
std::string MakeRecord(const LogLife& life, SeededRandom* random) {
  const uint64_t size = random->Below(40);
  if (size == 0) return "";
  const std::string stamp =
      std::to_string(life.position() + 1) + ":" + std::to_string(random->Below(1000000000)) + ":";
  if (size == 1) return stamp + std::string(random->Below(30 * kKib), 'L');
  if (size < 10) return stamp + std::string(random->Below(4 * kKib), 'm');
  return stamp + std::string(random->Below(120), 's');
}

Complaint HoldAWhile(LogLife* life, SeededRandom* random) {
  life->Hold();
  Complaint complaint = life->Append(MakeRecord(*life, random));
  if (complaint.ok()) life->Turn();
  if (complaint.ok()) complaint = life->Append(MakeRecord(*life, random));
  life->Release();
  return complaint;
}

// One random step.
Complaint Step(LogLife* life, SeededRandom* random) {
  const uint64_t kind = random->Below(100);
  if (kind < 55) {
    for (uint64_t i = random->Below(6) + 1; i > 0; i--) {
      if (Complaint complaint = life->Append(MakeRecord(*life, random)); !complaint.ok()) {
        return complaint;
      }
    }
    if (kind < 25) life->Turn();
    return Status::Ok();
  }
  if (kind < 75) return life->Flush();
  if (kind < 86) {
    life->Discard();
    return Status::Ok();
  }
  if (kind < 92) return HoldAWhile(life, random);
  if (kind < 95) {
    life->Abandon();
    return life->Reopen();
  }
  // None of its records is needed any more: a small segment takes over.
  if (kind >= 98) {
    if (Complaint complaint = life->Flush(); !complaint.ok()) return complaint;
    life->Discard();
  }
  if (Complaint complaint = life->Close(); !complaint.ok()) return complaint;
  return life->Reopen();
}

Complaint RunRandomly(SeededRandom* random, Mutant* mutant, bool manual,
                      std::unique_ptr<LogLife>* life) {
  LifeSettings settings = ChooseSettings(random);
  // Where every frame is synced, they are padded to whole pages in any case.
  if (mutant != nullptr && mutant->without == Rule::kPageAlignment) {
    settings.durability = Durability::kOs;
  }
  settings.mutant = mutant;
  settings.manual = manual;
  Complaint complaint = LogLife::Begin(LogLife::FreshDisk(random), settings, {}, life);
  for (uint64_t i = 10 + random->Below(60); i > 0 && complaint.ok(); i--) {
    complaint = Step(life->get(), random);
  }
  return complaint;
}

// Appends a record that makes a frame of exactly `bytes`, and lets it be written.
Complaint AppendFrame(LogLife* life, uint64_t bytes) {
  std::string record = std::to_string(life->position() + 1) + ":";
  record.resize(bytes - kFrameHeaderBytes - kRecordOverheadBytes, 'r');
  Complaint complaint = life->Append(record);
  life->Turn();
  return complaint;
}

// Record numbers that are used twice: a power cut tears one frame and leaves those behind it; the
// log goes on with other records of the same numbers, and their segment is recycled, until what is
// left of the first life lies just where the next frame would be.
Complaint RunRenumbering(SeededRandom* random, Mutant* mutant, std::unique_ptr<LogLife>* life) {
  constexpr uint64_t kSectorBytes = 512;
  const LifeSettings settings = {.durability = Durability::kOs,
                                 .first_segment_bytes = 64 * kKib,
                                 .max_segment_bytes = 64 * kKib,
                                 .mutant = mutant};
  std::unique_ptr<LogLife> first;
  Complaint complaint = LogLife::Begin(LogLife::FreshDisk(random), settings, {}, &first);
  for (int i = 0; i < 8 && complaint.ok(); i++) complaint = AppendFrame(first.get(), kSectorBytes);
  if (!complaint.ok()) return complaint;
  const size_t length = first->disk()->history_length();
  vfs::SimulatedDiskOptions options;
  Status status = first->disk()->CrashImage(length, CrashVariant::kSectors, random, &options.image);
  if (!status.ok()) return status;
  complaint = LogLife::Begin(std::make_shared<vfs::SimulatedDisk>(options), settings,
                             first->ExpectationAt(length, CrashVariant::kSectors), life);
  if (!complaint.ok()) return complaint;
  // Behind a frame so long lies the one of the first life that had the number which is next then.
  const uint64_t sectors = (*life)->position() + 3;
  // Each of these leaves no room in its segment, the second not in the one that is ready by then.
  complaint = AppendFrame(life->get(), 56 * kKib);
  if (complaint.ok()) complaint = (*life)->Flush();
  if (!complaint.ok()) return complaint;
  (*life)->Discard();  // the segment of the first life comes round again
  complaint = AppendFrame(life->get(), 56 * kKib);
  if (!complaint.ok()) return complaint;
  complaint = AppendFrame(life->get(), kSectorBytes);
  if (!complaint.ok()) return complaint;
  return AppendFrame(life->get(), sectors * kSectorBytes);
}

// -- crashes --------------------------------------------------------------------------------------

// The image opens, shows what it should, can be written and opened again. Gives the life after the
// crash.
Complaint CheckImage(const vfs::DiskImage& image, const LifeSettings& settings,
                     const Expectation& expected, SeededRandom* random,
                     std::unique_ptr<LogLife>* life) {
  vfs::SimulatedDiskOptions options;
  options.image = image;
  Complaint complaint =
      LogLife::Begin(std::make_shared<vfs::SimulatedDisk>(options), settings, expected, life);
  if (!complaint.ok()) return complaint;
  LogLife* after = life->get();
  complaint = after->Append("after the crash " + std::to_string(random->Below(1000000000)));
  if (complaint.ok()) complaint = Step(after, random);
  if (complaint.ok()) complaint = after->Flush();
  if (!complaint.ok()) return complaint;
  if (random->Next() < 0.5) {
    after->Abandon();
  } else {
    complaint = after->Close();
  }
  if (complaint.ok()) complaint = after->Reopen();
  if (complaint.ok()) complaint = after->Append("and once more");
  if (complaint.ok()) complaint = after->Close();
  if (!complaint.ok()) return complaint;
  return Must(after->disk()->open_files() == 0, "files were left open");
}

enum class Where { kAnywhere, kNearTheEnd };

// Crashes `life` at a random point and checks what is left.
Complaint CrashOnce(const LogLife& life, SeededRandom* random, Tally* tally,
                    Where where = Where::kAnywhere, int depth = 1) {
  const CrashVariant variant = vfs::kCrashVariants[random->Below(vfs::kCrashVariants.size())];
  const size_t length = life.disk()->history_length();
  const size_t point = where == Where::kAnywhere
                           ? random->Below(length + 1)
                           : length - random->Below(std::min<uint64_t>(length, kNearTheEnd));
  tally->images++;
  if (depth > 1) tally->compound++;
  vfs::DiskImage image;
  if (Status status = life.disk()->CrashImage(point, variant, random, &image); !status.ok()) {
    return status;
  }
  std::unique_ptr<LogLife> next;
  Complaint complaint =
      CheckImage(image, life.settings(), life.ExpectationAt(point, variant), random, &next);
  if (complaint.ok() && depth < kMaxDepth && random->Next() < kCompoundChance) {
    complaint = CrashOnce(*next, random, tally, Where::kAnywhere, depth + 1);
  }
  return At("crash " + std::to_string(depth) + " (" + NameOf(variant) + ", after effect " +
                std::to_string(point) + " of " + std::to_string(life.disk()->history_length()) +
                ")",
            complaint);
}

// -- damage ---------------------------------------------------------------------------------------

struct FrameBounds {
  size_t at;
  size_t end;
  uint64_t first_record;
  uint64_t durable;
};

// The frames of a segment in which all are whole. Those that a recycled file still has of its
// earlier life are none of them: their lengths reach over frames that were written since.
std::vector<FrameBounds> FramesIn(const std::vector<uint8_t>& bytes) {
  const uint64_t segment = LoadU64(bytes.data() + 16);
  std::vector<FrameBounds> frames;
  for (size_t at = kSegmentHeaderBytes; at + kFrameHeaderBytes <= bytes.size();) {
    const uint8_t* frame = bytes.data() + at;
    if (!StartsLikeFrame(Bytes(bytes).subspan(at)) || LoadU64(frame + 32) != segment) {
      at += kFrameAlignmentBytes;
      continue;
    }
    const size_t end = at + kFrameHeaderBytes + LoadU32(frame + 12);
    frames.push_back({at, end, LoadU64(frame + 48), LoadU64(frame + 56)});
    at = AlignUp(end, kFrameAlignmentBytes);
  }
  return frames;
}

// A place in a segment. Most of one is unused: more often at its beginning.
size_t ChoosePlace(const std::vector<uint8_t>& bytes, SeededRandom* random) {
  return random->Below(random->Next() < 0.7 ? std::min<size_t>(bytes.size(), 12288) : bytes.size());
}

std::string CutOff(std::vector<uint8_t>* bytes, SeededRandom* random) {
  bytes->resize(ChoosePlace(*bytes, random));
  return "cut to " + std::to_string(bytes->size()) + " bytes";
}

std::string FlipBit(std::vector<uint8_t>* bytes, SeededRandom* random) {
  const size_t offset = ChoosePlace(*bytes, random);
  (*bytes)[offset] = static_cast<uint8_t>((*bytes)[offset] ^ (1U << random->Below(8)));
  return "one bit flipped at " + std::to_string(offset);
}

// The last frame but one goes to the first place where a reader looks for it, instead of where it
// was written to.
std::string MoveFrame(std::vector<uint8_t>* bytes) {
  const std::vector<FrameBounds> frames = FramesIn(*bytes);
  if (frames.size() < 3) return "";
  const FrameBounds& before = frames[frames.size() - 3];
  const FrameBounds& frame = frames[frames.size() - 2];
  const size_t to = AlignUp(before.end, kFrameAlignmentBytes);
  // Only a frame that the next one knows as durable can be missed.
  if (to >= frame.at || frames.back().durable < frame.first_record) return "";
  const std::vector<uint8_t> moved(bytes->begin() + static_cast<ptrdiff_t>(frame.at),
                                   bytes->begin() + static_cast<ptrdiff_t>(frame.end));
  std::fill(bytes->begin() + static_cast<ptrdiff_t>(frame.at),
            bytes->begin() + static_cast<ptrdiff_t>(frame.end), uint8_t{0});
  std::copy(moved.begin(), moved.end(), bytes->begin() + static_cast<ptrdiff_t>(to));
  return "a frame moved to " + std::to_string(to);
}

// A header that the log never wrote, right in everything but its checksum, behind the end.
std::string ForgeFrame(std::vector<uint8_t>* bytes) {
  const std::vector<FrameBounds> frames = FramesIn(*bytes);
  if (frames.empty()) return "";
  const FrameBounds& last = frames.back();
  const size_t at = AlignUp(last.end, kFrameAlignmentBytes);
  if (at + kFrameHeaderBytes > bytes->size()) return "";
  std::copy_n(bytes->begin() + static_cast<ptrdiff_t>(last.at), kFrameHeaderBytes,
              bytes->begin() + static_cast<ptrdiff_t>(at));
  StoreU64(bytes->data() + at + 40, at);
  StoreU64(bytes->data() + at + 48, last.first_record + 100);
  StoreU64(bytes->data() + at + 56, last.first_record + 99);
  return "a frame forged at " + std::to_string(at);
}

enum class Damage { kFlippedBit, kMovedFrame, kForgedFrame, kCut };

// Opens a copy with one file damaged. Damage to what had been durable is found, or it did not
// matter.
Complaint OpenDamaged(const LogLife& life, Damage damage, SeededRandom* random, Tally* tally) {
  vfs::SimulatedDiskOptions options;
  options.image = life.disk()->CurrentImage();
  auto disk = std::make_shared<vfs::SimulatedDisk>(options);
  std::vector<std::string> segments;
  if (Status status = disk->List(LogLife::kDirectory, &segments); !status.ok()) return status;
  std::erase_if(segments, [](const std::string& name) { return name.ends_with(".new"); });
  if (segments.empty()) return Status::Ok();
  const std::string& name =
      damage == Damage::kFlippedBit ? segments[random->Below(segments.size())] : segments.back();
  std::unique_ptr<vfs::File> file;
  const std::string path = vfs::JoinPath(LogLife::kDirectory, name);
  Status status = disk->Open(path, vfs::OpenMode::kWrite, &file);
  if (!status.ok()) return status;
  uint64_t size = 0;
  if (status = file->Size(&size); !status.ok()) return status;
  std::vector<uint8_t> bytes(size);
  size_t count = 0;
  if (status = file->Read(bytes, 0, &count); !status.ok()) return status;
  std::string what;
  if (damage == Damage::kFlippedBit) what = FlipBit(&bytes, random);
  if (damage == Damage::kMovedFrame) what = MoveFrame(&bytes);
  if (damage == Damage::kForgedFrame) what = ForgeFrame(&bytes);
  if (damage == Damage::kCut) what = CutOff(&bytes, random);
  if (what.empty()) return Status::Ok();
  if (status = file->Truncate(bytes.size()); !status.ok()) return status;
  if (status = file->Write(bytes, 0); !status.ok()) return status;
  file.reset();
  tally->damaged++;
  Expectation expected = life.ExpectationNow();
  expected.floor = life.position();
  std::unique_ptr<LogLife> reopened;
  const Complaint complaint = LogLife::Begin(disk, life.settings(), expected, &reopened);
  if (complaint.Is(ErrorCode::kCorruption) && damage != Damage::kForgedFrame) return Status::Ok();
  return At(path + ", " + what, complaint);
}

// One workload, crashed many times, and damaged after it was closed.
Complaint RunCase(uint64_t seed, uint64_t number, Mutant* mutant, bool manual, Tally* tally) {
  SeededRandom random = RandomOf(seed, number);
  tally->workloads++;
  std::unique_ptr<LogLife> life;
  Complaint complaint = random.Next() < 0.9 || !manual ? RunRandomly(&random, mutant, manual, &life)
                                                       : RunRenumbering(&random, mutant, &life);
  for (int i = 0; i < kImagesACase && complaint.ok(); i++) {
    complaint = CrashOnce(*life, &random, tally);
  }
  if (complaint.ok()) complaint = life->Flush();
  if (complaint.ok()) complaint = OpenDamaged(*life, Damage::kMovedFrame, &random, tally);
  for (int i = 0; i < kCutsACase && complaint.ok(); i++) {
    complaint = OpenDamaged(*life, Damage::kCut, &random, tally);
  }
  if (complaint.ok()) complaint = life->Close();
  for (int i = 0; i < kDamagesACase && complaint.ok(); i++) {
    const Damage damage = random.Next() < 0.2 ? Damage::kForgedFrame : Damage::kFlippedBit;
    complaint = OpenDamaged(*life, damage, &random, tally);
  }
  for (int i = 0; i < kCutsACase && complaint.ok(); i++) {
    complaint = OpenDamaged(*life, Damage::kCut, &random, tally);
  }
  for (int i = 0; i < kImagesAfterClose && complaint.ok(); i++) {
    complaint = CrashOnce(*life, &random, tally, Where::kNearTheEnd);
  }
  return At("seed " + std::to_string(seed) + ", case " + std::to_string(number), complaint);
}

void Report(const Tally& tally) {
  std::cout << "           " << tally.workloads << " workloads, " << tally.images
            << " images, of them " << tally.compound << " of crashes in or after a recovery; "
            << tally.damaged << " damaged logs; " << tally.faults << " failed calls\n";
  Record("workloads", tally.workloads);
  Record("images", tally.images);
  Record("images_of_a_crash_during_recovery", tally.compound);
  Record("damages", tally.damaged);
  Record("failed_calls", tally.faults);
}

TEST(LogCrashTest, EverythingPromisedIsThereAfterAnyPowerCut) {
  const Budget budget;
  Tally tally;
  for (uint64_t number = FirstCase(); number == FirstCase() || budget.HasTime(); number++) {
    ASSERT_OK(RunCase(HeavySeed(), number, nullptr, /*manual=*/true, &tally));
  }
  Report(tally);
}

TEST(LogCrashTest, AlsoIfAThreadOfTheLogDoesTheWriting) {
  const Budget budget;
  Tally tally;
  for (uint64_t number = FirstCase(); number == FirstCase() || budget.HasTime(); number++) {
    ASSERT_OK(RunCase(HeavySeed(), number, nullptr, /*manual=*/false, &tally));
  }
  Report(tally);
}

// -- failing disks --------------------------------------------------------------------------------

// Works on until a call of the disk fails, then reopens on a disk that is sound again.
Complaint RunWithFault(uint64_t seed, uint64_t number, bool manual, Tally* tally) {
  SeededRandom random = RandomOf(seed, number);
  tally->workloads++;
  LifeSettings settings = ChooseSettings(&random);
  settings.manual = manual;
  std::unique_ptr<LogLife> life;
  Complaint complaint = LogLife::Begin(LogLife::FreshDisk(&random), settings, {}, &life);
  if (!complaint.ok()) return complaint;
  vfs::FaultSpec spec;
  spec.nth = 1 + random.Below(120);
  spec.error = random.Next() < 0.5 ? EIO : ENOSPC;
  spec.forever = random.Next() < 0.3;
  spec.short_write = random.Next() < 0.5;
  spec.keep_unsynced = random.Next() < 0.5;
  const std::shared_ptr<vfs::PlannedFault> fault = life->disk()->FailAt(spec);
  Complaint failed = Status::Ok();
  for (int i = 0; i < 80 && failed.ok(); i++) {
    failed = Step(life.get(), &random);
    // Where there is no space nothing has changed: one may go on.
    if (failed.Is(ErrorCode::kDiskFull) && life->log() != nullptr && life->log()->failure().ok()) {
      failed = Status::Ok();
    }
  }
  fault->Cancel();
  tally->faults += fault->applied();
  if (failed.Is(ErrorCode::kInternal) || failed.Is(ErrorCode::kCorruption)) return failed;
  if (!failed.ok() && life->log() != nullptr && !life->log()->failure().ok()) {
    complaint = Must(!life->log()->Reserve(1).ok(), "a log that failed took another record");
    if (!complaint.ok()) return complaint;
  }
  for (int i = 0; i < 5 && complaint.ok(); i++) complaint = CrashOnce(*life, &random, tally);
  if (!complaint.ok()) return complaint;
  life->Abandon();
  if (complaint = life->Reopen(); !complaint.ok()) return complaint;
  complaint = life->Append("after the failure");
  return complaint.ok() ? life->Close() : complaint;
}

TEST(LogCrashTest, AFailingDiskCostsNothingThatWasPromised) {
  const Budget budget;
  Tally tally;
  for (uint64_t number = FirstCase(); number < FirstCase() + 20 || budget.HasTime(); number++) {
    ASSERT_OK(At("seed " + std::to_string(HeavySeed()) + ", case " + std::to_string(number),
                 RunWithFault(HeavySeed(), number, /*manual=*/number % 4 != 0, &tally)));
  }
  EXPECT_GT(tally.faults, 0U);
  Report(tally);
}

// -- rules ----------------------------------------------------------------------------------------

struct NamedRule {
  Rule rule;
  const char* name;
};

class LogMutantTest : public testing::TestWithParam<NamedRule> {};

// A mutant that lives through so many cases is not caught.
constexpr uint64_t kMutantCases = 600;

TEST_P(LogMutantTest, IsCaught) {
  uint64_t applied = 0;
  for (uint64_t number = 0; number < kMutantCases; number++) {
    Mutant mutant = {.without = GetParam().rule, .applied = 0};
    Tally tally;
    const Complaint complaint = RunCase(HeavySeed(), number, &mutant, /*manual=*/true, &tally);
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
    Rules, LogMutantTest,
    testing::Values(NamedRule{Rule::kGroupSync, "GroupSync"},
                    NamedRule{Rule::kOldSegmentSync, "OldSegmentSync"},
                    NamedRule{Rule::kNewSegmentSync, "NewSegmentSync"},
                    NamedRule{Rule::kNamesBeforeRecycling, "NamesBeforeRecycling"},
                    NamedRule{Rule::kNamesAfterPublishing, "NamesAfterPublishing"},
                    NamedRule{Rule::kPageAlignment, "PageAlignment"},
                    NamedRule{Rule::kHeaderChecksum, "HeaderChecksum"},
                    NamedRule{Rule::kPayloadChecksum, "PayloadChecksum"},
                    NamedRule{Rule::kGeneration, "Generation"}, NamedRule{Rule::kOffset, "Offset"},
                    NamedRule{Rule::kDurableProof, "DurableProof"},
                    NamedRule{Rule::kRewrittenTail, "RewrittenTail"},
                    NamedRule{Rule::kSegmentLength, "SegmentLength"},
                    NamedRule{Rule::kClosingFrameSync, "ClosingFrameSync"},
                    NamedRule{Rule::kFrameBeforeName, "FrameBeforeName"}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace bedplate::log

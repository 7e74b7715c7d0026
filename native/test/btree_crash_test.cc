// Power loss under the B-tree store: every acknowledged commit is there after any crash, also one
// of the recovery, the state is one that there was, and every page adds up; a failing disk costs
// nothing that was promised; and every rule of the store is needed, for with any of them taken away
// the same checks fail. The twin is test/faults/btree.ts.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "btree/meta.h"
#include "btree/mutant.h"
#include "btree/page.h"
#include "core/little_endian.h"
#include "test/btree_life.h"
#include "test/heavy_test.h"
#include "test/test_support.h"

namespace bedplate::btree {
namespace {

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
  uint64_t lost_metas = 0;  // images that lost the newer of two whole metas; part of `images`
  uint64_t faults = 0;
};

// -- workloads ------------------------------------------------------------------------------------

StoreSettings ChooseSettings(SeededRandom* random) {
  constexpr std::array kDurabilities = {log::Durability::kSync, log::Durability::kSync,
                                        log::Durability::kOs, log::Durability::kMemory,
                                        log::Durability::kInterval};
  constexpr std::array<uint64_t, 4> kCachePages = {16, 16, 24, 200};
  StoreSettings settings;
  settings.page_size_bytes = random->Next() < 0.75 ? 512 : 4096;
  settings.cache_bytes = kCachePages[random->Below(4)] * settings.page_size_bytes;
  settings.durability = kDurabilities[random->Below(kDurabilities.size())];
  settings.first_segment_bytes = random->Next() < 0.5 ? 12288 : 16384;
  settings.max_segment_bytes = 32768;
  if (random->Next() < 0.5) settings.dense_close_bytes = 4096;
  settings.medium.sector_bytes =
      settings.page_size_bytes == 4096 && random->Next() < 0.5 ? 4096 : 512;
  settings.medium.powersafe = random->Next() < 0.7;
  settings.interrupts = random->Next() < 0.7;
  return settings;
}

// A random store at work.
class Workload {
 public:
  Workload(StoreLife* life, SeededRandom* random) : life_(life), random_(*random) {
    life->on_interruption = [this] { return Interrupt(); };
  }
  ~Workload() { life_->on_interruption = nullptr; }
  Workload(const Workload&) = delete;
  Workload& operator=(const Workload&) = delete;

  // One random step.
  Complaint Step() {
    const uint64_t kind = random_.Below(100);
    if (kind < 62) return Write();
    if (kind < 72) return life_->Sync();
    if (kind < 76) {
      life_->Turn();
      return Status::Ok();
    }
    if (kind < 84) return life_->Checkpoint();
    if (kind < 87) return life_->Pin();
    if (kind < 90) return life_->Unpin();
    if (kind < 92) return life_->Compact();
    if (kind < 95) return Load();
    if (kind < 96) return life_->Check();
    if (kind < 98) return life_->Read(Tree(), Key());
    if (kind < 99) return life_->Reopen();
    Complaint complaint = life_->Close();
    return complaint.ok() ? life_->Reopen() : complaint;
  }

  // A commit of some kind.
  Complaint Write() {
    const uint64_t kind = random_.Below(100);
    if (kind < 55) return life_->Apply({Put()});
    if (kind < 75) return life_->Apply({{Change::Kind::kDelete, Tree(), Key(), ""}});
    if (kind < 88) {
      std::vector<Change> changes;
      for (uint64_t i = random_.Below(12); i > 0; i--) {
        changes.push_back(random_.Next() < 0.7 ? Put()
                                               : Change{Change::Kind::kDelete, Tree(), Key(), ""});
      }
      return life_->Apply(changes);
    }
    if (kind < 94) return life_->CompareAndSwap(Tree(), Key(), random_.Next() < 0.7, Value());
    if (kind < 98) {
      const std::string from = Key();
      return life_->Apply({{Change::Kind::kClear, Tree(), from, from + "~"}});
    }
    return life_->Apply({{Change::Kind::kDrop, random_.Next() < 0.5 ? "b" : LoadedTree(), "", ""}});
  }

 private:
  // What others do while a checkpoint or a copy waits for the disk.
  Complaint Interrupt() {
    Complaint complaint = Status::Ok();
    for (uint64_t i = random_.Below(5); i > 0 && complaint.ok(); i--) {
      const uint64_t kind = random_.Below(10);
      complaint = kind < 8 ? Write() : kind < 9 ? life_->Pin() : life_->Unpin();
      // A moment without room for more is none to complain of.
      if (complaint.Is(ErrorCode::kUnavailable)) complaint = Status::Ok();
    }
    return complaint;
  }

  Complaint Load() {
    const std::string tree = LoadedTree();
    const auto present = life_->model().find(tree);
    if (present != life_->model().end() && !present->second.empty()) {
      return life_->Apply({{Change::Kind::kDrop, tree, "", ""}});
    }
    std::map<std::string, std::string> entries;
    for (uint64_t i = random_.Below(60); i > 0; i--) entries[Key()] = Value();
    const auto between = [&] {
      const uint64_t kind = random_.Below(3);
      return kind == 0 ? Status::Ok() : kind == 1 ? Write() : life_->Checkpoint();
    };
    const Complaint complaint = life_->Load(tree, entries, between, random_.Next() < 0.2);
    // Others may have written to the tree.
    return complaint.Is(ErrorCode::kConflict) ? Status::Ok() : complaint;
  }

  Change Put() { return {Change::Kind::kPut, Tree(), Key(), Value()}; }

  // Trees that writes go to; bulk loads have trees of their own.
  std::string Tree() {
    constexpr std::array kTrees = {"", "", "", "a", "b"};
    return kTrees[random_.Below(kTrees.size())];
  }
  std::string LoadedTree() { return random_.Next() < 0.5 ? "loaded" : "loaded too"; }

  std::string Key() {
    std::string key = std::to_string(1000 + random_.Below(kKeys));
    // Some are long, so that branches are full of them.
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

  StoreLife* const life_;
  SeededRandom& random_;
  uint64_t serial_ = 0;
};

Complaint RunRandomly(SeededRandom* random, Mutant* mutant, std::unique_ptr<StoreLife>* life) {
  StoreSettings settings = ChooseSettings(random);
  settings.mutant = mutant;
  Complaint complaint =
      StoreLife::Begin(StoreLife::FreshDisk(settings), settings, StoreLife::Nothing(), life);
  if (!complaint.ok()) return complaint;
  Workload workload(life->get(), random);
  const uint64_t steps = random->Next() < 0.3 ? 4 + random->Below(12) : 40 + random->Below(80);
  for (uint64_t i = 0; i < steps && complaint.ok(); i++) complaint = workload.Step();
  return complaint;
}

// -- crashes --------------------------------------------------------------------------------------

// The image opens, shows what it should, can be written and opened again. Gives the life after the
// crash.
Complaint CheckImage(const vfs::DiskImage& image, const StoreSettings& settings,
                     const Expectation& expected, SeededRandom* random,
                     std::unique_ptr<StoreLife>* life) {
  vfs::SimulatedDiskOptions options;
  options.image = image;
  Complaint complaint =
      StoreLife::Begin(std::make_shared<vfs::SimulatedDisk>(options), settings, expected, life);
  if (!complaint.ok()) return complaint;
  StoreLife* after = life->get();
  Workload workload(after, random);
  complaint = workload.Write();
  for (uint64_t i = random->Below(4); i > 0 && complaint.ok(); i--) complaint = workload.Step();
  if (complaint.ok()) complaint = after->Sync();
  if (complaint.ok() && random->Next() < 0.5) complaint = after->Close();
  if (complaint.ok()) complaint = after->Reopen();
  if (complaint.ok()) complaint = workload.Write();
  if (complaint.ok()) complaint = after->Close();
  if (!complaint.ok()) return complaint;
  return Must(after->disk()->open_files() == 0, "files were left open");
}

// Half of the time, a point close to a sync or a new name: there the order of things matters.
size_t ChoosePoint(const StoreLife& life, SeededRandom* random) {
  const size_t length = life.disk()->history_length();
  size_t point = random->Below(length + 1);
  if (length == 0 || random->Next() < 0.5) return point;
  for (size_t looked = 0; looked < length; looked++, point++) {
    if (point >= length) point = 0;
    const std::string effect = life.disk()->DescribeEffectAt(point);
    const bool is_order = effect.starts_with("sync") || effect.starts_with("rename");
    if (is_order && effect.find("log-") == std::string::npos) break;
  }
  return std::min<size_t>(length, point + random->Below(3));
}

constexpr const char* kDataPath = "store/data";

// Where the newer of two whole metas is in a data file, if both are whole.
std::optional<size_t> NewerMeta(const std::vector<uint8_t>& data, uint32_t page_size) {
  if (data.size() < page_size + kMetaBytes) return std::nullopt;
  const MetaResult first = DecodeMeta(Bytes(data).first(kMetaBytes));
  const MetaResult second = DecodeMeta(Bytes(data).subspan(page_size, kMetaBytes));
  if (first.kind != MetaKind::kOk || second.kind != MetaKind::kOk) return std::nullopt;
  return first.meta.epoch > second.meta.epoch ? 0 : page_size;
}

// Flips a bit of the newer meta. False if there are not two.
bool LoseNewerMeta(vfs::DiskImage* image, uint32_t page_size, SeededRandom* random) {
  std::vector<uint8_t> data = image->files[kDataPath].ReadAll();
  const std::optional<size_t> meta = NewerMeta(data, page_size);
  if (!meta) return false;
  data[*meta + random->Below(kMetaBytes)] ^= 1;
  image->files[kDataPath] = vfs::FileBytes(data);
  return true;
}

// Only the newer meta knew of a load that had not ended yet.
bool IsLostLoad(const Complaint& complaint, const Expectation& expected) {
  return expected.is_loading && complaint.Is(ErrorCode::kCorruption) &&
         complaint.message().find("bulk load") != std::string::npos;
}

// Crashes `life` at a random point and checks what is left.
Complaint CrashOnce(const StoreLife& life, SeededRandom* random, Tally* tally, int depth = 1) {
  const CrashVariant variant = vfs::kCrashVariants[random->Below(vfs::kCrashVariants.size())];
  const size_t length = life.disk()->history_length();
  const size_t point = ChoosePoint(life, random);
  tally->images++;
  if (depth > 1) tally->compound++;
  vfs::DiskImage image;
  if (Status status = life.disk()->CrashImage(point, variant, random, &image); !status.ok()) {
    return status;
  }
  const Expectation expected = life.ExpectationAt(point, variant);
  const bool has_lost = depth == 1 && random->Next() < 0.3 &&
                        LoseNewerMeta(&image, life.settings().page_size_bytes, random);
  if (has_lost) tally->lost_metas++;
  std::unique_ptr<StoreLife> next;
  Complaint complaint = CheckImage(image, life.settings(), expected, random, &next);
  if (has_lost && IsLostLoad(complaint, expected)) return Status::Ok();
  if (complaint.ok() && depth < kMaxDepth && random->Next() < kCompoundChance) {
    complaint = CrashOnce(*next, random, tally, depth + 1);
  }
  return At("crash " + std::to_string(depth) + " (" + NameOf(variant) + ", after effect " +
                std::to_string(point) + " of " + std::to_string(length) +
                (has_lost ? ", and the newer meta lost)" : ")"),
            complaint);
}

// -- damage ---------------------------------------------------------------------------------------

// The last: a lost write that nothing but the birth of its page tells from the one before it.
enum class Damage { kFlippedBit, kMisdirectedWrite, kLostWrite, kMetaBit, kLostRewrite };

// What a disk may do to a file that was written and synced. `older` is the file as it once was.
std::string DamageData(Damage damage, std::vector<uint8_t>* data, const std::vector<uint8_t>& older,
                       uint32_t page_size, SeededRandom* random) {
  const uint64_t pages = data->size() / page_size;
  if (pages <= kFirstPage) return "";
  const uint64_t page = kFirstPage + random->Below(pages - kFirstPage);
  const auto at = static_cast<ptrdiff_t>(page * page_size);
  switch (damage) {
    case Damage::kFlippedBit:
    case Damage::kMetaBit: {
      const size_t offset =
          damage == Damage::kFlippedBit
              ? kFirstPage * page_size + random->Below(data->size() - kFirstPage * page_size)
              : random->Below(2) * page_size + random->Below(kMetaBytes);
      (*data)[offset] = static_cast<uint8_t>((*data)[offset] ^ (1U << random->Below(8)));
      return "one bit flipped at " + std::to_string(offset);
    }
    case Damage::kMisdirectedWrite: {
      const uint64_t to = kFirstPage + random->Below(pages - kFirstPage);
      if (to == page) return "";
      std::copy_n(data->begin() + at, page_size,
                  data->begin() + static_cast<ptrdiff_t>(to * page_size));
      return "page " + std::to_string(page) + " written over page " + std::to_string(to);
    }
    case Damage::kLostWrite:
      if (static_cast<size_t>(at) + page_size > older.size()) return "";
      // A killed process may have written what the next life of the store gives the same birth.
      if (LoadU48(older.data() + at + 16) == LoadU48(data->data() + at + 16)) return "";
      [[fallthrough]];
    case Damage::kLostRewrite:
      if (static_cast<size_t>(at) + page_size > older.size()) return "";
      if (std::equal(data->begin() + at, data->begin() + at + page_size, older.begin() + at)) {
        return "";
      }
      std::copy_n(older.begin() + at, page_size, data->begin() + at);
      return "page " + std::to_string(page) + " as it was earlier";
  }
  return "";
}

// Opens a copy of a closed store with a damaged data file: that is found, or it did not matter.
Complaint OpenDamaged(const StoreLife& life, Damage damage, SeededRandom* random, Tally* tally) {
  vfs::SimulatedDiskOptions options;
  options.image = life.disk()->CurrentImage();
  vfs::DiskImage past;
  Status status = life.disk()->CrashImage(random->Below(life.disk()->history_length() + 1),
                                          CrashVariant::kAll, random, &past);
  if (!status.ok()) return status;
  std::vector<uint8_t> data = options.image.files[kDataPath].ReadAll();
  const std::string what = DamageData(damage, &data, past.files[kDataPath].ReadAll(),
                                      life.settings().page_size_bytes, random);
  if (what.empty()) return Status::Ok();
  options.image.files[kDataPath] = vfs::FileBytes(data);
  tally->damaged++;
  std::unique_ptr<StoreLife> reopened;
  Complaint complaint = StoreLife::Begin(std::make_shared<vfs::SimulatedDisk>(options),
                                         life.settings(), life.ExpectationNow(), &reopened);
  if (complaint.Is(ErrorCode::kCorruption) || complaint.Is(ErrorCode::kIncompatible)) {
    return Status::Ok();
  }
  // The walk over all pages reports a page that is broken in its own words.
  const bool is_named = complaint.Is(ErrorCode::kInternal) &&
                        (complaint.message().find("checksum") != std::string::npos ||
                         complaint.message().find("misdirected") != std::string::npos ||
                         complaint.message().find("lost write") != std::string::npos);
  return is_named ? Status::Ok() : At(what, complaint);
}

// Writes without an end to the life of the store, then loses one of the writes after the other.
Complaint RunLosing(uint64_t seed, uint64_t number, Mutant* mutant, Tally* tally) {
  SeededRandom random = RandomOf(seed, number);
  tally->workloads++;
  StoreSettings settings = ChooseSettings(&random);
  settings.cache_bytes = kMinCachePages * settings.page_size_bytes;
  settings.dense_close_bytes = kDenseCloseBytes;
  settings.mutant = mutant;
  std::unique_ptr<StoreLife> life;
  Complaint complaint =
      StoreLife::Begin(StoreLife::FreshDisk(settings), settings, StoreLife::Nothing(), &life);
  {
    Workload workload(life.get(), &random);
    for (int i = 0; i < 150 && complaint.ok(); i++) {
      complaint = random.Next() < 0.95 ? workload.Write() : life->Checkpoint();
    }
  }
  tally->commits += life->position();
  if (complaint.ok()) complaint = life->Close();
  for (int i = 0; i < 3 * kDamagesACase && complaint.ok(); i++) {
    complaint = OpenDamaged(*life, Damage::kLostRewrite, &random, tally);
  }
  return At("seed " + std::to_string(seed) + ", case " + std::to_string(number), complaint);
}

// One workload, crashed many times, and damaged after it was closed.
Complaint RunCase(uint64_t seed, uint64_t number, Mutant* mutant, Tally* tally) {
  SeededRandom random = RandomOf(seed, number);
  tally->workloads++;
  std::unique_ptr<StoreLife> life;
  Complaint complaint = RunRandomly(&random, mutant, &life);
  if (complaint.ok()) tally->commits += life->position();
  for (int i = 0; i < kImagesACase && complaint.ok(); i++) {
    complaint = CrashOnce(*life, &random, tally);
  }
  if (complaint.ok()) complaint = life->Close();
  for (int i = 0; i < kDamagesACase && complaint.ok(); i++) {
    complaint = OpenDamaged(*life, static_cast<Damage>(random.Below(4)), &random, tally);
  }
  return At("seed " + std::to_string(seed) + ", case " + std::to_string(number), complaint);
}

void Report(const Tally& tally) {
  std::cout << "           " << tally.workloads << " workloads of " << tally.commits << " commits, "
            << tally.images << " images, of them " << tally.compound
            << " of crashes in or after a recovery and " << tally.lost_metas
            << " without their newer meta; " << tally.damaged << " damaged stores; " << tally.faults
            << " failed calls\n";
  Record("workloads", tally.workloads);
  Record("commits", tally.commits);
  Record("images", tally.images);
  Record("images_of_a_crash_during_recovery", tally.compound);
  Record("images_without_the_newer_meta", tally.lost_metas);
  Record("damages", tally.damaged);
  Record("failed_calls", tally.faults);
}

TEST(BTreeCrashTest, EverythingPromisedIsThereAfterAnyPowerCut) {
  const Budget budget;
  Tally tally;
  for (uint64_t number = FirstCase(); number == FirstCase() || budget.HasTime(); number++) {
    ASSERT_OK(RunCase(HeavySeed(), number, nullptr, &tally));
  }
  Report(tally);
}

// The meta block at `offset` of the data file, as a power cut leaves it that comes after `point`
// effects and spares only what is durable.
Complaint DurableBlock(const StoreLife& life, size_t point, size_t offset,
                       std::vector<uint8_t>* block) {
  SeededRandom random(1);
  vfs::DiskImage image;
  Status status = life.disk()->CrashImage(point, CrashVariant::kNone, &random, &image);
  const std::vector<uint8_t> data = image.files[kDataPath].ReadAll();
  const auto begin = data.begin() + static_cast<ptrdiff_t>(offset);
  block->assign(begin, begin + kMetaBytes);
  return status;
}

TEST(BTreeCrashTest, ADamagedMetaIsErasedBeforeAnotherTakesItsPlace) {
  const StoreSettings settings = {
      .cache_bytes = 65536, .first_segment_bytes = 12288, .max_segment_bytes = 32768};
  std::unique_ptr<StoreLife> life;
  ASSERT_OK(
      StoreLife::Begin(StoreLife::FreshDisk(settings), settings, StoreLife::Nothing(), &life));
  for (const char* value : {"1", "2", "3"}) {
    ASSERT_OK(life->Apply({{Change::Kind::kPut, "", "key", value}}));
    ASSERT_OK(life->Checkpoint());
  }
  ASSERT_OK(life->Close());
  vfs::SimulatedDiskOptions options;
  options.image = life->disk()->CurrentImage();
  std::vector<uint8_t> data = options.image.files[kDataPath].ReadAll();
  const size_t meta = NewerMeta(data, settings.page_size_bytes).value_or(0);
  data[meta + 100] ^= 1;
  options.image.files[kDataPath] = vfs::FileBytes(data);
  std::unique_ptr<StoreLife> again;
  ASSERT_OK(StoreLife::Begin(std::make_shared<vfs::SimulatedDisk>(options), settings,
                             life->ExpectationNow(), &again));
  ASSERT_OK(again->Apply({{Change::Kind::kPut, "", "key", "4"}}));
  ASSERT_OK(again->Checkpoint());
  // Damaged, then not even that, then the new one; never anything else.
  std::vector<MetaKind> seen;
  for (size_t point = 0; point <= again->disk()->history_length(); point++) {
    std::vector<uint8_t> block;
    ASSERT_OK(DurableBlock(*again, point, meta, &block));
    const MetaKind kind = DecodeMeta(block).kind;
    if (seen.empty() || seen.back() != kind) seen.push_back(kind);
  }
  EXPECT_EQ(seen, (std::vector<MetaKind>{MetaKind::kDamaged, MetaKind::kForeign, MetaKind::kOk}));
}

TEST(BTreeCrashTest, AWriteThatTheDiskLostIsNoticed) {
  const Budget budget;
  Tally tally;
  for (uint64_t number = FirstCase(); number < FirstCase() + 20 || budget.HasTime(); number++) {
    ASSERT_OK(RunLosing(HeavySeed(), number, nullptr, &tally));
  }
  EXPECT_GT(tally.damaged, 0U);
  Report(tally);
}

// -- failing disks --------------------------------------------------------------------------------

// Works on until a call of the disk fails, then reopens on a disk that is sound again.
Complaint RunWithFault(uint64_t seed, uint64_t number, Mutant* mutant, Tally* tally) {
  SeededRandom random = RandomOf(seed, number);
  tally->workloads++;
  StoreSettings settings = ChooseSettings(&random);
  settings.mutant = mutant;
  vfs::FaultSpec spec;
  spec.nth = 1 + random.Below(200);
  // Syncs are rare among the calls, and what follows a failed one is the worst.
  if (random.Next() < 0.4) {
    spec.operation = vfs::DiskOperation::kSync;
    spec.nth = 1 + random.Below(30);
  }
  spec.error = random.Next() < 0.5 ? EIO : ENOSPC;
  spec.forever = random.Next() < 0.3;
  spec.short_write = random.Next() < 0.5;
  spec.keep_unsynced = random.Next() < 0.5;
  settings.may_be_full = spec.error == ENOSPC;
  std::unique_ptr<StoreLife> life;
  Complaint complaint =
      StoreLife::Begin(StoreLife::FreshDisk(settings), settings, StoreLife::Nothing(), &life);
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

TEST(BTreeCrashTest, AFailingDiskCostsNothingThatWasPromised) {
  const Budget budget;
  Tally tally;
  for (uint64_t number = FirstCase(); number < FirstCase() + 20 || budget.HasTime(); number++) {
    ASSERT_OK(At("seed " + std::to_string(HeavySeed()) + ", case " + std::to_string(number),
                 RunWithFault(HeavySeed(), number, nullptr, &tally)));
  }
  EXPECT_GT(tally.faults, 0U);
  Report(tally);
}

// -- rules ----------------------------------------------------------------------------------------

struct NamedRule {
  Rule rule;
  const char* name;
  // What shows that it is missing.
  Complaint (*check)(uint64_t seed, uint64_t number, Mutant* mutant, Tally* tally) = &RunCase;
};

class BTreeMutantTest : public testing::TestWithParam<NamedRule> {};

// A mutant that lives through so many cases is not caught.
constexpr uint64_t kMutantCases = 600;

TEST_P(BTreeMutantTest, IsCaught) {
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
    Rules, BTreeMutantTest,
    testing::Values(
        NamedRule{Rule::kPageChecksum, "PageChecksum"},
        NamedRule{Rule::kPageAddress, "PageAddress"}, NamedRule{Rule::kPageBirth, "PageBirth"},
        NamedRule{Rule::kBornAgain, "BornAgain", &RunLosing},
        NamedRule{Rule::kLaterBirth, "LaterBirth", &RunLosing},
        NamedRule{Rule::kMetaChecksum, "MetaChecksum"},
        NamedRule{Rule::kLogBeforeMeta, "LogBeforeMeta"},
        NamedRule{Rule::kPagesBeforeMeta, "PagesBeforeMeta"},
        NamedRule{Rule::kMetaBeforeReuse, "MetaBeforeReuse"},
        NamedRule{Rule::kOtherSlot, "OtherSlot"}, NamedRule{Rule::kCopyOnWrite, "CopyOnWrite"},
        NamedRule{Rule::kFrozenSnapshots, "FrozenSnapshots"},
        NamedRule{Rule::kFrozenCheckpoint, "FrozenCheckpoint"},
        NamedRule{Rule::kPagesOfSnapshots, "PagesOfSnapshots"},
        NamedRule{Rule::kPagesOfTheMetas, "PagesOfTheMetas"},
        NamedRule{Rule::kPagesOfTheOlderMeta, "PagesOfTheOlderMeta"},
        NamedRule{Rule::kOlderPagesAfterOpening, "OlderPagesAfterOpening"},
        NamedRule{Rule::kLogOfTheOlderMeta, "LogOfTheOlderMeta"},
        NamedRule{Rule::kNewerMeta, "NewerMeta"}, NamedRule{Rule::kReplayFromL, "ReplayFromL"},
        NamedRule{Rule::kCopySync, "CopySync"},
        NamedRule{Rule::kCompactionCatchesUp, "CompactionCatchesUp"},
        NamedRule{Rule::kCompactedNameSync, "CompactedNameSync"},
        NamedRule{Rule::kHeldMarker, "HeldMarker"},
        NamedRule{Rule::kLoadCheckpoint, "LoadCheckpoint"},
        NamedRule{Rule::kLoadInBothMetas, "LoadInBothMetas"},
        NamedRule{Rule::kLoadingPages, "LoadingPages"},
        NamedRule{Rule::kRefusedPagesBack, "RefusedPagesBack", &RunWithFault},
        NamedRule{Rule::kFailureIsFinal, "FailureIsFinal", &RunWithFault},
        NamedRule{Rule::kFailedSync, "FailedSync", &RunWithFault}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace bedplate::btree

#include "vfs/crash_image.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <span>
#include <vector>

namespace bedplate::vfs {
namespace {

constexpr uint64_t kCopiedFromMultipleOf = 512;

// -- Names --

// Each with the same chance, which is itself drawn: so that few and many are as likely as half.
std::vector<PendingEffect> RandomSubset(const std::vector<PendingEffect>& pending,
                                        SeededRandom* random) {
  const double chance = random->Next();
  std::vector<PendingEffect> chosen;
  for (const PendingEffect& entry : pending) {
    if (random->Next() < chance) chosen.push_back(entry);
  }
  return chosen;
}

std::vector<PendingEffect> ChooseNames(const std::vector<PendingEffect>& pending,
                                       CrashVariant variant, SeededRandom* random) {
  switch (variant) {
    case CrashVariant::kNone:
    case CrashVariant::kNamesLost:
      return {};
    case CrashVariant::kSubset:
    case CrashVariant::kSectors:
      return RandomSubset(pending, random);
    case CrashVariant::kAll:
    case CrashVariant::kSizeWithoutData:
    case CrashVariant::kDataWithoutSize:
    case CrashVariant::kRenameWithoutData:
      break;
  }
  return pending;
}

// Says whether `directory` lies in or is `ancestor`: a subset of renames must not make a ring.
bool IsWithin(Inode directory, Inode ancestor, const NameTable& names) {
  while (directory != ancestor) {
    const NamePlace* place = names.PlaceOf(directory);
    if (place == nullptr) return false;
    directory = place->directory;
  }
  return true;
}

NameTable SurvivingNames(const DurableState& state, CrashVariant variant, SeededRandom* random) {
  NameTable names = state.names();
  for (const PendingEffect& entry : ChooseNames(state.PendingNames(), variant, random)) {
    if (const auto* link = std::get_if<LinkEffect>(entry.effect.get())) {
      if (!IsWithin(link->directory, link->inode, names)) {
        names.Link(link->directory, link->name, link->inode);
      }
    } else if (const auto* unlink = std::get_if<UnlinkEffect>(entry.effect.get())) {
      names.Unlink(unlink->directory, unlink->name);
    }
  }
  return names;
}

// -- Bytes --

using Pending = std::vector<PendingEffect>;

const WriteEffect* AsWrite(const PendingEffect& entry) {
  return std::get_if<WriteEffect>(entry.effect.get());
}

uint64_t SizeAfter(uint64_t size, const PendingEffect& entry) {
  const WriteEffect* write = AsWrite(entry);
  if (write == nullptr) return std::get<TruncateEffect>(*entry.effect).size;
  if (write->bytes.empty()) return size;
  return std::max<uint64_t>(size, write->position + write->bytes.size());
}

// How many of the first effects truncates survive of: a file system orders its own metadata.
size_t CountOfSurvivingTruncates(const Pending& pending, SeededRandom* random) {
  return random->Below(pending.size() + 1);
}

// Bytes that nobody wrote there: noise, zeros, ones, or what stands elsewhere in the file.
std::vector<uint8_t> Garbage(size_t count, const FileBytes& elsewhere, SeededRandom* random) {
  std::vector<uint8_t> bytes(count);
  switch (random->Below(4)) {
    case 0:
      for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random->NextUint32());
      break;
    case 1:
      std::ranges::fill(bytes, uint8_t{0xff});
      break;
    case 2:
      elsewhere.Read(bytes, random->Below(elsewhere.size() / kCopiedFromMultipleOf + 1) *
                                kCopiedFromMultipleOf);
      break;
    default:
      break;
  }
  return bytes;
}

void ApplyAll(FileBytes* bytes, const Pending& pending) {
  for (const PendingEffect& entry : pending) ApplyToBytes(bytes, *entry.effect);
}

void ApplySubset(FileBytes* bytes, const Pending& pending, SeededRandom* random) {
  const size_t truncates = CountOfSurvivingTruncates(pending, random);
  const double chance = random->Next();
  for (size_t i = 0; i < pending.size(); i++) {
    const bool survives = AsWrite(pending[i]) == nullptr ? i < truncates : random->Next() < chance;
    if (survives) ApplyToBytes(bytes, *pending[i].effect);
  }
}

void GrowWithoutData(FileBytes* bytes, const Pending& pending, SeededRandom* random) {
  const FileBytes old = *bytes;
  uint64_t size = old.size();
  for (const PendingEffect& entry : pending) size = SizeAfter(size, entry);
  bytes->Truncate(size);
  if (size > old.size() && random->Next() < 0.5) {
    bytes->Write(Garbage(size - old.size(), old, random), old.size());
  }
}

void KeepSize(FileBytes* bytes, const Pending& pending) {
  const uint64_t size = bytes->size();
  for (const PendingEffect& entry : pending) {
    if (AsWrite(entry) != nullptr) ApplyToBytes(bytes, *entry.effect);
  }
  bytes->Truncate(size);
}

// A change of one sector. The zeros of a truncate that survives are certain.
struct SectorChange {
  size_t offset;
  std::optional<Bytes> written;  // else zeros
  size_t length;

  void ApplyTo(std::vector<uint8_t>* sector) const {
    if (written.has_value()) {
      std::memcpy(&(*sector)[offset], written->data(), length);
    } else {
      std::memset(&(*sector)[offset], 0, length);
    }
  }
};

// Chooses for every sector that was written one of its versions, a prefix of one before the rest of
// another, or garbage. Whether the file grew is chosen write by write.
class SectorMixer {
 public:
  SectorMixer(const FileBytes& old, const Medium& medium, SeededRandom* random)
      : old_(old), medium_(medium), random_(random) {}

  void Mix(const Pending& pending, FileBytes* bytes) {
    const size_t truncates = CountOfSurvivingTruncates(pending, random_);
    const double growth = random_->Next() < 0.5 ? 1 : random_->Next();
    uint64_t size = old_.size();
    // As far as the file ever went.
    uint64_t reach = size;
    for (size_t i = 0; i < pending.size(); i++) {
      const bool is_truncate = AsWrite(pending[i]) == nullptr;
      if (is_truncate && i >= truncates) continue;
      AddToSectors(pending[i], reach);
      if (is_truncate || random_->Next() < growth) size = SizeAfter(size, pending[i]);
      reach = std::max(reach, SizeAfter(reach, pending[i]));
    }
    for (const auto& [index, changes] : sectors_) {
      bytes->Write(MixSector(index, changes), index * medium_.sector_bytes);
    }
    bytes->Truncate(size);
  }

 private:
  using Changes = std::vector<SectorChange>;

  // Notes the effect at each sector that it changes.
  void AddToSectors(const PendingEffect& entry, uint64_t reach) {
    const WriteEffect* write = AsWrite(entry);
    const uint64_t from =
        write != nullptr ? write->position : std::get<TruncateEffect>(*entry.effect).size;
    const uint64_t to = write != nullptr ? from + write->bytes.size() : reach;
    for (uint64_t at = from; at < to;) {
      const uint64_t index = at / medium_.sector_bytes;
      const uint64_t end = std::min((index + 1) * medium_.sector_bytes, to);
      SectorChange change = {.offset = static_cast<size_t>(at % medium_.sector_bytes),
                             .written = std::nullopt,
                             .length = static_cast<size_t>(end - at)};
      if (write != nullptr) change.written = Bytes(write->bytes).subspan(at - from, end - at);
      sectors_[index].push_back(change);
      at = end;
    }
  }

  // The sector after the first `count` changes, and after all that is certain.
  [[nodiscard]] std::vector<uint8_t> Version(uint64_t index, const Changes& changes,
                                             size_t count) const {
    std::vector<uint8_t> sector(medium_.sector_bytes);
    old_.Read(sector, index * medium_.sector_bytes);
    for (size_t i = 0; i < changes.size(); i++) {
      if (i < count || !changes[i].written.has_value()) changes[i].ApplyTo(&sector);
    }
    return sector;
  }

  [[nodiscard]] std::vector<uint8_t> AnyVersion(uint64_t index, const Changes& changes) {
    return Version(index, changes, random_->Below(changes.size() + 1));
  }

  // One outcome for one sector.
  [[nodiscard]] std::vector<uint8_t> MixSector(uint64_t index, const Changes& changes) {
    const double kind = random_->Next();
    if (kind < 0.35) return Version(index, changes, changes.size());
    std::vector<uint8_t> sector = AnyVersion(index, changes);
    if (kind < 0.7) return sector;
    if (kind < 0.85) {
      const size_t cut = random_->Below(medium_.sector_bytes);
      const std::vector<uint8_t> other = AnyVersion(index, changes);
      std::copy(other.begin() + static_cast<ptrdiff_t>(cut), other.end(),
                sector.begin() + static_cast<ptrdiff_t>(cut));
      return sector;
    }
    Damage(changes, &sector);
    return sector;
  }

  // Turns one of the writes to garbage.
  void Damage(const Changes& changes, std::vector<uint8_t>* sector) {
    Changes written;
    std::ranges::copy_if(changes, std::back_inserter(written),
                         [](const SectorChange& change) { return change.written.has_value(); });
    if (written.empty()) return;
    const SectorChange& damaged = written[random_->Below(written.size())];
    if (medium_.powersafe) {
      const std::vector<uint8_t> garbage = Garbage(damaged.length, old_, random_);
      std::ranges::copy(garbage, sector->begin() + static_cast<ptrdiff_t>(damaged.offset));
    } else {
      *sector = Garbage(medium_.sector_bytes, old_, random_);
    }
  }

  const FileBytes& old_;
  const Medium& medium_;
  SeededRandom* const random_;
  std::map<uint64_t, Changes> sectors_;
};

// The content of one file after the crash.
FileBytes SurvivingBytes(const DurableFile& file, CrashVariant variant, const Medium& medium,
                         SeededRandom* random) {
  FileBytes bytes = file.bytes;
  const Pending& pending = file.pending;
  if (pending.empty()) return bytes;
  switch (variant) {
    case CrashVariant::kNone:
    case CrashVariant::kRenameWithoutData:
      break;
    case CrashVariant::kAll:
    case CrashVariant::kNamesLost:
      ApplyAll(&bytes, pending);
      break;
    case CrashVariant::kSubset:
      ApplySubset(&bytes, pending, random);
      break;
    case CrashVariant::kSectors:
      SectorMixer(file.bytes, medium, random).Mix(pending, &bytes);
      break;
    case CrashVariant::kSizeWithoutData:
      GrowWithoutData(&bytes, pending, random);
      break;
    case CrashVariant::kDataWithoutSize:
      KeepSize(&bytes, pending);
      break;
  }
  return bytes;
}

}  // namespace

const char* NameOf(CrashVariant variant) {
  switch (variant) {
    case CrashVariant::kNone:
      return "none";
    case CrashVariant::kAll:
      return "all";
    case CrashVariant::kSubset:
      return "subset";
    case CrashVariant::kSectors:
      return "sectors";
    case CrashVariant::kSizeWithoutData:
      return "size-without-data";
    case CrashVariant::kDataWithoutSize:
      return "data-without-size";
    case CrashVariant::kRenameWithoutData:
      return "rename-without-data";
    case CrashVariant::kNamesLost:
      return "names-lost";
  }
  return "unknown";
}

DiskImage MakeCrashImage(const DurableState& state, CrashVariant variant, const Medium& medium,
                         SeededRandom* random) {
  const NameTable names = SurvivingNames(state, variant, random);
  DiskImage image;
  // Directories whose names are still to be added, with their paths. A directory that lost its name
  // is not reached, nor is what lies in it.
  std::vector<std::pair<Inode, std::string>> open = {{kRoot, ""}};
  while (!open.empty()) {
    const auto [directory, path] = open.back();
    open.pop_back();
    for (const auto& [name, inode] : names.NamesIn(directory)) {
      const std::string child = ChildPath(path, name);
      const auto file = state.files().find(inode);
      if (file == state.files().end()) {
        image.directories.insert(child);
        open.emplace_back(inode, child);
      } else {
        image.files[child] = SurvivingBytes(file->second, variant, medium, random);
      }
    }
  }
  return image;
}

}  // namespace bedplate::vfs

// Makes what a power cut may leave behind, from what is certain and what is not.
//
// The hardest disk POSIX allows, within reason: unsynced changes survive in any combination, each
// file and each directory by itself, with data torn at any byte of a sector. Within reason means: a
// rename is atomic, a file keeps one name at most, truncates of a file survive in order, and what
// was synced stays as it was (see `powersafe`). The same model as ts/io/crash-image.ts.
#ifndef BEDPLATE_VFS_CRASH_IMAGE_H_
#define BEDPLATE_VFS_CRASH_IMAGE_H_

#include <array>
#include <cstddef>

#include "core/random.h"
#include "vfs/disk_history.h"
#include "vfs/disk_image.h"

namespace bedplate::vfs {

// What becomes of the effects that no sync covers. "All" and "none" are meant of those.
enum class CrashVariant {
  kNone,               // names: none; bytes and sizes: none
  kAll,                // names: all; bytes and sizes: all
  kSubset,             // names: some; bytes: some of the writes, whole; truncates in order
  kSectors,            // names: some; each sector: any version, a torn mix of two, or garbage
  kSizeWithoutData,    // names: all; grown parts are zeros or garbage, the rest is old
  kDataWithoutSize,    // names: all; data beyond the old size are lost, the rest is new
  kRenameWithoutData,  // names: all; bytes and sizes: none
  kNamesLost,          // names: none; bytes and sizes: all
};

// Every variant, for suites that try them all.
inline constexpr std::array kCrashVariants = {
    CrashVariant::kNone,
    CrashVariant::kAll,
    CrashVariant::kSubset,
    CrashVariant::kSectors,
    CrashVariant::kSizeWithoutData,
    CrashVariant::kDataWithoutSize,
    CrashVariant::kRenameWithoutData,
    CrashVariant::kNamesLost,
};

[[nodiscard]] const char* NameOf(CrashVariant variant);

// The properties of the medium.
struct Medium {
  // What it writes at once: 512 or 4096.
  size_t sector_bytes = 512;
  // False: a torn write may turn whole sectors to garbage, also bytes it did not touch.
  bool powersafe = true;
};

// What is on the disk after a power cut in `state`. The same arguments give the same image.
[[nodiscard]] DiskImage MakeCrashImage(const DurableState& state, CrashVariant variant,
                                       const Medium& medium, SeededRandom* random);

}  // namespace bedplate::vfs

#endif  // BEDPLATE_VFS_CRASH_IMAGE_H_

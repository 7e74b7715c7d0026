// The LZ4 block format, by the library of its author: native/third_party/lz4.
#ifndef BEDPLATE_LSM_LZ4_H_
#define BEDPLATE_LSM_LZ4_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/bytes.h"

namespace bedplate::lsm {

// Packs `raw` behind what `packed` holds if it then takes `limit` bytes or fewer. False, and
// `packed` is as it was, if it does not. Any thread.
[[nodiscard]] bool PackLz4(Bytes raw, size_t limit, std::vector<uint8_t>* packed);

// Unpacks any bytes into exactly `raw`. False if they are not what makes so many bytes; `raw` is
// undefined then. Never reads or writes outside. Any thread.
[[nodiscard]] bool UnpackLz4(Bytes packed, std::span<uint8_t> raw);

}  // namespace bedplate::lsm

#endif  // BEDPLATE_LSM_LZ4_H_

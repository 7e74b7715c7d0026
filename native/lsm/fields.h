// Fields of a block or of the manifest, one behind the other, little-endian; every read is checked
// against the end. The twin is ts/storage/lsm/fields.ts. One thread at a time.
#ifndef BEDPLATE_LSM_FIELDS_H_
#define BEDPLATE_LSM_FIELDS_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "core/bytes.h"
#include "core/status.h"

namespace bedplate::lsm {

// Appends fields to memory that grows.
class FieldWriter {
 public:
  void U8(uint8_t value) { bytes_.push_back(value); }
  void U16(uint16_t value) { Append(&value, 2); }
  void U32(uint32_t value) { Append(&value, 4); }
  // A whole number below 2^48.
  void U48(uint64_t value) { Append(&value, 6); }
  void Raw(Bytes bytes) { Append(bytes.data(), bytes.size()); }
  // Up to 65,535 bytes with their length before them.
  void Sized(Bytes bytes) {
    U16(static_cast<uint16_t>(bytes.size()));
    Raw(bytes);
  }

  // What was written so far, until the next field.
  [[nodiscard]] Bytes bytes() const { return bytes_; }
  [[nodiscard]] std::vector<uint8_t> Take() { return std::exchange(bytes_, {}); }

 private:
  void Append(const void* bytes, size_t count) {
    const size_t at = bytes_.size();
    bytes_.resize(at + count);
    if (count > 0) std::memcpy(bytes_.data() + at, bytes, count);
  }

  std::vector<uint8_t> bytes_;
};

// Reads them back. After the first failure every field is 0 or empty, and `status` says why.
class FieldReader {
 public:
  // `where` says what the bytes are of, for the text of errors.
  FieldReader(Bytes bytes, std::string where) : bytes_(bytes), where_(std::move(where)) {}

  [[nodiscard]] size_t left() const { return bytes_.size() - at_; }
  // CORRUPTION if a field did not fit, or after Fail.
  [[nodiscard]] const Status& status() const { return status_; }

  uint8_t U8();
  uint16_t U16();
  uint32_t U32();
  uint64_t U48();
  // Views.
  Bytes Raw(size_t count);
  Bytes Sized() { return Raw(U16()); }
  // A count of things of at least `bytes_each`: no more than there is room for.
  uint32_t Count(size_t bytes_each);
  // Fails if anything is left.
  void End();
  // Says what is wrong, unless something was before.
  void Fail(const std::string& problem);

 private:
  const uint8_t* Take(size_t count);

  Bytes bytes_;
  std::string where_;
  size_t at_ = 0;
  Status status_;
};

}  // namespace bedplate::lsm

#endif  // BEDPLATE_LSM_FIELDS_H_

#include "lsm/fields.h"

#include "core/little_endian.h"

namespace bedplate::lsm {

uint8_t FieldReader::U8() {
  const uint8_t* at = Take(1);
  return at == nullptr ? uint8_t{0} : *at;
}

uint16_t FieldReader::U16() {
  const uint8_t* at = Take(2);
  return at == nullptr ? uint16_t{0} : LoadU16(at);
}

uint32_t FieldReader::U32() {
  const uint8_t* at = Take(4);
  return at == nullptr ? 0 : LoadU32(at);
}

uint64_t FieldReader::U48() {
  const uint8_t* at = Take(6);
  return at == nullptr ? 0 : LoadU48(at);
}

Bytes FieldReader::Raw(size_t count) {
  const uint8_t* at = Take(count);
  return at == nullptr ? Bytes() : Bytes(at, count);
}

uint32_t FieldReader::Count(size_t bytes_each) {
  const uint32_t count = U32();
  if (count > left() / bytes_each) {
    Fail(std::to_string(count) + " things are said to be in " + std::to_string(left()) + " bytes");
    return 0;
  }
  return count;
}

void FieldReader::End() {
  if (left() > 0) Fail(std::to_string(left()) + " bytes are left over");
}

void FieldReader::Fail(const std::string& problem) {
  if (status_.ok()) status_ = Status::Error(ErrorCode::kCorruption, where_ + ": " + problem);
}

// Null if it does not fit, or nothing did before.
const uint8_t* FieldReader::Take(size_t count) {
  if (count > left()) Fail("it ends before its byte " + std::to_string(at_ + count));
  if (!status_.ok()) return nullptr;
  const uint8_t* at = bytes_.data() + at_;
  at_ += count;
  return at;
}

}  // namespace bedplate::lsm

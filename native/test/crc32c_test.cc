#include "crc32c/crc32c.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <numeric>
#include <random>
#include <string_view>
#include <thread>
#include <vector>

#include "crc32c/polynomial.h"

namespace bedplate::crc32c {
namespace {

using Function = uint32_t (*)(uint32_t crc, Bytes bytes);

// Three streams of hardware.cc: from these lengths on it goes another way.
constexpr size_t kShortGroup = size_t{3} * 256;
constexpr size_t kLongGroup = size_t{3} * 2048;

Bytes ToBytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

std::vector<uint8_t> RandomBytes(size_t size) {
  std::mt19937 random(
      static_cast<uint32_t>(size));  // NOLINT(cert-msc51-cpp): repeatable on purpose
  std::vector<uint8_t> bytes(size);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
  return bytes;
}

// The definition: polynomial division, a bit at a time.
uint32_t ExtendBitwise(uint32_t crc, Bytes bytes) {
  uint32_t state = ~crc;
  for (const uint8_t byte : bytes) {
    state ^= byte;
    for (int bit = 0; bit < 8; bit++) state = TimesX(state);
  }
  return ~state;
}

std::vector<Function> Implementations() {
  std::vector<Function> functions = {Extend, ExtendPortable};
  if (HardwareName() != nullptr) functions.push_back(ExtendHardware);
  return functions;
}

class Crc32cTest : public testing::TestWithParam<Function> {};

INSTANTIATE_TEST_SUITE_P(Implementations, Crc32cTest, testing::ValuesIn(Implementations()));

TEST_P(Crc32cTest, GivesTheVectorsOfRfc3720AppendixB4) {
  const Function extend = GetParam();
  std::vector<uint8_t> bytes(32, 0x00);
  EXPECT_EQ(extend(0, bytes), 0x8a9136aau);
  bytes.assign(32, 0xff);
  EXPECT_EQ(extend(0, bytes), 0x62a8ab43u);
  std::iota(bytes.begin(), bytes.end(), uint8_t{0});
  EXPECT_EQ(extend(0, bytes), 0x46dd794eu);
  std::iota(bytes.rbegin(), bytes.rend(), uint8_t{0});
  EXPECT_EQ(extend(0, bytes), 0x113fdb5cu);
  // A SCSI Read (10) command PDU.
  bytes.assign(48, 0x00);
  bytes[0] = 0x01;
  bytes[1] = 0xc0;
  bytes[16] = 0x14;
  bytes[22] = 0x04;
  bytes[27] = 0x14;
  bytes[31] = 0x18;
  bytes[32] = 0x28;
  bytes[40] = 0x02;
  EXPECT_EQ(extend(0, bytes), 0xd9963a56u);
}

TEST_P(Crc32cTest, GivesTheCheckValueOfTheCatalogue) {
  EXPECT_EQ(GetParam()(0, ToBytes("123456789")), 0xe3069283u);
}

TEST_P(Crc32cTest, LeavesTheCrcAsItIsForNoBytes) {
  EXPECT_EQ(GetParam()(0, {}), 0u);
  EXPECT_EQ(GetParam()(0x12345678, {}), 0x12345678u);
}

TEST_P(Crc32cTest, EqualsTheDefinitionAtEveryLengthAndAlignment) {
  const std::vector<uint8_t> bytes = RandomBytes(1024);
  for (size_t offset = 0; offset < 9; offset++) {
    for (size_t length = 0; length + offset <= bytes.size(); length++) {
      const Bytes part = Bytes(bytes).subspan(offset, length);
      ASSERT_EQ(GetParam()(7, part), ExtendBitwise(7, part)) << offset << " + " << length;
    }
  }
}

TEST_P(Crc32cTest, EqualsTheDefinitionAroundTheStreamLengths) {
  const std::vector<uint8_t> bytes = RandomBytes(size_t{20} * 1024);
  for (const size_t group : {kShortGroup, kLongGroup, kLongGroup + kShortGroup}) {
    for (size_t count = 1; count <= 2; count++) {
      for (size_t length = group * count - 9; length <= group * count + 9; length++) {
        const Bytes part = Bytes(bytes).subspan(1, length);
        ASSERT_EQ(GetParam()(0, part), ExtendBitwise(0, part)) << length;
      }
    }
  }
}

TEST_P(Crc32cTest, ContinuesWhereItStoppedAtAnySplit) {
  const std::vector<uint8_t> bytes = RandomBytes(7000);
  const uint32_t whole = ExtendBitwise(0, bytes);
  for (size_t split = 0; split <= bytes.size(); split += 41) {
    const uint32_t head = GetParam()(0, Bytes(bytes).first(split));
    ASSERT_EQ(GetParam()(head, Bytes(bytes).subspan(split)), whole) << split;
  }
}

TEST(Crc32cDispatchTest, NamesWhatItUses) {
  const std::string_view name = ImplementationName();
  EXPECT_EQ(name, HardwareName() == nullptr ? "portable" : HardwareName());
}

TEST(Crc32cDispatchTest, MayBeCalledFirstFromManyThreads) {
  const std::vector<uint8_t> bytes = RandomBytes(4096);
  const uint32_t expected = ExtendBitwise(0, bytes);
  std::vector<uint32_t> found(8);
  std::vector<std::thread> threads;
  threads.reserve(found.size());
  for (uint32_t& crc : found) threads.emplace_back([&] { crc = Extend(0, bytes); });
  for (std::thread& thread : threads) thread.join();
  for (const uint32_t crc : found) EXPECT_EQ(crc, expected);
}

TEST(ZeroBytesTest, EqualsAppendingThemOneByOne) {
  static constexpr ZeroBytes<256> kZeroBytes;
  const std::vector<uint8_t> zeros(256);
  for (uint32_t bit = 0; bit < 32; bit++) {
    const uint32_t state = uint32_t{1} << bit;
    EXPECT_EQ(kZeroBytes.AppendTo(state), ~ExtendBitwise(~state, zeros));
  }
}

}  // namespace
}  // namespace bedplate::crc32c

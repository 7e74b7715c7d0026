#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "bloom/filter.h"
#include "bloom/hash.h"
#include "test/test_support.h"

namespace bedplate::bloom {
namespace {

std::vector<Hash64> HashesOf(const std::string& prefix, int count) {
  std::vector<Hash64> hashes;
  for (int i = 0; i < count; i++) hashes.push_back(HashOf(AsBytes(prefix + std::to_string(i))));
  return hashes;
}

// What a filter of lines can do: the mean over Poisson distributed loads of a line.
double RateInTheory(double bits_per_key, int probes) {
  const double mean = 512 / bits_per_key;
  double rate = 0;
  double probability = std::exp(-mean);
  for (int keys = 0; keys < 2000; keys++) {
    rate += probability * std::pow(1 - std::pow(1 - 1.0 / 512, probes * keys), probes);
    probability *= mean / (keys + 1);
  }
  return rate;
}

TEST(BloomTest, HashesAsDocumented) {
  EXPECT_EQ(HashOf({}), (Hash64{0x22bd8874, 0x5b4a5402}));
  EXPECT_EQ(HashOf(AsBytes("a")), (Hash64{0x3a28ef8e, 0x88bf4c73}));
  EXPECT_EQ(HashOf(AsBytes("bedplate")), (Hash64{0xa7e74c49, 0x3cdb4bd1}));
}

TEST(BloomTest, HoldsEveryKeyAndFewOthers) {
  constexpr int kKeys = 20'000;
  for (const uint32_t bits_per_key : {4U, 10U, 16U}) {
    const std::vector<uint8_t> bytes = BuildFilter(HashesOf("key ", kKeys), bits_per_key);
    BloomFilter filter;
    ASSERT_OK(BloomFilter::Open(bytes, "test", &filter));
    for (const Hash64& hash : HashesOf("key ", kKeys)) ASSERT_TRUE(filter.MayHold(hash));
    int passed = 0;
    constexpr int kStrangers = 200'000;
    for (const Hash64& hash : HashesOf("stranger ", kStrangers)) passed += filter.MayHold(hash);
    const int probes = static_cast<int>(std::floor(bits_per_key * std::log(2.0)));
    const double theory = RateInTheory(bits_per_key, probes);
    EXPECT_LT(passed, 1.2 * theory * kStrangers) << bits_per_key << " bits a key";
  }
}

TEST(BloomTest, MakesTheSameBytesOfTheSameKeysInAnyOrder) {
  std::vector<Hash64> hashes = HashesOf("key ", 1000);
  const std::vector<uint8_t> bytes = BuildFilter(hashes, 10);
  EXPECT_EQ(bytes.size(), 64U + 64 * 20);
  std::reverse(hashes.begin(), hashes.end());
  EXPECT_EQ(BuildFilter(hashes, 10), bytes);
}

TEST(BloomTest, ANewFilterHoldsEverythingAndAnEmptyOneNothing) {
  const Hash64 hash = HashOf(AsBytes("key"));
  BloomFilter filter;
  EXPECT_TRUE(filter.MayHold(hash));
  const std::vector<uint8_t> bytes = BuildFilter({}, 10);
  ASSERT_OK(BloomFilter::Open(bytes, "test", &filter));
  EXPECT_FALSE(filter.MayHold(hash));
}

TEST(BloomTest, RefusesWhatIsNoFilter) {
  const std::vector<uint8_t> good = BuildFilter(HashesOf("key ", 100), 10);
  BloomFilter filter;
  const auto refusal = [&](size_t at, uint8_t value, size_t length) {
    std::vector<uint8_t> bytes = good;
    bytes[at] = value;
    bytes.resize(length);
    return BloomFilter::Open(bytes, "000007.sst", &filter);
  };
  EXPECT_EQ(refusal(0, 'X', good.size()).message(),
            "000007.sst: the Bloom filter is broken: it does not begin with BPBF");
  EXPECT_EQ(refusal(0, 'B', 63).message(),
            "000007.sst: the Bloom filter is broken: it has 63 bytes");
  EXPECT_EQ(refusal(4, 9, good.size()).message(),
            "000007.sst: the Bloom filter is broken: 9 lines do not make 192 bytes");
  EXPECT_EQ(refusal(6, 0x7f, good.size()).code(), ErrorCode::kCorruption);
  EXPECT_EQ(refusal(8, 17, good.size()).message(),
            "000007.sst: the Bloom filter is broken: 17 bits a key");
  EXPECT_EQ(refusal(8, 0, good.size()).code(), ErrorCode::kCorruption);
  EXPECT_EQ(refusal(9, 2, good.size()).code(), ErrorCode::kIncompatible);
  EXPECT_TRUE(filter.MayHold(HashOf(AsBytes("no"))));  // a refused one was not taken
}

}  // namespace
}  // namespace bedplate::bloom

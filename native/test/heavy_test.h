// How much the crash suites do. Small by default, so that they fit into every run; by environment
// variables they run for as long as one likes, from any seed:
//
//   BEDPLATE_SEED            a whole number; 1 if absent
//   BEDPLATE_BUDGET_SECONDS  of each such test; 2 if absent
//   BEDPLATE_CASE            the case to begin with; 0 if absent
#ifndef BEDPLATE_TEST_HEAVY_TEST_H_
#define BEDPLATE_TEST_HEAVY_TEST_H_

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "core/random.h"
#include "core/status.h"

namespace bedplate {

inline uint64_t NumberFromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody sets any
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

// The seed of this run.
inline uint64_t HeavySeed() { return NumberFromEnvironment("BEDPLATE_SEED", 1); }

// The number of the first case.
inline uint64_t FirstCase() { return NumberFromEnvironment("BEDPLATE_CASE", 0); }

// Notes a figure of the running test, for who reads the report of a whole run.
inline void Record(const char* name, uint64_t figure) {
  testing::Test::RecordProperty(name, std::to_string(figure));
}

// Says when the time of a test is over.
class Budget {
 public:
  [[nodiscard]] bool HasTime() const { return std::chrono::steady_clock::now() < end_; }

 private:
  std::chrono::steady_clock::time_point end_ =
      std::chrono::steady_clock::now() +
      std::chrono::seconds(NumberFromEnvironment("BEDPLATE_BUDGET_SECONDS", 2));
};

// The randomness of one case: another one for every seed and every number.
inline SeededRandom RandomOf(uint64_t seed, uint64_t number) {
  return SeededRandom((seed * 0x9e3779b97f4a7c15U) ^ (number * 0xd1342543de82ef95U));
}

// What is wrong, if anything is: a check that failed, or what a call gave.
using Complaint = Status;

// A complaint unless `holds`.
inline Complaint Must(bool holds, const std::string& otherwise) {
  return holds ? Status::Ok() : Status::Error(ErrorCode::kInternal, otherwise);
}

// Says where it was.
inline Complaint At(const std::string& where, const Complaint& complaint) {
  if (complaint.ok()) return complaint;
  return Status::Error(complaint.code(), where + ": " + complaint.message());
}

}  // namespace bedplate

#endif  // BEDPLATE_TEST_HEAVY_TEST_H_

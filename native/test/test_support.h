// What the tests of the core share.
#ifndef BEDPLATE_TEST_TEST_SUPPORT_H_
#define BEDPLATE_TEST_TEST_SUPPORT_H_

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "core/bytes.h"
#include "core/status.h"
#include "vfs/disk.h"

namespace bedplate {

// For messages of failed expectations.
inline void PrintTo(const Status& status, std::ostream* out) {
  *out << NameOf(status.code());
  if (!status.ok()) *out << ": " << status.message();
}
inline void PrintTo(ErrorCode code, std::ostream* out) { *out << NameOf(code); }

#define EXPECT_OK(expression) EXPECT_EQ((expression).code(), ::bedplate::ErrorCode::kOk)
#define ASSERT_OK(expression)                                       \
  do {                                                              \
    const ::bedplate::Status asserted = (expression);               \
    ASSERT_TRUE(asserted.ok()) << testing::PrintToString(asserted); \
  } while (false)

inline std::string Text(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

// An empty directory, removed with all that is in it.
class TemporaryDirectory {
 public:
  TemporaryDirectory() : path_(testing::TempDir() + "bedplate-XXXXXX") {
    if (::mkdtemp(path_.data()) == nullptr) ADD_FAILURE() << "cannot make " << path_;
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string At(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// The content of a real file; empty if there is none.
inline std::string ReadText(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

inline void WriteText(const std::string& path, std::string_view text) {
  std::ofstream(path, std::ios::binary)
      .write(text.data(), static_cast<std::streamsize>(text.size()));
}

// The names in a real directory, sorted.
inline std::vector<std::string> NamesIn(const std::string& directory) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace bedplate

#endif  // BEDPLATE_TEST_TEST_SUPPORT_H_

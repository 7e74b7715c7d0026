#include "vfs/real_lock.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/sha256.h"
#include "test/test_support.h"
#include "vfs/lock_holder.h"

namespace bedplate::vfs {
namespace {

using Names = std::vector<std::string>;

// Another process that tried to take a lock, and holds it until it is told to end or is killed.
class OtherProcess {
 public:
  OtherProcess(const std::string& directory, LockKind kind) {
    int orders[2];
    int answers[2];
    EXPECT_EQ(::pipe(orders), 0);
    EXPECT_EQ(::pipe(answers), 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::close(orders[1]);
      Hold(directory, kind, orders[0], answers[1]);
    }
    ::close(orders[0]);
    ::close(answers[1]);
    orders_ = orders[1];
    answers_ = answers[0];
  }
  ~OtherProcess() {
    End();
    ::close(answers_);
  }
  OtherProcess(const OtherProcess&) = delete;
  OtherProcess& operator=(const OtherProcess&) = delete;

  // Waits for it: how its attempt went.
  ErrorCode Outcome() {
    uint8_t code = 0;
    if (!outcome_.has_value() && ::read(answers_, &code, 1) == 1) {
      outcome_ = static_cast<ErrorCode>(code);
    }
    return outcome_.value_or(ErrorCode::kInternal);
  }
  [[nodiscard]] pid_t pid() const { return pid_; }

  // Lets it give its lock back and end.
  void End() {
    if (orders_ < 0) return;
    ::close(orders_);
    orders_ = -1;
    ::waitpid(pid_, nullptr, 0);
  }

  // Ends it as a crash would, after it has had its answer.
  void Kill() {
    (void)Outcome();
    ::kill(pid_, SIGKILL);
    End();
  }

 private:
  [[noreturn]] static void Hold(const std::string& directory, LockKind kind, int orders,
                                int answers) {
    std::unique_ptr<Lock> lock;
    const auto code = static_cast<uint8_t>(LockDirectory(directory, kind, &lock).code());
    uint8_t ignored = 0;
    if (::write(answers, &code, 1) == 1) (void)!::read(orders, &ignored, 1);
    lock.reset();
    ::_exit(0);
  }

  pid_t pid_ = 0;
  int orders_ = -1;
  int answers_ = -1;
  std::optional<ErrorCode> outcome_;
};

class RealLockTest : public testing::Test {
 protected:
  [[nodiscard]] std::string At(const std::string& name) const { return directory_.At(name); }
  [[nodiscard]] Names NamesLeft() const { return NamesIn(directory_.path()); }

  std::unique_ptr<Lock> Take(LockKind kind) {
    std::unique_ptr<Lock> lock;
    EXPECT_OK(LockDirectory(directory_.path(), kind, &lock));
    return lock;
  }

  // What comes of taking the lock and giving it back.
  Status Try(LockKind kind) {
    std::unique_ptr<Lock> lock;
    return LockDirectory(directory_.path(), kind, &lock);
  }

  LockHolder Content() {
    const std::optional<LockHolder> holder = ParseHolder(ReadText(At("LOCK")));
    EXPECT_TRUE(holder.has_value());
    return holder.value_or(LockHolder{});
  }

  LockHolder OwnContent() {
    const auto lock = Take(LockKind::kWriter);
    return Content();
  }

  void Leave(const LockHolder& holder, const std::string& name = "LOCK") {
    WriteText(At(name), FormatHolder(holder));
  }

  LockHolder LeftBehind() {
    LockHolder holder = OwnContent();
    holder.nonce = "left behind";
    return holder;
  }

  LockHolder OfAnotherBoot() {
    LockHolder holder = LeftBehind();
    holder.machine.boot_id = "another boot";
    return holder;
  }

  TemporaryDirectory directory_;
};

TEST_F(RealLockTest, NamesItsHolderInTheFileAndLeavesNothing) {
  const LockHolder holder = OwnContent();
  EXPECT_EQ(holder.pid, ::getpid());
  EXPECT_EQ(holder.thread_id, 0);
  EXPECT_EQ(holder.nonce.size(), 16u);
  EXPECT_EQ(holder.since.size(), std::string("2026-01-01T00:00:00.000Z").size());
  EXPECT_TRUE(holder.start_time.has_value());
  EXPECT_EQ(NamesLeft(), Names{});
}

TEST_F(RealLockTest, IsToldOfByPidAndTimeWithAHint) {
  const auto lock = Take(LockKind::kWriter);
  const Status status = Try(LockKind::kWriter);
  EXPECT_EQ(status.code(), ErrorCode::kLocked);
  const std::string start =
      directory_.path() + " is in use by process " + std::to_string(::getpid()) + " since 20";
  EXPECT_EQ(status.message().substr(0, start.size()), start);
  EXPECT_NE(status.hint().find("This very process"), std::string::npos);
}

TEST_F(RealLockTest, ExcludesOtherProcessesUntilTheyEndInOrder) {
  OtherProcess holder(directory_.path(), LockKind::kWriter);
  EXPECT_EQ(holder.Outcome(), ErrorCode::kOk);
  EXPECT_EQ(Try(LockKind::kWriter).code(), ErrorCode::kLocked);
  EXPECT_EQ(Try(LockKind::kReader).code(), ErrorCode::kLocked);
  holder.End();
  EXPECT_OK(Try(LockKind::kWriter));
  EXPECT_EQ(NamesLeft(), Names{});
}

TEST_F(RealLockTest, RefusesOtherProcessesWhileItIsHeldHere) {
  {
    const auto lock = Take(LockKind::kReader);
    EXPECT_EQ(OtherProcess(directory_.path(), LockKind::kWriter).Outcome(), ErrorCode::kLocked);
    EXPECT_EQ(OtherProcess(directory_.path(), LockKind::kReader).Outcome(), ErrorCode::kOk);
  }
  EXPECT_EQ(NamesLeft(), Names{});
}

TEST_F(RealLockTest, IsTakenOverFromAWriterThatWasKilled) {
  OtherProcess holder(directory_.path(), LockKind::kWriter);
  holder.Kill();
  EXPECT_EQ(Content().pid, holder.pid());
  {
    const auto lock = Take(LockKind::kWriter);
    EXPECT_EQ(Content().pid, ::getpid());
    EXPECT_EQ(Try(LockKind::kWriter).code(), ErrorCode::kLocked);
  }
  EXPECT_EQ(NamesLeft(), Names{});
}

TEST_F(RealLockTest, IsNotBarredByAReaderThatWasKilledWhoseFileGoes) {
  OtherProcess(directory_.path(), LockKind::kReader).Kill();
  EXPECT_EQ(NamesLeft().size(), 1u);
  EXPECT_OK(Try(LockKind::kWriter));
  EXPECT_EQ(NamesLeft(), Names{});
}

TEST_F(RealLockTest, LetsReadersInBesideTheFileOfAKilledWriter) {
  OtherProcess(directory_.path(), LockKind::kWriter).Kill();
  EXPECT_OK(Try(LockKind::kReader));
  EXPECT_EQ(NamesLeft(), Names{"LOCK"});
}

TEST_F(RealLockTest, IsStaleIfItsPidNowBelongsToAnotherProcess) {
  LockHolder holder = LeftBehind();
  holder.start_time = "1";
  Leave(holder);
  EXPECT_OK(Try(LockKind::kWriter));
  EXPECT_EQ(NamesLeft(), Names{});
}

TEST_F(RealLockTest, IsStaleIfTheMachineWasStartedAgainSince) {
  Leave(OfAnotherBoot());
  EXPECT_OK(Try(LockKind::kWriter));
  EXPECT_EQ(NamesLeft(), Names{});
}

TEST_F(RealLockTest, IsStaleIfAPowerCutLeftNoWholeFile) {
  for (const std::string& content :
       {std::string(), std::string("{\"pid\":"), std::string("null"), std::string("[]"),
        std::string("{}"), std::string(4, '\0'), std::string("{\"pid\":1,\"host\":\"a\"}")}) {
    for (const char* name : {"LOCK", "LOCK.reader-1-x", "LOCK.new-1-x"}) {
      WriteText(At(name), content);
    }
    EXPECT_OK(Try(LockKind::kReader));
    EXPECT_OK(Try(LockKind::kWriter));
    EXPECT_EQ(NamesLeft(), Names{}) << content;
  }
}

TEST_F(RealLockTest, OfAReaderNamesItsHolderByTheNameOfAnEmptyFile) {
  {
    const auto lock = Take(LockKind::kReader);
    const Names names = NamesLeft();
    ASSERT_EQ(names.size(), 1u);
    EXPECT_EQ(ReadText(At(names[0])), "");
    const std::string prefix = "LOCK.reader-";
    ASSERT_EQ(names[0].substr(0, prefix.size()), prefix);
    const std::optional<LockHolder> holder = ParseHolderName(names[0].substr(prefix.size()));
    if (!holder.has_value()) FAIL() << names[0];
    EXPECT_EQ(holder->pid, ::getpid());
    EXPECT_TRUE(IsVisible(*holder));
    EXPECT_EQ(NameHolder(*holder), names[0].substr(prefix.size()));
    const Status status = Try(LockKind::kWriter);
    EXPECT_EQ(status.code(), ErrorCode::kLocked);
    EXPECT_NE(status.message().find(" since " + holder->since), std::string::npos);
  }
  EXPECT_EQ(NamesLeft(), Names{});
}

TEST_F(RealLockTest, OfAReaderIsJudgedByWhatItsNameSays) {
  LockHolder reused = LeftBehind();
  reused.nonce = "0123456789abcdef";
  LockHolder rebooted = reused;
  reused.start_time = "1";
  rebooted.machine.boot_id = "11111111-2222-3333-4444-555555555555";
  for (const LockHolder& holder : {reused, rebooted}) {
    WriteText(At("LOCK.reader-" + NameHolder(holder)), "");
    EXPECT_OK(Try(LockKind::kWriter));
    EXPECT_EQ(NamesLeft(), Names{});
  }
  LockHolder elsewhere = rebooted;
  elsewhere.machine.host = "elsewhere";
  WriteText(At("LOCK.reader-" + NameHolder(elsewhere)), "");
  EXPECT_EQ(Try(LockKind::kWriter).code(), ErrorCode::kLocked);
  for (const char* name : {"", "1", "1_2_3_4_5_6_7", "x_2_3_4_5_6_7_8", "1_2_3_4_5_6__8",
                           "1_2_3_4_5_6_7_/", "1_2_3_4_5_1234567890123456_7_8"}) {
    EXPECT_FALSE(ParseHolderName(name).has_value()) << name;
  }
}

TEST_F(RealLockTest, OfAReaderMayAlsoNameItsHolderInItsContentAsItOnceDid) {
  const LockHolder rebooted = OfAnotherBoot();
  Leave(LeftBehind(), "LOCK.reader-1-x");
  EXPECT_EQ(Try(LockKind::kWriter).code(), ErrorCode::kLocked);
  Leave(rebooted, "LOCK.reader-1-x");
  EXPECT_OK(Try(LockKind::kWriter));
  EXPECT_EQ(NamesLeft(), Names{});
}

// No byte may be written: as on a full disk, with another error.
TEST_F(RealLockTest, OfAReaderTakesNoRoomAndThatOfAWriterLeavesNothing) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = ::signal(SIGXFSZ, SIG_IGN);
  const rlimit nothing = {.rlim_cur = 0, .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &nothing), 0);
  const Status reader = Try(LockKind::kReader);
  const Status writer = Try(LockKind::kWriter);
  ::setrlimit(RLIMIT_FSIZE, &before);
  ::signal(SIGXFSZ, handler);
  EXPECT_OK(reader);
  EXPECT_EQ(writer.system_error(), EFBIG);
  EXPECT_EQ(NamesLeft(), Names{});
}

TEST_F(RealLockTest, CountsAsHeldIfItsHolderCannotBeJudgedFromHere) {
  LockHolder elsewhere = LeftBehind();
  elsewhere.pid = (1 << 22) + 1;
  LockHolder contained = elsewhere;
  elsewhere.machine.host = "elsewhere";
  contained.machine.pid_namespace = "another container";
  for (const LockHolder& holder : {elsewhere, contained}) {
    Leave(holder);
    const Status status = Try(LockKind::kWriter);
    EXPECT_EQ(status.code(), ErrorCode::kLocked);
    EXPECT_NE(status.hint().find("remove the LOCK files"), std::string::npos);
    EXPECT_EQ(Try(LockKind::kReader).code(), ErrorCode::kLocked);
    ::unlink(At("LOCK").c_str());
  }
}

TEST_F(RealLockTest, IsTakenOverAlthoughOneThatWasTakingItOverDied) {
  Leave(OfAnotherBoot());
  const std::string named = "LOCK\n" + ReadText(At("LOCK"));
  WriteText(At("LOCK.stale-" + Sha256Hex(AsBytes(named)).substr(0, 16)), "");
  EXPECT_OK(Try(LockKind::kWriter));
  EXPECT_EQ(NamesLeft(), Names{});
}

TEST_F(RealLockTest, IsNotTakenOverWhileAnotherIsTakingItOver) {
  Leave(OfAnotherBoot());
  const std::string named = "LOCK\n" + ReadText(At("LOCK"));
  LockHolder faster = OfAnotherBoot();
  Leave(OfAnotherBoot());
  faster.machine.host = "elsewhere";
  Leave(faster, "LOCK.stale-" + Sha256Hex(AsBytes("LOCK\n" + ReadText(At("LOCK")))).substr(0, 16));
  EXPECT_EQ(Try(LockKind::kWriter).code(), ErrorCode::kLocked);
}

TEST_F(RealLockTest, IsNotTakenOverWhileItsFlockIsHeldWhateverTheFileSays) {
  Leave(OfAnotherBoot());
  const int file = ::open(At("LOCK").c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_EQ(::flock(file, LOCK_EX | LOCK_NB), 0);
  const Status status = Try(LockKind::kWriter);
  EXPECT_EQ(status.code(), ErrorCode::kLocked);
  EXPECT_NE(status.hint().find("lslocks"), std::string::npos);
  EXPECT_EQ(Try(LockKind::kReader).code(), ErrorCode::kLocked);
  ::close(file);
  EXPECT_OK(Try(LockKind::kWriter));
}

TEST_F(RealLockTest, KeepsAnFlockOnTheFileOfAWriter) {
  const auto lock = Take(LockKind::kWriter);
  const int file = ::open(At("LOCK").c_str(), O_RDONLY | O_CLOEXEC);
  EXPECT_NE(::flock(file, LOCK_SH | LOCK_NB), 0);
  EXPECT_EQ(errno, EWOULDBLOCK);
  ::close(file);
}

TEST_F(RealLockTest, IsNotReleasedByOneThatHasLostIt) {
  auto lock = Take(LockKind::kWriter);
  ::unlink(At("LOCK").c_str());
  const auto other = Take(LockKind::kWriter);
  lock.reset();
  EXPECT_EQ(NamesLeft(), Names{"LOCK"});
}

TEST_F(RealLockTest, IsReleasedWithoutComplaintWhenItsDirectoryHasGone) {
  auto lock = Take(LockKind::kWriter);
  std::filesystem::remove_all(directory_.path());
  lock.reset();
  EXPECT_EQ(Try(LockKind::kWriter).code(), ErrorCode::kNotFound);
}

TEST_F(RealLockTest, IsNeverHeldByTwoProcessesWhetherItIsFreeOrStale) {
  for (int round = 0; round < 5; round++) {
    std::vector<std::unique_ptr<OtherProcess>> holders;
    holders.reserve(4);
    for (int i = 0; i < 4; i++) {
      holders.push_back(std::make_unique<OtherProcess>(directory_.path(), LockKind::kWriter));
    }
    int held = 0;
    for (const auto& holder : holders) held += holder->Outcome() == ErrorCode::kOk ? 1 : 0;
    EXPECT_EQ(held, 1);
    for (const auto& holder : holders) holder->Kill();
  }
}

}  // namespace
}  // namespace bedplate::vfs

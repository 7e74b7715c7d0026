#include "vfs/lock_holder.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <map>

#include "core/json.h"
#include "vfs/descriptor.h"

namespace bedplate::vfs {
namespace {

constexpr size_t kNonceBytes = 8;
// Names of files may have 255 bytes; the parts of a holder's before the host need about 110.
constexpr size_t kMaxHostLength = 64;
constexpr size_t kMaxDigits = 15;
constexpr char kNamespaceStart[] = "pid:[";
// In /proc/<pid>/stat, counted from 0 behind the command's closing parenthesis: field 22 in all.
constexpr int kStartTimeField = 19;

// What a file of /proc says, where there is one.
std::optional<std::string> ReadProc(const std::string& path) {
  const Descriptor file(
      RetryInterrupted([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC); }));
  if (!file.is_open()) return std::nullopt;
  std::array<char, 4096> buffer;
  const ssize_t count =
      RetryInterrupted([&] { return ::read(file.number(), buffer.data(), buffer.size()); });
  if (count < 0) return std::nullopt;
  return std::string(buffer.data(), static_cast<size_t>(count));
}

std::optional<std::string> ReadBootId() {
  std::optional<std::string> text = ReadProc("/proc/sys/kernel/random/boot_id");
  if (text.has_value()) text->erase(text->find_last_not_of(" \n") + 1);
  return text;
}

std::optional<std::string> ReadPidNamespace() {
  std::array<char, 256> buffer;
  const ssize_t count = ::readlink("/proc/self/ns/pid", buffer.data(), buffer.size());
  if (count < 0) return std::nullopt;
  return std::string(buffer.data(), static_cast<size_t>(count));
}

std::string ReadHostName() {
  std::array<char, 256> buffer{};
  if (::gethostname(buffer.data(), buffer.size() - 1) != 0) return {};
  return buffer.data();
}

// The command may hold spaces and parentheses: fields are counted from the last `)`.
std::optional<std::string> ReadStartTime(int64_t pid) {
  const std::optional<std::string> stat = ReadProc("/proc/" + std::to_string(pid) + "/stat");
  if (!stat.has_value()) return std::nullopt;
  size_t at = stat->rfind(") ");
  if (at == std::string::npos) return std::nullopt;
  at += 2;
  for (int field = 0; field < kStartTimeField; field++) {
    at = stat->find(' ', at);
    if (at == std::string::npos) return std::nullopt;
    at++;
  }
  return stat->substr(at, stat->find(' ', at) - at);
}

bool ProcessExists(int64_t pid) {
  // EPERM: it exists and belongs to another user.
  return ::kill(static_cast<pid_t>(pid), 0) == 0 || errno != ESRCH;
}

int64_t NowMs() {
  return std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now())
      .time_since_epoch()
      .count();
}

// ISO 8601, as JavaScript writes it.
std::string FormatTime(int64_t since_epoch) {
  const auto seconds = static_cast<time_t>(since_epoch / 1000);
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  std::array<char, 32> date{};
  const size_t length = std::strftime(date.data(), date.size(), "%Y-%m-%dT%H:%M:%S", &utc);
  std::array<char, 8> rest{};
  std::snprintf(rest.data(), rest.size(), ".%03dZ", static_cast<int>(since_epoch % 1000));
  return std::string(date.data(), length) + rest.data();
}

// The other way round; 0 for what is no such time.
int64_t ParseTime(const std::string& text) {
  constexpr std::string_view kLayout = "0000-00-00T00:00:00.000Z";
  if (text.size() != kLayout.size()) return 0;
  for (size_t i = 0; i < text.size(); i++) {
    const bool is_digit = text[i] >= '0' && text[i] <= '9';
    if (kLayout[i] == '0' ? !is_digit : text[i] != kLayout[i]) return 0;
  }
  const auto number = [&text](size_t at, size_t digits) {
    int value = 0;
    for (const char digit : std::string_view(text).substr(at, digits)) {
      value = value * 10 + (digit - '0');
    }
    return value;
  };
  std::tm utc{};
  utc.tm_year = number(0, 4) - 1900;
  utc.tm_mon = number(5, 2) - 1;
  utc.tm_mday = number(8, 2);
  utc.tm_hour = number(11, 2);
  utc.tm_min = number(14, 2);
  utc.tm_sec = number(17, 2);
  return static_cast<int64_t>(::timegm(&utc)) * 1000 + number(20, 3);
}

std::string MakeNonce() {
  std::array<uint8_t, kNonceBytes> bytes{};
  // Fails for lengths above 256 only.
  (void)::getentropy(bytes.data(), bytes.size());
  std::string nonce;
  for (const uint8_t byte : bytes) {
    nonce += "0123456789abcdef"[byte >> 4];
    nonce += "0123456789abcdef"[byte & 0xf];
  }
  return nonce;
}

bool IsDigit(char character) { return character >= '0' && character <= '9'; }

bool IsHexadecimal(char character) {
  return IsDigit(character) || (character >= 'a' && character <= 'f');
}

bool IsHostCharacter(char character) {
  return IsDigit(character) || (character >= 'a' && character <= 'z') ||
         (character >= 'A' && character <= 'Z') || character == '.' || character == '-';
}

// The host as names of files have it.
std::string ToNamePart(std::string host) {
  if (host.size() > kMaxHostLength) host.resize(kMaxHostLength);
  for (char& character : host) {
    if (!IsHostCharacter(character)) character = '-';
  }
  return host;
}

std::optional<int64_t> ParseDigits(std::string_view text) {
  if (text.empty() || text.size() > kMaxDigits || !std::all_of(text.begin(), text.end(), IsDigit)) {
    return std::nullopt;
  }
  int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

// The digits of "pid:[4026531836]".
std::string NamespaceDigits(const std::optional<std::string>& pid_namespace) {
  const std::string text = pid_namespace.value_or("");
  if (!text.starts_with(kNamespaceStart) || !text.ends_with(']')) return {};
  return text.substr(sizeof kNamespaceStart - 1, text.size() - sizeof kNamespaceStart);
}

std::optional<std::string> UnlessEmpty(std::string_view text) {
  return text.empty() ? std::nullopt : std::optional<std::string>(text);
}

bool IsOwnHost(const LockHolder& holder, const Machine& own) {
  return holder.machine.host == own.host || holder.machine.host == ToNamePart(own.host);
}

using Members = std::map<std::string, JsonMember>;

std::optional<std::string> StringAt(const Members& members, const std::string& name) {
  const auto found = members.find(name);
  if (found == members.end() || found->second.kind != JsonMember::Kind::kString) {
    return std::nullopt;
  }
  return found->second.text;
}

std::optional<int64_t> NumberAt(const Members& members, const std::string& name) {
  const auto found = members.find(name);
  if (found == members.end() || found->second.kind != JsonMember::Kind::kNumber) {
    return std::nullopt;
  }
  const std::string& text = found->second.text;
  int64_t number = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || stop != text.data() + text.size()) return std::nullopt;
  return number;
}

void AddMember(std::string* json, const char* name, const std::optional<std::string>& text) {
  if (!text.has_value()) return;
  json->append(",").append(QuoteJson(name)).append(":").append(QuoteJson(*text));
}

}  // namespace

Machine DescribeMachine() {
  return {.host = ReadHostName(), .boot_id = ReadBootId(), .pid_namespace = ReadPidNamespace()};
}

LockHolder DescribeSelf() {
  const int64_t pid = ::getpid();
  return {.pid = pid,
          .since = FormatTime(NowMs()),
          .nonce = MakeNonce(),
          .machine = DescribeMachine(),
          .start_time = ReadStartTime(pid)};
}

std::string FormatHolder(const LockHolder& holder) {
  std::string json = "{\"pid\":" + std::to_string(holder.pid);
  json += ",\"threadId\":" + std::to_string(holder.thread_id);
  AddMember(&json, "since", holder.since);
  AddMember(&json, "nonce", holder.nonce);
  AddMember(&json, "host", holder.machine.host);
  AddMember(&json, "bootId", holder.machine.boot_id);
  AddMember(&json, "pidNamespace", holder.machine.pid_namespace);
  AddMember(&json, "startTime", holder.start_time);
  return json + "}";
}

std::optional<LockHolder> ParseHolder(std::string_view content) {
  const std::optional<Members> members = ParseJsonObject(content);
  if (!members.has_value()) return std::nullopt;
  const std::optional<int64_t> pid = NumberAt(*members, "pid");
  const std::optional<std::string> nonce = StringAt(*members, "nonce");
  const std::optional<std::string> host = StringAt(*members, "host");
  if (!pid.has_value() || !nonce.has_value() || !host.has_value()) return std::nullopt;
  return LockHolder{.pid = *pid,
                    .thread_id = NumberAt(*members, "threadId").value_or(0),
                    .since = StringAt(*members, "since").value_or("an unknown time"),
                    .nonce = *nonce,
                    .machine = {.host = *host,
                                .boot_id = StringAt(*members, "bootId"),
                                .pid_namespace = StringAt(*members, "pidNamespace")},
                    .start_time = StringAt(*members, "startTime")};
}

std::string NameHolder(const LockHolder& holder) {
  const Machine& machine = holder.machine;
  std::string name = std::to_string(holder.pid);
  for (const std::string& part :
       {holder.start_time.value_or(""), machine.boot_id.value_or(""),
        NamespaceDigits(machine.pid_namespace), std::to_string(holder.thread_id),
        std::to_string(ParseTime(holder.since)), holder.nonce, ToNamePart(machine.host)}) {
    name.append("_").append(part);
  }
  return name;
}

std::optional<LockHolder> ParseHolderName(std::string_view name) {
  std::array<std::string_view, 8> parts;
  for (size_t i = 0; i < parts.size(); i++) {
    const bool is_last = i + 1 == parts.size();
    const size_t end = is_last ? name.size() : name.find('_');
    if (end == std::string_view::npos) return std::nullopt;
    parts[i] = name.substr(0, end);
    name.remove_prefix(is_last ? end : end + 1);
  }
  const auto& [pid, start_time, boot_id, pid_namespace, thread_id, since, nonce, host] = parts;
  const std::optional<int64_t> pid_number = ParseDigits(pid);
  const std::optional<int64_t> thread_number = ParseDigits(thread_id);
  const std::optional<int64_t> since_number = ParseDigits(since);
  if (!pid_number.has_value() || !thread_number.has_value() || !since_number.has_value()) {
    return std::nullopt;
  }
  if (nonce.empty() || !std::all_of(nonce.begin(), nonce.end(), IsHexadecimal) ||
      !std::all_of(host.begin(), host.end(), IsHostCharacter)) {
    return std::nullopt;
  }
  LockHolder holder{.pid = *pid_number,
                    .thread_id = *thread_number,
                    .since = FormatTime(*since_number),
                    .nonce = std::string(nonce),
                    .machine = {.host = std::string(host),
                                .boot_id = UnlessEmpty(boot_id),
                                .pid_namespace = std::nullopt},
                    .start_time = UnlessEmpty(start_time)};
  if (!pid_namespace.empty()) {
    holder.machine.pid_namespace = kNamespaceStart + std::string(pid_namespace) + "]";
  }
  return holder;
}

bool IsVisible(const LockHolder& holder) {
  const Machine own = DescribeMachine();
  return IsOwnHost(holder, own) && holder.machine.pid_namespace == own.pid_namespace;
}

bool IsAlive(const LockHolder& holder) {
  const Machine own = DescribeMachine();
  if (!IsOwnHost(holder, own)) return true;
  if (holder.machine.boot_id != own.boot_id) return false;
  if (holder.machine.pid_namespace != own.pid_namespace) return true;
  if (!ProcessExists(holder.pid)) return false;
  const std::optional<std::string> start_time = ReadStartTime(holder.pid);
  return !start_time.has_value() || !holder.start_time.has_value() ||
         *start_time == *holder.start_time;
}

}  // namespace bedplate::vfs

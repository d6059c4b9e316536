#include "folder_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <optional>

#include "json.h"

namespace strobe {

namespace {

std::string host_name() {
  char host[256] = "";
  ::gethostname(host, sizeof host - 1);
  return host;
}

// Who signed the lock file, as far as it can be read.
struct Holder {
  std::string host;
  std::string words;
};

Holder read_holder(int file) {
  char text[4096];
  const ssize_t got = ::pread(file, text, sizeof text, 0);
  std::string ignored;
  const auto signature =
      got > 0 ? parse_json(std::string_view(text, static_cast<std::size_t>(got)), ignored) : std::nullopt;
  const Json* pid = signature ? signature->find("pid") : nullptr;
  const Json* host = signature ? signature->find("host") : nullptr;
  const Json* started = signature ? signature->find("started") : nullptr;
  if (!pid || !host || !started) return {"", "another recorder"};
  char since[32] = "some time";
  std::tm local{};
  const auto seconds = static_cast<std::time_t>(started->real);
  if (::localtime_r(&seconds, &local)) std::strftime(since, sizeof since, "%Y-%m-%d %H:%M:%S", &local);
  return {host->text, "process " + pid->text + " on " + host->text + ", since " + since + ","};
}

// Whether `path` still names the open file: its holder may have removed it between our open and our lock.
bool is_named(int file, const std::string& path) {
  struct stat ours{}, named{};
  return ::fstat(file, &ours) == 0 && ::stat(path.c_str(), &named) == 0 && ours.st_ino == named.st_ino &&
         ours.st_dev == named.st_dev;
}

int sign(int file) {
  Json own = Json::object();
  own.set("pid", static_cast<std::int64_t>(::getpid())).set("host", host_name()).set("started", unix_time());
  const std::string data = own.dump();
  if (::ftruncate(file, 0)) return errno;
  return ::pwrite(file, data.data(), data.size(), 0) < 0 ? errno : 0;
}

}  // namespace

bool FolderLock::acquire(const std::string& folder, std::string& why) {
  path_ = folder + "/.recorder.lock";
  for (int tries = 0; tries < 100; ++tries) {
    Descriptor file(::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666));
    if (!file.is_open()) return why = std::strerror(errno), false;
    const bool held = ::flock(file.get(), LOCK_EX | LOCK_NB) != 0;
    const Holder holder = read_holder(file.get());
    if (held) return why = holder.words + " is recording here; record into another folder", false;
    if (!is_named(file.get(), path_)) continue;
    if (!holder.host.empty() && holder.host != host_name())
      return why = holder.words + " is recording here; if that recorder is surely gone, remove " + path_, false;
    if (const int problem = sign(file.get())) return why = std::strerror(problem), false;
    file_ = std::move(file);
    return true;
  }
  return why = "its lock file changes too often", false;
}

void FolderLock::release() {
  if (!file_.is_open()) return;
  ::unlink(path_.c_str());
  file_.reset();
}

}  // namespace strobe

#include "folder_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <optional>
#include <utility>

#include "json.h"

namespace strobe {

namespace {

constexpr std::chrono::seconds kBeat{30};

std::string host_name() {
  char host[256] = "";
  ::gethostname(host, sizeof host - 1);
  return host;
}

std::string moment(double unix_time) {
  char text[32] = "an unknown time";
  std::tm local{};
  // Only what a clock of ours may show is turned into a date.
  const bool sound = unix_time >= 0 && unix_time < 1e11;
  const auto seconds = static_cast<std::time_t>(sound ? unix_time : 0);
  if (sound && ::localtime_r(&seconds, &local)) std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &local);
  return text;
}

std::string ago(double seconds) {
  char text[48];
  for (const auto& [size, unit] : {std::pair(86400.0, "days"), std::pair(3600.0, "h"), std::pair(60.0, "min")})
    if (seconds >= 2 * size) return std::snprintf(text, sizeof text, "%.0f %s ago", seconds / size, unit), text;
  return std::snprintf(text, sizeof text, "%.0f s ago", seconds > 0 ? seconds : 0), text;
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
  struct stat about{};
  ::fstat(file, &about);
  const auto beat = static_cast<double>(about.st_mtim.tv_sec);
  return {host->text, "process " + pid->text + " on " + host->text + ", since " + moment(started->real) +
                          ", last heartbeat " + moment(beat) + " (" + ago(unix_time() - beat) + ")"};
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

bool FolderLock::acquire(const std::string& folder, bool take_over, std::string& why) {
  path_ = folder + "/.recorder.lock";
  for (int tries = 0; tries < 100; ++tries) {
    Descriptor file(::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666));
    if (!file.is_open()) return why = std::strerror(errno), false;
    const int problem = ::flock(file.get(), LOCK_EX | LOCK_NB) ? errno : 0;
    if (problem && problem != EWOULDBLOCK) return why = std::strerror(problem), false;
    const Holder holder = read_holder(file.get());
    if (problem) return why = holder.words + " is recording here; record into another folder", false;
    if (!is_named(file.get(), path_)) continue;
    if (!holder.host.empty() && holder.host != host_name()) {
      if (!take_over)
        return why = holder.words +
                     " is recording here; if that recorder is surely gone (a container that starts again has "
                     "another host name), give --take-over, or set take_over",
               false;
      std::fprintf(stderr, "strobe: %s: taken over from %s\n", folder.c_str(), holder.words.c_str());
      // In a file of its own: should the other live after all, it finds that its own is gone, and records no more.
      ::unlink(path_.c_str());
      continue;
    }
    file_ = std::move(file);
    return sign_or_remove(why);
  }
  return why = "its lock file changes too often", false;
}

// What cannot be signed is no lock, and would be told of as another recorder's.
bool FolderLock::sign_or_remove(std::string& why) {
  beaten_ = std::chrono::steady_clock::now();
  const int problem = sign(file_.get());
  if (!problem) return true;
  release();
  return why = std::strerror(problem), false;
}

bool FolderLock::is_held() const { return file_.is_open() && is_named(file_.get(), path_); }

void FolderLock::beat() {
  const auto now = std::chrono::steady_clock::now();
  if (!file_.is_open() || now - beaten_ < kBeat) return;
  beaten_ = now;
  ::futimens(file_.get(), nullptr);
}

void FolderLock::release() {
  if (is_held()) ::unlink(path_.c_str());
  file_.reset();
}

}  // namespace strobe

#include "files.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <memory>

namespace strobe {

namespace {

constexpr std::size_t kChunk = std::size_t{1} << 24;

int sync_folder(const std::string& folder) {
  Descriptor opened(::open(folder.c_str(), O_RDONLY | O_CLOEXEC));
  if (!opened.is_open()) return errno;
  return ::fsync(opened.get()) ? errno : 0;
}

// How many digits `text` begins with.
std::size_t digits(std::string_view text) { return std::min(text.find_first_not_of("0123456789"), text.size()); }

bool skip(std::string_view& text, std::string_view head) {
  if (text.substr(0, head.size()) != head) return false;
  text.remove_prefix(head.size());
  return true;
}

bool skip_digits(std::string_view& text) {
  const std::size_t count = digits(text);
  text.remove_prefix(count);
  return count > 0;
}

// .step_000001.bin.123.tmp, .step_000001.2.bin.123.tmp, .manifest.json.123.tmp
bool is_leftover(std::string_view name) {
  if (skip(name, ".step_")) {
    if (!skip_digits(name)) return false;
    if (std::string_view attempt = name; skip(attempt, ".") && skip_digits(attempt)) name = attempt;
    if (!skip(name, ".bin.")) return false;
  } else if (!skip(name, ".manifest.json.")) {
    return false;
  }
  return skip_digits(name) && name == ".tmp";
}

// Renames, but never onto a file that is there.
int name_new(const std::string& from, const std::string& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return 0;
  // Some file systems and old kernels do not know the flag.
  if (errno != EINVAL && errno != ENOSYS) return errno;
  if (exists(to)) return EEXIST;
  return ::rename(from.c_str(), to.c_str()) ? errno : 0;
}

}  // namespace

double unix_time() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  if (this != &other) {
    reset();
    value_ = other.release();
  }
  return *this;
}

int Descriptor::release() {
  const int value = value_;
  value_ = -1;
  return value;
}

int Descriptor::reset() {
  const int value = release();
  return value >= 0 && ::close(value) ? errno : 0;
}

int write_all(int descriptor, const void* data, std::size_t bytes) {
  const auto* at = static_cast<const char*>(data);
  while (bytes) {
    const ssize_t written = ::write(descriptor, at, std::min(bytes, kChunk));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    if (written == 0) return EIO;
    at += written;
    bytes -= static_cast<std::size_t>(written);
  }
  return 0;
}

int read_whole(const std::string& path, std::string& out, std::size_t limit) {
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW));
  if (!file.is_open()) return errno;
  struct stat about{};
  if (::fstat(file.get(), &about)) return errno;
  if (!S_ISREG(about.st_mode)) return EINVAL;
  if (static_cast<std::size_t>(about.st_size) > limit) return EFBIG;
  out.resize(static_cast<std::size_t>(about.st_size));
  for (std::size_t have = 0; have < out.size();) {
    const ssize_t got = ::read(file.get(), out.data() + have, out.size() - have);
    if (got < 0 && errno != EINTR) return errno;
    if (got == 0) {
      out.resize(have);
      break;
    }
    if (got > 0) have += static_cast<std::size_t>(got);
  }
  return 0;
}

int make_folders(const std::string& path) {
  struct stat about{};
  if (::stat(path.c_str(), &about) == 0) return S_ISDIR(about.st_mode) ? 0 : ENOTDIR;
  for (std::size_t end = 1; end <= path.size(); ++end) {
    if (end != path.size() && path[end] != '/') continue;
    if (::mkdir(path.substr(0, end).c_str(), 0777) && errno != EEXIST) return errno;
  }
  if (::stat(path.c_str(), &about)) return errno;
  return S_ISDIR(about.st_mode) ? 0 : ENOTDIR;
}

bool exists(const std::string& path) {
  struct stat about{};
  return ::lstat(path.c_str(), &about) == 0;
}

int create_file(const std::string& folder, const std::string& name, bool sync, const std::function<int(int)>& fill) {
  const std::string path = folder + "/" + name;
  if (exists(path)) return EEXIST;
  const std::string temporary = folder + "/." + name + "." + std::to_string(::getpid()) + ".tmp";
  ::unlink(temporary.c_str());
  Descriptor file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (!file.is_open()) return errno;
  int problem = fill(file.get());
  if (!problem && sync && ::fsync(file.get())) problem = errno;
  const int closing = file.reset();
  if (!problem) problem = closing;
  if (!problem) problem = name_new(temporary, path);
  if (problem) {
    ::unlink(temporary.c_str());
    return problem;
  }
  return sync ? sync_folder(folder) : 0;
}

void remove_leftovers(const std::string& folder) {
  const std::unique_ptr<DIR, int (*)(DIR*)> opened(::opendir(folder.c_str()), ::closedir);
  while (const dirent* entry = opened ? ::readdir(opened.get()) : nullptr)
    if (is_leftover(entry->d_name)) ::unlink((folder + "/" + entry->d_name).c_str());
}

int Journal::open(const std::string& path) {
  file_ = Descriptor(::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666));
  if (!file_.is_open()) return errno;
  struct stat about{};
  char last = '\n';
  if (::fstat(file_.get(), &about)) return errno;
  if (about.st_size && ::pread(file_.get(), &last, 1, about.st_size - 1) != 1) return EIO;
  return last == '\n' ? 0 : write_all(file_.get(), "\n", 1);
}

int Journal::append(const std::string& line) {
  struct stat before{};
  if (::fstat(file_.get(), &before)) return errno;
  // A removed log would take every line and keep none.
  if (before.st_nlink == 0) return ENOENT;
  const std::string whole = line + "\n";
  const int problem = write_all(file_.get(), whole.data(), whole.size());
  // A full disk takes half a line; the next opening would end it, this gives the room back.
  if (problem && ::ftruncate(file_.get(), before.st_size)) return problem;
  return problem;
}

QuietSignals::QuietSignals() {
  ::sigemptyset(&wanted_);
  ::sigaddset(&wanted_, SIGXFSZ);
  ::sigaddset(&wanted_, SIGPIPE);
  blocked_ = ::pthread_sigmask(SIG_BLOCK, &wanted_, &before_) == 0;
}

QuietSignals::~QuietSignals() {
  if (!blocked_) return;
  const timespec at_once{};
  // One that was blocked before is its owner's to take.
  for (const int signal : {SIGXFSZ, SIGPIPE})
    if (::sigismember(&before_, signal)) ::sigdelset(&wanted_, signal);
  while (::sigtimedwait(&wanted_, nullptr, &at_once) > 0) {
  }
  ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

}  // namespace strobe

// System calls of other threads than the first that fail on demand; linked in with -Wl,--wrap=write and so on.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstddef>
#include <string>
#include <thread>

namespace failing {

inline const std::thread::id first_thread = std::this_thread::get_id();
inline std::atomic<int> left{0};                 // the call that fails, counted down; 0: none
inline std::atomic<int> error{0};                // what it fails with
inline std::atomic<const char*> which{""};       // the call's name
inline std::atomic<std::size_t> most{1u << 30};  // bytes that one write takes

inline bool now(const char* name) {
  if (std::this_thread::get_id() == first_thread || std::string(which.load()) != name || --left != 0) return false;
  errno = error;
  return true;
}

}  // namespace failing

extern "C" {
int __real_open(const char* path, int flags, ...);
int __real_close(int file);
int __real_fsync(int file);
int __real_renameat2(int from_folder, const char* from, int to_folder, const char* to, unsigned flags);
ssize_t __real_write(int file, const void* data, std::size_t bytes);

int __wrap_open(const char* path, int flags, ...) {
  mode_t mode = 0;
  if (flags & O_CREAT) {
    va_list more;
    va_start(more, flags);
    mode = va_arg(more, mode_t);
    va_end(more);
  }
  return failing::now("open") ? -1 : __real_open(path, flags, mode);
}

int __wrap_close(int file) {
  const bool fails = failing::now("close");
  const int code = __real_close(file);
  if (!fails) return code;
  errno = failing::error;
  return -1;
}

int __wrap_fsync(int file) { return failing::now("fsync") ? -1 : __real_fsync(file); }

int __wrap_renameat2(int from_folder, const char* from, int to_folder, const char* to, unsigned flags) {
  return failing::now("rename") ? -1 : __real_renameat2(from_folder, from, to_folder, to, flags);
}

ssize_t __wrap_write(int file, const void* data, std::size_t bytes) {
  return failing::now("write") ? -1 : __real_write(file, data, std::min(bytes, failing::most.load()));
}
}

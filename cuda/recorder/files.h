// Local files, safely: whole writes, creation by rename, whole lines. Functions return 0 or an errno, and never throw
// but for memory.
#pragma once

#include <signal.h>

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace strobe {

double unix_time();

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int value) : value_(value) {}
  Descriptor(Descriptor&& other) noexcept : value_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor() { reset(); }
  int get() const { return value_; }
  bool is_open() const { return value_ >= 0; }
  int release();
  int reset();  // closes; returns the errno of close

 private:
  int value_ = -1;
};

int write_all(int descriptor, const void* data, std::size_t bytes);
int read_whole(const std::string& path, std::string& out, std::size_t limit);
int make_folders(const std::string& path);
bool exists(const std::string& path);

// Calls `fill` with a descriptor of a temporary file beside folder/name, which takes that name at the end, or is
// removed on an error: EEXIST where the name is taken. Everything is synced to disk, the folder too, unless `sync` is
// false.
int create_file(const std::string& folder, const std::string& name, bool sync, const std::function<int(int)>& fill);

// Removes what a killed recorder left half written.
void remove_leftovers(const std::string& folder);

// Appends whole lines to a log; opening it ends a line that a killed writer left torn.
class Journal {
 public:
  int open(const std::string& path);
  int append(const std::string& line);  // without its newline
  bool is_open() const { return file_.is_open(); }
  void close() { file_.reset(); }

 private:
  Descriptor file_;
};

// Keeps this thread from dying of a write: past a size limit, or to a terminal that is gone. The write fails instead.
class QuietSignals {
 public:
  QuietSignals();
  ~QuietSignals();
  QuietSignals(const QuietSignals&) = delete;
  QuietSignals& operator=(const QuietSignals&) = delete;

 private:
  sigset_t wanted_{}, before_{};
  bool blocked_ = false;
};

}  // namespace strobe

// The thread that puts snapshots and metric lines on disk while training goes on.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "files.h"
#include "recorder.h"
#include "run_folder.h"
#include "slots.h"

namespace strobe {

constexpr double kCloseTimeoutS = 60;

// Kinds of trouble that have no errno; the last two are the caller's mistakes.
constexpr int kCopyFailed = -1, kBadStep = -2, kBadName = -3;

double steady_seconds();  // of a clock that never jumps

// What the writer has to know of the run, whose folder is its own to ask until it has stopped.
struct Target {
  RunFolder& folder;
  bool sync = true;
  std::size_t recorder_ms = 0;  // where the scalar lies in a file; 0: the run has none
};

// A snapshot in a slot on its way to disk.
struct Job {
  Slot* slot = nullptr;
  std::int64_t step = 0;
  double time = 0;
  double call_ms = 0;
  bool owns_recorder_ms = false;  // whether the caller's value stands there already
  int copy_code = 0;              // not 0: there is nothing to write, the slot only has to come back
};

class Writer {
 public:
  // The slots are to be allocated already. Throws std::system_error where no thread can be started.
  Writer(Target target, const Memory& memory, const Layout& layout, std::vector<std::unique_ptr<Slot>>& slots);
  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  // A free slot, or NULL where there is none and `wait` is false; that snapshot is counted as skipped.
  Slot* take_slot(bool wait);
  void submit(const Job& job) noexcept;
  // A metric line without its newline; on disk a quarter of a second later at the latest.
  void line(std::string text);
  void count_missed();
  void count_lost_line();
  // Said by the writer thread, each `kind` (an errno, or one of the above) once.
  void failed(const std::string& what, int kind, const std::string& why) noexcept;
  bool flush(double timeout_s);
  // Writes what is queued and stops; false where that took too long: then the writer may not be destroyed.
  bool close(double timeout_s);
  void say_pending();
  strobe_status status() const;

 private:
  void run();
  void write(const Job& job) noexcept;
  int write_file(const Job& job, double copy_ms);
  void done(const Job& job, int kind, double write_ms);
  void write_lines() noexcept;
  int write_line(const std::string& text);
  int stand();
  void count_gone() noexcept;
  void worked() noexcept;

  const Target target_;
  const Memory& memory_;
  const Layout& layout_;
  // The writer thread's own.
  Journal journal_;
  std::vector<std::int64_t> steps_;  // of the snapshots that were written
  std::int64_t written_lines_ = 0, gone_snapshots_ = 0, gone_lines_ = 0;
  bool stands_ = true, removed_ = false;

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  std::vector<Slot*> free_;
  std::vector<Job> jobs_;  // has room for one a slot, so that it never allocates
  std::deque<std::string> lines_;
  std::vector<std::string> messages_;
  std::set<int> said_;
  strobe_status status_{};
  bool failing_ = false, closing_ = false, done_ = false;
  std::uint64_t asked_ = 0, answered_ = 0;

  std::thread thread_;
};

}  // namespace strobe

#include "writer.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>

#include "snapshot_file.h"

namespace strobe {

namespace {

constexpr auto kFlushEvery = std::chrono::milliseconds(250);
constexpr std::size_t kMaxLines = 200'000;
constexpr std::size_t kMaxMessages = 5;
constexpr const char* kGone = "its folder or manifest.json is gone";

// Until it goes, threads that are started take no signals: those are for the training's own threads. Faults stay.
class NoSignals {
 public:
  NoSignals() {
    sigset_t all;
    ::sigfillset(&all);
    for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS}) ::sigdelset(&all, fault);
    ::pthread_sigmask(SIG_BLOCK, &all, &before_);
  }
  ~NoSignals() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  NoSignals(const NoSignals&) = delete;
  NoSignals& operator=(const NoSignals&) = delete;

 private:
  sigset_t before_{};
};

std::chrono::duration<double> duration(double seconds) { return std::chrono::duration<double>(seconds); }

}  // namespace

double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

Writer::Writer(Target target, const Memory& memory, const Layout& layout, std::vector<std::unique_ptr<Slot>>& slots)
    : target_(std::move(target)), memory_(memory), layout_(layout) {
  for (const auto& slot : slots) free_.push_back(slot.get());
  jobs_.reserve(slots.size());
  const NoSignals guard;
  thread_ = std::thread([this] { run(); });
}

Writer::~Writer() {
  if (!thread_.joinable()) return;
  close(kCloseTimeoutS);
  // What is still at work is past saving here: its owner asks `close` first, and keeps all of it where that is false.
  if (thread_.joinable()) thread_.detach();
}

Slot* Writer::take_slot(bool wait) {
  std::unique_lock<std::mutex> lock(mutex_);
  if (wait) wake_.wait(lock, [&] { return !free_.empty() || done_; });
  if (free_.empty()) {
    ++status_.skipped;
    return nullptr;
  }
  Slot* slot = free_.back();
  free_.pop_back();
  return slot;
}

void Writer::submit(const Job& job) noexcept {
  const std::lock_guard<std::mutex> lock(mutex_);
  status_.copy_ms = job.call_ms;
  jobs_.push_back(job);
  wake_.notify_all();
}

void Writer::line(std::string text) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (lines_.size() >= kMaxLines) {
    lines_.pop_front();
    ++status_.lost_lines;
  }
  lines_.push_back(std::move(text));
}

void Writer::count_missed() {
  const std::lock_guard<std::mutex> lock(mutex_);
  ++status_.missed;
}

void Writer::count_lost_line() {
  const std::lock_guard<std::mutex> lock(mutex_);
  ++status_.lost_lines;
}

void Writer::failed(const std::string& what, int kind, const std::string& why) noexcept try {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::snprintf(status_.last_error, sizeof status_.last_error, "%s", why.c_str());
  failing_ = failing_ || kind >= kCopyFailed;
  if (said_.size() >= kMaxMessages || !said_.insert(kind).second) return;
  messages_.push_back(what + " could not be recorded (" + why + "); training goes on, and further ones are counted");
} catch (const std::exception&) {
  // No memory for words: the counts still tell.
}

void Writer::worked() noexcept try {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (failing_ && said_.size() < kMaxMessages)
    messages_.push_back("recording works again; " + std::to_string(status_.missed) + " snapshots were missed so far");
  failing_ = false;
} catch (const std::exception&) {
}

void Writer::say_pending() {
  std::vector<std::string> messages;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    messages.swap(messages_);
  }
  for (const std::string& message : messages)
    std::fprintf(stderr, "strobe: %s: %s\n", target_.folder.path().c_str(), message.c_str());
}

bool Writer::flush(double timeout_s) {
  std::unique_lock<std::mutex> lock(mutex_);
  const std::uint64_t mine = ++asked_;
  wake_.notify_all();
  return wake_.wait_for(lock, duration(timeout_s), [&] { return answered_ >= mine || done_; });
}

bool Writer::close(double timeout_s) {
  {
    std::unique_lock<std::mutex> lock(mutex_);
    closing_ = true;
    wake_.notify_all();
    if (!wake_.wait_for(lock, duration(timeout_s), [&] { return done_; })) return false;
  }
  if (thread_.joinable()) thread_.join();
  return true;
}

strobe_status Writer::status() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return status_;
}

void Writer::run() {
  for (bool last = false; !last;) {
    Job job;
    std::uint64_t asked = 0;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      if (jobs_.empty() && !closing_ && asked_ == answered_) wake_.wait_for(lock, kFlushEvery);
      asked = asked_;
      if (!jobs_.empty()) {
        job = jobs_.front();
        jobs_.erase(jobs_.begin());
      }
      last = closing_ && !job.slot;
    }
    target_.folder.beat();
    write_lines();
    if (job.slot) write(job);
    say_pending();
    if (!job.slot) {
      const std::lock_guard<std::mutex> lock(mutex_);
      answered_ = asked;
      wake_.notify_all();
    }
  }
  journal_.close();
  if (const int problem = stand()) failed("the run's folder", problem, kGone);
  count_gone();
  const std::lock_guard<std::mutex> lock(mutex_);
  status_.lost_lines += static_cast<std::int64_t>(lines_.size());
  done_ = true;
  wake_.notify_all();
}

// Whether what is written now gets into the run; what went with its folder, or came back, is counted when that changes.
int Writer::stand() {
  const int problem = target_.folder.stand();
  if (stands_ != !problem) {
    stands_ = !problem;
    count_gone();
  }
  return problem;
}

void Writer::count_gone() noexcept try {
  if (!target_.folder.vanished() && !removed_) return;
  const auto written = static_cast<std::int64_t>(steps_.size());
  const std::int64_t snapshots = written - target_.folder.count_snapshots(steps_);
  const std::int64_t lines = std::max<std::int64_t>(0, written_lines_ - target_.folder.count_lines());
  const std::lock_guard<std::mutex> lock(mutex_);
  status_.recorded -= snapshots - gone_snapshots_;
  status_.missed += snapshots - gone_snapshots_;
  status_.lost_lines += lines - gone_lines_;
  gone_snapshots_ = snapshots;
  gone_lines_ = lines;
} catch (const std::exception&) {
  // No memory to look: what was counted before stays.
}

void Writer::write_lines() noexcept {
  int problem = 0;
  std::unique_lock<std::mutex> lock(mutex_);
  while (!lines_.empty() && !problem) {
    std::string text = std::move(lines_.front());
    lines_.pop_front();
    lock.unlock();
    problem = write_line(text);
    lock.lock();
    if (problem) lines_.push_front(std::move(text));
  }
  lock.unlock();
  if (!problem) return;
  // Opening it anew mends a line that was torn half-way.
  journal_.close();
  removed_ = removed_ || problem == ENOENT;
  failed("metrics", problem, problem == ENOENT ? kGone : std::strerror(problem));
}

int Writer::write_line(const std::string& text) {
  try {
    int problem = stand();
    if (!problem && !journal_.is_open()) problem = journal_.open(target_.folder.path() + "/metrics.jsonl");
    if (!problem) problem = journal_.append(text);
    written_lines_ += !problem;
    return problem;
  } catch (const std::exception&) {
    return ENOMEM;
  }
}

void Writer::write(const Job& job) noexcept {
  const double began = steady_seconds();
  int kind = 0;
  std::string why;
  try {
    double copy_ms = 0;
    const strobe_memory& memory = memory_.calls();
    const int waiting = memory.wait(memory.context, job.slot->ticket(), &copy_ms);
    if (job.copy_code || waiting) {
      kind = kCopyFailed;
      why = memory_.words(job.copy_code ? job.copy_code : waiting);
    } else if ((kind = write_file(job, copy_ms))) {
      why = kind == ENOENT ? kGone : std::strerror(kind);
    }
  } catch (const std::exception&) {
    kind = ENOMEM;
  }
  done(job, kind, 1000 * (steady_seconds() - began));
  if (kind) {
    failed("step " + std::to_string(job.step), kind, why.empty() ? "no memory" : why);
  } else {
    worked();
  }
}

int Writer::write_file(const Job& job, double copy_ms) {
  // A snapshot that nothing describes is worth nothing: the folder was emptied, or another disk is mounted there.
  if (const int problem = stand()) return problem;
  unsigned char* image = job.slot->data();
  for (const Norms& norms : layout_.norms) take_norms(norms, image);
  const double own_ms = job.call_ms + copy_ms;
  if (target_.recorder_ms && !job.owns_recorder_ms) std::memcpy(image + target_.recorder_ms, &own_ms, sizeof own_ms);
  Header header;
  header.step = job.step;
  header.time = job.time;
  header.manifest_hash = target_.folder.manifest_hash();
  header.attempt = target_.folder.attempt();
  steps_.reserve(steps_.size() + 1);
  const int problem = write_snapshot(target_.folder.path(), image, layout_.file_bytes, header, target_.sync);
  if (!problem) steps_.push_back(job.step);
  return problem;
}

void Writer::done(const Job& job, int kind, double write_ms) {
  const std::lock_guard<std::mutex> lock(mutex_);
  ++(kind ? status_.missed : status_.recorded);
  status_.write_ms = write_ms;
  free_.push_back(job.slot);  // room for all of them was made at the start
  wake_.notify_all();
}

}  // namespace strobe

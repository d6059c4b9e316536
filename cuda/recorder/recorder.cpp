#include "recorder.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <limits>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "files.h"
#include "json.h"
#include "manifest.h"
#include "plan.h"
#include "run_folder.h"
#include "slots.h"
#include "writer.h"

using namespace strobe;

namespace {

constexpr const char* kEndings[] = {"finished", "interrupted", "failed"};
constexpr const char* kLineKeys[] = {"step", "time", "attempt", "tokens"};
constexpr int kDefaultQueue = 2;
constexpr int kMaxQueue = 1024;
constexpr std::int64_t kNoStep = -1;

template <typename Names>
bool is_among(const Names& names, std::string_view wanted) {
  return std::find(std::begin(names), std::end(names), wanted) != std::end(names);
}

// Text for a terminal and for JSON, on one line, whatever was given.
std::string plain(std::string text) {
  const bool utf8 = is_utf8(text);
  for (char& c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F || (!utf8 && byte >= 0x80)) c = '?';
  }
  return text;
}

// A metric, until it stands in a line and in a snapshot.
struct Scalar {
  std::string name;
  double value;
  std::int64_t step;  // whose it is, known once its line was made
};

void set(std::vector<Scalar>& scalars, const char* name, double value) {
  for (Scalar& scalar : scalars)
    if (scalar.name == name && scalar.step == kNoStep) return void(scalar.value = value);
  scalars.push_back({name, value, kNoStep});
}

}  // namespace

struct strobe_recorder {
 public:
  explicit strobe_recorder(const strobe_memory& memory) : memory_(memory) {}
  bool open(const strobe_options& options, const strobe_tensor* tensors, int n_tensors, std::string& why);
  // A child that was forked off has no writer thread, and must leave the files alone.
  bool is_own() const { return pid_ == ::getpid(); }
  void scalar(const char* name, double value);
  bool snapshot(std::int64_t step, void* stream);
  void log(std::int64_t step, std::int64_t tokens);
  bool close(const char* end, const char* reason);
  Writer& writer() { return *writer_; }
  const Writer& writer() const { return *writer_; }

 private:
  bool describe(const strobe_options& options, Json& manifest, std::string& why) const;
  bool allocate(int slots, std::string& why);
  int copy(const Slot& slot, void* stream) const;
  bool put_scalars(std::int64_t step, unsigned char* image);
  Json counts() const;
  void say_counts() const;

  // In the order in which they are made; what comes later is gone before what it stands on.
  const pid_t pid_ = ::getpid();
  const Memory memory_;
  Plan plan_;
  std::vector<std::unique_ptr<Slot>> slots_;
  RunFolder folder_;
  std::unique_ptr<Writer> writer_;
  bool wait_when_full_ = false;

  std::mutex calls_;  // guards what follows
  std::int64_t last_step_ = 0;
  std::unordered_set<std::int64_t> taken_;
  std::vector<Scalar> for_snapshot_, for_line_;
};

bool strobe_recorder::open(const strobe_options& options, const strobe_tensor* tensors, int n_tensors,
                           std::string& why) {
  if (!memory_.is_whole()) return why = "the memory given lacks some of its functions", false;
  if (!options.folder || !*options.folder) return why = "no folder was given", false;
  if (options.queue < 0 || options.queue > kMaxQueue) return why = "queue must be 1 to 1024, or 0 for 2", false;
  if (!is_step(options.step)) return why = kStepRange, false;
  if (!make_plan(options, tensors, n_tensors, plan_, why)) return false;
  Json manifest;
  if (!folder_.open(options.folder, options.take_over != 0, why) || !describe(options, manifest, why)) return false;
  if (!folder_.meet(manifest, options.resume != 0, why)) return false;
  if (!allocate((options.queue ? options.queue : kDefaultQueue) + 1, why)) return false;
  if (!folder_.begin(options.step, !options.no_fsync, why)) return false;
  wait_when_full_ = options.wait_when_full != 0;
  last_step_ = options.step;
  const auto own = plan_.scalars.find("recorder_ms");
  Target target{folder_, !options.no_fsync, own == plan_.scalars.end() ? 0 : own->second};
  writer_ = std::make_unique<Writer>(std::move(target), memory_, plan_.layout, slots_);
  return true;
}

bool strobe_recorder::describe(const strobe_options& options, Json& manifest, std::string& why) const {
  Json model, task, training;
  if (!read_object(options.model ? options.model : "{\"family\":\"other\"}", "model", model, why) ||
      !read_object(options.task ? options.task : "{}", "task", task, why) ||
      !read_object(options.training ? options.training : "{}", "training", training, why))
    return false;
  RunEntry run;
  run.id = run_id(folder_.name());
  run.name = options.name ? options.name : folder_.name();
  run.writer = options.writer ? options.writer : "strobe (c++)";
  run.created_at = unix_time();
  return build_manifest(run, std::move(model), std::move(task), std::move(training), plan_.tensors,
                        plan_.layout.file_bytes, manifest, why);
}

bool strobe_recorder::allocate(int slots, std::string& why) {
  for (int i = 0; i < slots; ++i) {
    slots_.push_back(std::make_unique<Slot>(memory_));
    if (const int code = slots_.back()->allocate(plan_.layout.slot_bytes)) {
      why = "no memory for " + std::to_string(slots) + " snapshots of " + std::to_string(plan_.layout.slot_bytes) +
            " bytes: " + memory_.words(code);
      return false;
    }
  }
  return true;
}

void strobe_recorder::scalar(const char* name, double value) {
  const std::lock_guard<std::mutex> lock(calls_);
  std::string fault = name ? text_fault(name) : "is NULL";
  if (fault.empty() && is_among(kLineKeys, name)) fault = "is a key of every line";
  if (!fault.empty()) return writer_->failed("metric " + plain(name ? name : ""), kBadName, "its name " + fault);
  set(for_line_, name, value);
  if (plan_.scalars.count(name)) set(for_snapshot_, name, value);
}

bool strobe_recorder::snapshot(std::int64_t step, void* stream) {
  const double began = steady_seconds();
  const std::lock_guard<std::mutex> lock(calls_);
  if (!is_step(step) || !taken_.insert(step).second) {
    writer_->count_missed();
    writer_->failed("step " + std::to_string(step), kBadStep,
                    is_step(step) ? "it was recorded already in this attempt" : kStepRange);
    return false;
  }
  last_step_ = std::max(last_step_, step);
  Job job;
  if ((job.slot = writer_->take_slot(wait_when_full_))) {
    job.step = step;
    job.time = unix_time();
    job.copy_code = copy(*job.slot, stream);
    job.owns_recorder_ms = put_scalars(step, job.slot->data());
    job.call_ms = 1000 * (steady_seconds() - began);
    writer_->submit(job);
  }
  const bool queued = job.slot && !job.copy_code;
  if (!queued) taken_.erase(step);
  return queued;
}

int strobe_recorder::copy(const Slot& slot, void* stream) const {
  const strobe_memory& memory = memory_.calls();
  int code = memory.begin(memory.context, stream, slot.ticket());
  for (auto copy = plan_.layout.copies.begin(); !code && copy != plan_.layout.copies.end(); ++copy)
    code = memory.copy(memory.context, slot.data() + copy->to, copy->from, copy->bytes);
  // Also after a failure: what did start has to be waited for before the slot is used again.
  const int ending = memory.end(memory.context, stream, slot.ticket());
  return code ? code : ending;
}

// True where the caller gave recorder_ms a value of its own.
bool strobe_recorder::put_scalars(std::int64_t step, unsigned char* image) {
  const double unknown = std::numeric_limits<double>::quiet_NaN();
  for (const auto& entry : plan_.scalars) std::memcpy(image + entry.second, &unknown, sizeof unknown);
  bool owns = false;
  for (const Scalar& scalar : for_snapshot_) {
    if (scalar.step != kNoStep && scalar.step != step) continue;
    std::memcpy(image + plan_.scalars.at(scalar.name), &scalar.value, sizeof scalar.value);
    owns = owns || scalar.name == "recorder_ms";
  }
  for_snapshot_.clear();
  return owns;
}

void strobe_recorder::log(std::int64_t step, std::int64_t tokens) {
  const std::lock_guard<std::mutex> lock(calls_);
  if (!is_step(step)) return writer_->failed("a line of step " + std::to_string(step), kBadStep, kStepRange);
  last_step_ = std::max(last_step_, step);
  Json line = Json::object();
  line.set("step", step).set("time", unix_time());
  if (folder_.attempt()) line.set("attempt", static_cast<std::int64_t>(folder_.attempt()));
  if (tokens >= 0) line.set("tokens", tokens);
  for (const Scalar& scalar : for_line_) line.set(scalar.name, scalar.value);
  for_line_.clear();
  // A snapshot of this same step may still come; one of a later step must not get these.
  for (Scalar& scalar : for_snapshot_)
    if (scalar.step == kNoStep) scalar.step = step;
  for_snapshot_.erase(std::remove_if(for_snapshot_.begin(), for_snapshot_.end(),
                                     [&](const Scalar& scalar) { return scalar.step != step; }),
                      for_snapshot_.end());
  writer_->line(line.dump());
}

// False when the disk hangs, and the writer thread with it: then nothing may be freed.
bool strobe_recorder::close(const char* end, const char* reason) {
  const bool stopped = writer_->close(kCloseTimeoutS);
  Json record = Json::object();
  record.set("attempt", static_cast<std::int64_t>(folder_.attempt()));
  record.set("end", end && is_among(kEndings, end) ? end : "interrupted");
  if (reason) record.set("reason", plain(reason));
  record.set("step", last_step_).set("time", unix_time());
  if (!stopped) {
    std::fprintf(stderr, "strobe: %s: the disk did not take the last snapshots in time\n", folder_.path().c_str());
    return false;
  }
  if (const Json lost = counts(); !lost.members.empty()) record.set("lost", lost);
  const int gone = folder_.stand();
  if (const int problem = gone ? gone : folder_.append(record))
    writer_->failed("the end of the run", problem, std::strerror(problem));
  writer_->say_pending();
  say_counts();
  return true;
}

// By kind, what is not in the record and should be, beside what is; empty where nothing is missing.
Json strobe_recorder::counts() const {
  const strobe_status status = writer_->status();
  Json lost = Json::object();
  if (!status.skipped && !status.missed && !status.lost_lines) return lost;
  lost.set("recorded", status.recorded);
  if (status.skipped) lost.set("skipped", status.skipped);
  if (status.missed) lost.set("missed", status.missed);
  if (status.lost_lines) lost.set("lines", status.lost_lines);
  return lost;
}

void strobe_recorder::say_counts() const {
  const strobe_status status = writer_->status();
  if (!status.missed && !status.skipped && !status.lost_lines) return;
  std::fprintf(stderr,
               "strobe: %s: %lld snapshots recorded, %lld skipped because the queue was full, "
               "%lld missed by errors, %lld metric lines lost\n",
               folder_.path().c_str(), static_cast<long long>(status.recorded),
               static_cast<long long>(status.skipped), static_cast<long long>(status.missed),
               static_cast<long long>(status.lost_lines));
}

extern "C" {

strobe_recorder* strobe_open(const strobe_options* options, const strobe_tensor* tensors, int n_tensors, char* error,
                             size_t error_bytes) {
  std::string why = "no options were given";
  try {
    const QuietSignals quiet;
    auto recorder = std::make_unique<strobe_recorder>(options && options->memory ? *options->memory : host_memory());
    if (options && recorder->open(*options, tensors, n_tensors, why)) return recorder.release();
  } catch (const std::exception& failure) {
    why = std::string("nothing can be recorded: ") + failure.what();
  }
  if (error && error_bytes) std::snprintf(error, error_bytes, "%s", plain(std::move(why)).c_str());
  return nullptr;
}

void strobe_scalar(strobe_recorder* recorder, const char* name, double value) {
  if (!recorder || !recorder->is_own()) return;
  try {
    recorder->scalar(name, value);
  } catch (const std::exception& error) {
    recorder->writer().failed("a metric", ENOMEM, error.what());
  }
}

int strobe_snapshot(strobe_recorder* recorder, int64_t step, void* stream) {
  if (!recorder || !recorder->is_own()) return 0;
  try {
    return recorder->snapshot(step, stream);
  } catch (const std::exception& error) {
    recorder->writer().count_missed();
    recorder->writer().failed("a snapshot", ENOMEM, error.what());
    return 0;
  }
}

void strobe_log(strobe_recorder* recorder, int64_t step, int64_t tokens) {
  if (!recorder || !recorder->is_own()) return;
  try {
    recorder->log(step, tokens);
  } catch (const std::exception& error) {
    recorder->writer().count_lost_line();
    recorder->writer().failed("a line", ENOMEM, error.what());
  }
}

void strobe_flush(strobe_recorder* recorder) {
  if (recorder && recorder->is_own()) recorder->writer().flush(kCloseTimeoutS);
}

void strobe_get_status(const strobe_recorder* recorder, strobe_status* out) {
  if (!out) return;
  *out = strobe_status{};
  if (recorder && recorder->is_own()) *out = recorder->writer().status();
}

void strobe_close(strobe_recorder* recorder, const char* end, const char* reason) {
  if (!recorder || !recorder->is_own()) return;
  try {
    const QuietSignals quiet;
    if (recorder->close(end, reason)) delete recorder;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "strobe: the end of the run could not be recorded (%s)\n", error.what());
  }
}

}  // extern "C"

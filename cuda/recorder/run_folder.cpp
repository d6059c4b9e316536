#include "run_folder.h"

#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <string_view>

#include "checksum.h"
#include "files.h"
#include "manifest.h"
#include "snapshot_file.h"

namespace strobe {

namespace {

constexpr std::size_t kLogLimit = std::size_t{1} << 30;
constexpr const char* kManifest = "manifest.json";

std::string resolved(const std::string& path) {
  const std::unique_ptr<char, void (*)(void*)> found(::realpath(path.c_str(), nullptr), std::free);
  return found ? found.get() : path;
}

bool is_start(std::string_view line) {
  std::string ignored;
  const auto row = parse_json(line, ignored);
  const Json* step = row && !row->find("end") ? row->find("step") : nullptr;
  if (!step || step->kind != Json::Kind::integer) return false;
  std::int64_t value = -1;
  const char* end = step->text.data() + step->text.size();
  return std::from_chars(step->text.data(), end, value).ec == std::errc() && is_step(value);
}

// Calls `see` with each whole line of a log that is not blank.
template <typename See>
void each_line(const std::string& log, const See& see) {
  constexpr std::string_view blank("\0 \t\r\n", 5);
  for (std::size_t from = 0, end; (end = log.find('\n', from)) != std::string::npos; from = end + 1) {
    std::string_view line = std::string_view(log).substr(from, end - from);
    line.remove_prefix(std::min(line.find_first_not_of(blank), line.size()));
    line = line.substr(0, line.find_last_not_of(blank) + 1);
    if (!line.empty()) see(line);
  }
}

// How many attempts a log has: its start lines. A last line without its newline does not count.
std::int64_t count_starts(const std::string& log) {
  std::int64_t count = 0;
  each_line(log, [&](std::string_view line) { count += is_start(line); });
  return count;
}

// Whether a folder has a file by whose name something was finished; those that begin with a dot never were.
bool has_finished_file(const std::string& folder) {
  const std::unique_ptr<DIR, int (*)(DIR*)> opened(::opendir(folder.c_str()), ::closedir);
  while (const dirent* entry = opened ? ::readdir(opened.get()) : nullptr)
    if (entry->d_name[0] != '.') return true;
  return false;
}

}  // namespace

bool RunFolder::refuse(const std::string& what, std::string& why) const {
  why = path_ + ": " + what;
  return false;
}

bool RunFolder::refuse_errno(int problem, std::string& why) const {
  return refuse(std::string("nothing can be recorded here: ") + std::strerror(problem), why);
}

bool RunFolder::open(const std::string& path, bool take_over, std::string& why) {
  path_ = path;
  if (const int problem = make_folders(path)) return refuse_errno(problem, why);
  // A program that goes to another folder later must not take its record along.
  path_ = resolved(path);
  std::string what;
  if (!lock_.acquire(path_, take_over, what)) return refuse(what, why);
  Found found;
  if (const int problem = find_files(path_, found)) return refuse_errno(problem, why);
  files_ = found.files;
  highest_attempt_ = found.highest_attempt;
  return true;
}

std::string RunFolder::name() const { return path_.substr(path_.rfind('/') + 1); }

bool RunFolder::meet(Json manifest, bool resume, std::string& why) {
  is_new_ = !exists(path_ + "/" + kManifest);
  if (!is_new_ && !resume && !holds_record(path_) && !start_over(manifest, why)) return false;
  if (!is_new_ && !resume)
    return refuse(
        "holds a run already (" + std::to_string(files_) + " snapshots); resume it or record into another folder",
        why);
  if (is_new_ && (files_ || exists(path_ + "/metrics.jsonl")))
    return refuse("holds a run without manifest.json; record into another folder", why);
  if (is_new_ && resume) return refuse("holds no run to resume; start it without resume", why);
  text_ = manifest.dump() + "\n";
  if (!is_new_ && !meet_existing(manifest, why)) return false;
  hash_ = fnv1a64(text_);
  return count_attempts(why);
}

// Takes away what stands of a run that recorded nothing. Ours is created when that was: a store that has taken it in
// knows by that moment that this is the same one.
bool RunFolder::start_over(Json& ours, std::string& why) {
  std::string text, fault;
  if (const int problem = read_whole(path_ + "/" + kManifest, text, kManifestLimit))
    return refuse(std::string(kManifest) + " cannot be read: " + std::strerror(problem), why);
  const auto there = parse_json(text, fault);
  if (!there) return refuse("manifest.json is damaged; see strobe verify " + path_, why);
  // Other programs have files of that name too.
  const Json* format = there->find("format");
  if (!format || format->text != "strobe-snapshot")
    return refuse("manifest.json is no manifest of a run; record into another folder", why);
  const Json* run = there->find("run");
  const Json* created = run ? run->find("created_at") : nullptr;
  for (auto& [key, value] : ours.members)
    if (created && key == "run")
      for (auto& [name, own] : value.members)
        if (name == "created_at") own = *created;
  std::fprintf(stderr, "strobe: %s: the run there began and recorded nothing; it is started over\n", path_.c_str());
  for (const char* name : {"/attempts.jsonl", "/metrics.jsonl", "/manifest.json"}) ::unlink((path_ + name).c_str());
  is_new_ = !exists(path_ + "/" + kManifest);
  return true;
}

bool RunFolder::meet_existing(const Json& ours, std::string& why) {
  const std::string path = path_ + "/" + kManifest;
  if (const int problem = read_whole(path, text_, kManifestLimit))
    return refuse(std::string(kManifest) + " cannot be read: " + std::strerror(problem), why);
  std::string fault;
  const auto there = parse_json(text_, fault);
  const Json* model = there ? there->find("model") : nullptr;
  const Json* snapshot = there ? there->find("snapshot") : nullptr;
  if (!model || !snapshot) return refuse("manifest.json is damaged; see strobe verify " + path_, why);
  for (const char* part : {"model", "snapshot"})
    if (*there->find(part) != *ours.find(part))
      return refuse("the run there has another " + std::string(part) + "; " + first_change(*there, ours), why);
  const Json* first = there->find("training");
  for (const auto& [key, value] : ours.find("training")->members) {
    const Json* before = first ? first->find(key) : nullptr;
    if (!before || *before != value) changes_.set(key, value);
  }
  return true;
}

bool RunFolder::count_attempts(std::string& why) {
  std::string log;
  const int problem = read_whole(path_ + "/attempts.jsonl", log, kLogLimit);
  if (problem && problem != ENOENT) return refuse_errno(problem, why);
  const std::int64_t attempt = std::max(count_starts(log), highest_attempt_ + 1);
  if (attempt > kMaxAttempt) return refuse("has no attempt left", why);
  attempt_ = static_cast<std::uint32_t>(attempt);
  return true;
}

bool RunFolder::begin(std::int64_t step, bool sync, std::string& why) {
  remove_leftovers(path_);
  const auto fill = [&](int file) { return write_all(file, text_.data(), text_.size()); };
  if (const int problem = is_new_ ? create_file(path_, kManifest, sync, fill) : 0) return refuse_errno(problem, why);
  Json start = Json::object();
  start.set("attempt", static_cast<std::int64_t>(attempt_)).set("step", step).set("time", unix_time());
  start.set("training", changes_);
  if (const int problem = append(start)) return refuse_errno(problem, why);
  return true;
}

int RunFolder::stand() {
  const std::string manifest = path_ + "/" + kManifest;
  if (lock_.is_held() && exists(manifest)) return 0;
  vanished_ = true;
  std::string there, ignored;
  if (read_whole(manifest, there, kManifestLimit) || fnv1a64(there) != hash_) return ENOENT;
  return lock_.is_held() || lock_.acquire(path_, false, ignored) ? 0 : ENOENT;
}

std::int64_t RunFolder::count_snapshots(const std::vector<std::int64_t>& steps) const {
  if (!lock_.is_held()) return 0;
  return std::count_if(steps.begin(), steps.end(),
                       [&](std::int64_t step) { return exists(path_ + "/" + file_name(step, attempt_)); });
}

std::int64_t RunFolder::count_lines() const {
  std::string log;
  const int problem = lock_.is_held() ? read_whole(path_ + "/metrics.jsonl", log, kLogLimit) : ENOENT;
  // What is too long to be read is there.
  if (problem) return problem == EFBIG ? std::numeric_limits<std::int64_t>::max() : 0;
  std::int64_t count = 0;
  each_line(log, [&](std::string_view line) {
    std::string ignored;
    const auto row = parse_json(line, ignored);
    const Json* attempt = row ? row->find("attempt") : nullptr;
    count += row && (attempt ? attempt->text : "0") == std::to_string(attempt_);
  });
  return count;
}

int RunFolder::append(const Json& record) {
  Journal journal;
  const int problem = journal.open(path_ + "/attempts.jsonl");
  return problem ? problem : journal.append(record.dump());
}

bool holds_record(const std::string& folder) {
  if (!exists(folder + "/" + kManifest)) return false;
  Found found;
  if (find_files(folder, found) || found.files || has_finished_file(folder + "/resume")) return true;
  std::string log;
  bool recorded = false;
  const int problem = read_whole(folder + "/metrics.jsonl", log, kLogLimit);
  each_line(log, [&](std::string_view) { recorded = true; });
  return recorded || (problem && problem != ENOENT);
}

}  // namespace strobe

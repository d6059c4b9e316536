#include "run_folder.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
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

// How many attempts a log has: its start lines. A last line without its newline does not count.
std::int64_t count_starts(const std::string& log) {
  constexpr std::string_view blank("\0 \t\r\n", 5);
  std::int64_t count = 0;
  for (std::size_t from = 0, end; (end = log.find('\n', from)) != std::string::npos; from = end + 1) {
    std::string_view line = std::string_view(log).substr(from, end - from);
    line.remove_prefix(std::min(line.find_first_not_of(blank), line.size()));
    line = line.substr(0, line.find_last_not_of(blank) + 1);
    count += is_start(line);
  }
  return count;
}

}  // namespace

bool RunFolder::refuse(const std::string& what, std::string& why) const {
  why = path_ + ": " + what;
  return false;
}

bool RunFolder::refuse_errno(int problem, std::string& why) const {
  return refuse(std::string("nothing can be recorded here: ") + std::strerror(problem), why);
}

bool RunFolder::open(const std::string& path, std::string& why) {
  path_ = path;
  if (const int problem = make_folders(path)) return refuse_errno(problem, why);
  // A program that goes to another folder later must not take its record along.
  path_ = resolved(path);
  std::string what;
  if (!lock_.acquire(path_, what)) return refuse(what, why);
  Found found;
  if (const int problem = find_files(path_, found)) return refuse_errno(problem, why);
  files_ = found.files;
  highest_attempt_ = found.highest_attempt;
  return true;
}

std::string RunFolder::name() const { return path_.substr(path_.rfind('/') + 1); }

bool RunFolder::meet(const Json& manifest, bool resume, std::string& why) {
  is_new_ = !exists(path_ + "/" + kManifest);
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

int RunFolder::append(const Json& record) {
  Journal journal;
  const int problem = journal.open(path_ + "/attempts.jsonl");
  return problem ? problem : journal.append(record.dump());
}

}  // namespace strobe

// A run's folder as a recorder meets it: locked, empty or to be resumed, then begun, and perhaps gone on the way.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "folder_lock.h"
#include "json.h"

namespace strobe {

class RunFolder {
 public:
  // Makes the folder and keeps other recorders out of it.
  bool open(const std::string& path, bool take_over, std::string& why);
  const std::string& path() const { return path_; }
  // The last part of its resolved path.
  std::string name() const;

  // Whether this run may be recorded here: as a new one, also in the place of one that recorded nothing, or as the
  // next attempt of the one that is there.
  bool meet(Json manifest, bool resume, std::string& why);
  // Writes the manifest, unless it is there, and the start line of this attempt.
  bool begin(std::int64_t step, bool sync, std::string& why);
  std::uint32_t attempt() const { return attempt_; }
  std::uint64_t manifest_hash() const { return hash_; }

  // Whether what is written now gets into this run: 0, or an errno where its folder is gone or another's.
  int stand();
  void beat() { lock_.beat(); }
  // Whether `stand` ever failed.
  bool vanished() const { return vanished_; }
  // How many of the steps and lines that this attempt wrote are still here.
  std::int64_t count_snapshots(const std::vector<std::int64_t>& steps) const;
  std::int64_t count_lines() const;

  // Appends to attempts.jsonl; 0 or an errno.
  int append(const Json& record);
  void release() { lock_.release(); }

 private:
  bool refuse(const std::string& what, std::string& why) const;
  bool refuse_errno(int problem, std::string& why) const;
  bool meet_existing(const Json& ours, std::string& why);
  bool start_over(Json& ours, std::string& why);
  bool count_attempts(std::string& why);

  std::string path_;
  FolderLock lock_;
  Json changes_ = Json::object();  // what differs from the manifest's `training`
  std::string text_;               // the manifest's bytes
  std::uint64_t hash_ = 0;
  std::int64_t files_ = 0, highest_attempt_ = -1;
  std::uint32_t attempt_ = 0;
  bool is_new_ = true, vanished_ = false;
};

// Whether a run stands there that recorded something: a snapshot, a metric line, or a state to resume from.
bool holds_record(const std::string& folder);

}  // namespace strobe

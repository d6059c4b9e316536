// One recorder a folder, in any language.
#pragma once

#include <chrono>
#include <string>

#include "files.h"

namespace strobe {

// Holds <folder>/.recorder.lock until released, as the Python recorder does, so that either keeps the other out. What
// another host left is refused unless `take_over`, and then said on stderr.
class FolderLock {
 public:
  ~FolderLock() { release(); }
  bool acquire(const std::string& folder, bool take_over, std::string& why);
  // Whether the file that we lock is still the one in the folder.
  bool is_held() const;
  // Says, twice a minute at most, that the holder lives.
  void beat();
  void release();

 private:
  bool sign_or_remove(std::string& why);

  Descriptor file_;
  std::string path_;
  std::chrono::steady_clock::time_point beaten_{};
};

}  // namespace strobe

// One recorder a folder, in any language.
#pragma once

#include <string>

#include "files.h"

namespace strobe {

// Holds <folder>/.recorder.lock until released, as the Python recorder does, so that either keeps the other out.
class FolderLock {
 public:
  ~FolderLock() { release(); }
  bool acquire(const std::string& folder, std::string& why);
  void release();

 private:
  Descriptor file_;
  std::string path_;
};

}  // namespace strobe

#pragma once

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "gpt2/failure.h"

namespace strobe {

// llm.c's main.log: "s:10 tel:3.2100" for validation, "s:10 trl:3.3000 lr:0.000600 norm:1.23" for training.
class MainLog {
 public:
  // Throws Failure where there is a log already: it may be all that is left of another run.
  explicit MainLog(const std::string& folder) {
    if (folder.empty()) return;
    std::error_code trouble;
    std::filesystem::create_directories(folder, trouble);
    path_ = folder + "/main.log";
    if (std::filesystem::exists(path_, trouble))
      throw Failure("-o: " + path_ + " is there already; give another folder");
    file_.open(path_);
    if (!file_) throw Failure("-o: " + path_ + " cannot be written");
  }
  // What was begun for a training that did not begin.
  void discard() {
    std::error_code trouble;
    if (file_.is_open()) std::filesystem::remove(path_, trouble);
  }
  void val(std::int64_t step, double loss) { line("s:%ld tel:%.4f\n", step, loss); }
  void train(std::int64_t step, double loss, double rate, double norm) {
    line("s:%ld trl:%.4f lr:%.6f norm:%.2f\n", step, loss, rate, norm);
  }

 private:
  template <class... Numbers>
  void line(const char* format, std::int64_t step, Numbers... numbers) {
    char text[160];
    std::snprintf(text, sizeof text, format, static_cast<long>(step), numbers...);
    if (file_.is_open()) file_ << text << std::flush;
  }
  std::string path_;
  std::ofstream file_;
};

}  // namespace strobe

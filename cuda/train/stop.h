// Ctrl-C and SIGTERM, which end a training after its step.
#pragma once

#include <csignal>

namespace strobe {

inline volatile std::sig_atomic_t stop_signal = 0;

extern "C" inline void ask_to_stop(int number) {
  // The first ends the training after its step, the second the program at once.
  if (stop_signal) {
    std::signal(number, SIG_DFL);
    std::raise(number);
  }
  stop_signal = number;
}

inline void listen_for_stop() {
  std::signal(SIGINT, ask_to_stop);
  std::signal(SIGTERM, ask_to_stop);
}

}  // namespace strobe

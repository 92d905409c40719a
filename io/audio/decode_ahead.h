// Sound of many files, one after the other, decoded while the last one is being worked on.
#pragma once

#include <algorithm>
#include <deque>
#include <future>
#include <thread>
#include <vector>

#include "io/audio/audio.h"

namespace melgrad {

// Decodes files in order, ahead of whoever asks for them, as many at once as there are threads. With one
// thread a file is decoded when it is asked for.
class DecodeAhead {
 public:
  DecodeAhead(std::vector<FilePart> files, int sample_rate, const AudioOptions& options, int threads)
      : files_(std::move(files)),
        rate_(sample_rate),
        options_(options),
        threads_(threads > 0 ? static_cast<std::size_t>(threads)
                             : std::max<std::size_t>(1, std::thread::hardware_concurrency())) {}

  // Throws what read_audio threw for that file.
  Audio next() {
    const auto policy = threads_ == 1 ? std::launch::deferred : std::launch::async | std::launch::deferred;
    for (; started_ < files_.size() && ahead_.size() <= threads_; ++started_)
      ahead_.push_back(std::async(policy, read_audio, files_[started_], rate_, options_));
    std::future<Audio> first = std::move(ahead_.front());
    ahead_.pop_front();
    return first.get();
  }

 private:
  std::vector<FilePart> files_;
  int rate_;
  AudioOptions options_;
  std::size_t threads_, started_ = 0;
  std::deque<std::future<Audio>> ahead_;
};

}  // namespace melgrad

// A run folder: everything a training run leaves behind.
//   run.json       what was asked for and where it comes from (run_record.h): recipe, data, seed, split,
//   device recipe.toml    the recipe as used, every key splits.json    track names of train, valid and test
//   metrics.jsonl  one line per epoch, and one with "event" per skipped step and spike of the loss
//   events.out.tfevents.*  the same for TensorBoard, with histograms of the parameters and the first kernels
//   checkpoint.h5  the whole state, from which --resume goes on; holds the final and the best weights. It is
//                  checkpoint-<step>.h5 under a second name; the last of those are kept (run_checkpoints.h)
//   model.h5       the finished network: the weights the recipe keeps, classes, features (for predict)
//   result.json    the test result (evaluate). Of a run that goes on, model.h5 and result.json become
//                  model-<step>.h5 and result-<step>.json
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "io/files/folder_lock.h"
#include "io/files/json.h"

namespace melgrad {

class RunFolder {
 public:
  // `asked` or, if empty, runs/<name>-<date>-<time>, locked. It must be new or hold nothing but what a run
  // leaves that was killed before it had begun; Error (output).
  static RunFolder create(const std::string& asked, const std::string& name);
  // An existing one to go on in, locked; Error (input) if it is none, Error (output) if somebody works in it.
  static RunFolder resume(const std::string& path);
  // One that several processes share, each of which works in run folders of its own below it: new as for
  // `create`, or begun by another of them, and not locked by one alone. Error (output).
  static RunFolder join(const std::string& asked, const std::string& name);
  // An existing one to read; Error (input) if it is none.
  static RunFolder open(const std::string& path);

  const std::filesystem::path& path() const { return path_; }
  std::string file(const std::string& name) const { return (path_ / name).string(); }
  void write_json(const std::string& name, const nlohmann::ordered_json& json) const;
  nlohmann::ordered_json read_json(const std::string& name) const;
  // What `take` makes of it; Error (input) naming the file if that is not what it expects (io/files/json.h).
  template <class Take>
  auto read(const std::string& name, const Take& take) const {
    const nlohmann::ordered_json json = read_json(name);
    return reading_json(file(name), [&] { return take(json); });
  }

 private:
  explicit RunFolder(std::filesystem::path path) : path_(std::move(path)) {}
  void lock();
  static RunFolder make(const std::filesystem::path& path);

  std::filesystem::path path_;
  std::shared_ptr<FolderLock> lock_;  // of copies too
};

// The path that `text`, as as_utf8 wrote it into a file, stands for: where nothing has this name, the one
// with the bytes that are written out as \xff.
std::string path_from_utf8(const std::string& text);

// What run.json says of the data and of what else decides a run's bits.
struct RunOrigin {
  std::string cache, device, precision;
  std::uint64_t seed = 0;
};
RunOrigin origin_of(const RunFolder& folder);
// TrainingData::digest of what it was begun with, in hexadecimal; "" of a run that does not say.
std::string digest_of_data(const RunFolder& folder);

}  // namespace melgrad

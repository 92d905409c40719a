// melgrad bench: times kernels, training steps and extraction on this machine, by the program melgrad_bench
// (bench/) that lies beside this one: Google Benchmark stays out of what users run.
#include <filesystem>
#include <unistd.h>

#include "apps/terminal/cli.h"
#include "apps/terminal/command_line.h"
#include "io/files/atomic_file.h"
#include "kernels/error.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;

struct BenchArguments {
  std::string filter = ".", out;
  int repetitions = 1;
  bool list = false;
};

// Returns only by an exception: this process becomes the other program.
void bench(const Settings& settings, const BenchArguments& args) {
  if (settings.device != Settings{}.device || settings.precision != Settings{}.precision ||
      settings.threads != 0)
    fail(ErrorKind::usage,
         "bench: every device and precision has cases of its own; choose them by name, see --list");
  const fs::path program = fs::read_symlink("/proc/self/exe").parent_path() / "melgrad_bench";
  if (!fs::exists(program))
    fail(ErrorKind::usage, "{}: not there; build the target melgrad_bench", program.string());
  std::vector<std::string> words = {program.string(), "--benchmark_filter=" + args.filter,
                                    fmt::format("--benchmark_repetitions={}", args.repetitions)};
  if (args.list) words.push_back("--benchmark_list_tests=true");
  if (settings.json) words.push_back("--benchmark_format=json");
  if (!args.out.empty()) {
    const AtomicFile writable(args.out);  // the other program would wait for who reads a fifo
    words.push_back("--benchmark_out=" + args.out);
    words.push_back("--benchmark_out_format=json");
  }
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  ::execv(program.c_str(), argv.data());
  fail(ErrorKind::internal, "{}: cannot be started", program.string());
}

}  // namespace

void register_bench(CommandLine& root, Settings& settings) {
  auto* command = root.add_subcommand("bench", "time kernels, training steps and extraction on this machine");
  auto args = std::make_shared<BenchArguments>();
  command->add_option("filter", args->filter, "regular expression: which cases")->capture_default_str();
  command->add_option("--repetitions", args->repetitions, "of each case; bench/compare.py wants four or more")
      ->positive()
      ->capture_default_str();
  command->add_option("--out", args->out, "a JSON file for the results");
  command->add_flag("--list", args->list, "the names of the cases, nothing else");
  command->callback([args, &settings] { bench(settings, *args); });
}

}  // namespace melgrad

// melgrad: the command line. One file per subcommand; see apps/commands.h.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <new>
#include <string_view>
#include <system_error>
#include <unistd.h>

#include "apps/commands.h"
#include "apps/terminal/interrupt.h"
#include "apps/terminal/usage.h"
#include "kernels/cpu/blas_core.h"
#include "kernels/error.h"

namespace {

using namespace melgrad;

// What libraries read while they are loaded, and what should be otherwise: then the program starts once more.
//
// A thread of OpenMP that waits spins for milliseconds first, and so keeps the core from the very thread it
// waits for when other processes want cores too: beside two of them on two cores the dong2018 network trained
// at half the speed, a small one at a sixtieth. Alone, no difference was seen. So work that is long enough
// waits without.
//
// OpenBLAS and processors that it does not know: kernels/cpu/blas_core.h.
void set_up_libraries(int argc, char** argv) {
  const auto named = [](const char* argument) {
    return std::find_if(std::begin(kCommands), std::end(kCommands),
                        [&](const Command& c) { return std::string_view(argument) == c.name; });
  };
  // The command is the first argument that is the name of one.
  const char* const* asked =
      std::find_if(argv + 1, argv + argc, [&](const char* a) { return named(a) != std::end(kCommands); });
  if (asked == argv + argc) return;
  bool changed = false;
  const auto set = [&](const char* name, const char* value) { changed |= ::setenv(name, value, 0) == 0; };
  if (named(*asked)->computes_long && std::getenv("OMP_WAIT_POLICY") == nullptr &&
      std::getenv("GOMP_SPINCOUNT") == nullptr)
    set("GOMP_SPINCOUNT", "1000");
  if (const char* core = better_blas_core()) set("OPENBLAS_CORETYPE", core);
  if (changed) ::execv("/proc/self/exe", argv);  // returns if it cannot: then as it is
}

// The exit code.
int run(int argc, char** argv) {
  Settings settings;
  CommandLine root(
      "melgrad classifies music: trains networks on log-mel spectrograms, tests them, asks them");
  root.require_subcommand();
  root.add_option("--device", settings.device, "auto, cpu or cuda:N")->capture_default_str();
  root.add_option("--precision", settings.precision, "of convolutions and products: f32, tf32 or bf16 (CUDA)")
      ->capture_default_str();
  root.add_option("--threads", settings.threads, "CPU threads (0 = all cores)")->range(0, 1024);
  root.add_flag("--ffmpeg", settings.ffmpeg, "let the program ffmpeg decode m4a, wma, mp4 and the like");
  root.add_flag("--json", settings.json, "print results as JSON on standard output");
  for (const Command& command : kCommands) command.add(root, settings);
  root.describe("melgrad", kVersion, kFirstHour);

  const CommandLine::Answer answer = root.run(spelled_out({argv + 1, argv + argc}));
  if (!answer.wrong.empty()) {
    say("{}", answer.wrong);
    return static_cast<int>(ErrorKind::usage);
  }
  if (!answer.help.empty()) print("{}", Lines{answer.help});
  return settings.exit_code;
}

// What `work` returns; what it throws becomes a line and an exit code.
int guarded(const std::function<int()>& work) {
  try {
    return work();
  } catch (const Error& e) {
    say("melgrad: {}", e.what());
    return static_cast<int>(e.kind());
  } catch (const Interrupted& e) {
    say("melgrad: interrupted: {}", e.message);
    return kExitInterrupted;
  } catch (const std::bad_alloc&) {
    screen::write_message("melgrad: out of memory\n");
    return static_cast<int>(ErrorKind::device);
  } catch (const std::filesystem::filesystem_error& e) {
    say("melgrad: {}: {}", e.path1().string(), e.code().message());
    return static_cast<int>(ErrorKind::input);
  } catch (const std::system_error& e) {
    const bool thread = e.code() == std::errc::resource_unavailable_try_again;
    say("melgrad: {}",
        thread ? "no further thread can be started; fewer --threads, or higher limits (ulimit -u, -v)"
               : e.what());
    return static_cast<int>(thread ? ErrorKind::device : ErrorKind::internal);
  } catch (const std::exception& e) {
    say("melgrad: internal error: {}", e.what());
    return static_cast<int>(ErrorKind::internal);
  }
}

}  // namespace

int main(int argc, char** argv) {
  take_standard_files();
  set_up_libraries(argc, argv);
  install_signal_handlers();
  const int code = guarded([&] { return run(argc, argv); });
  const int printed = guarded([] {
    flush_output();
    return 0;
  });
  return code == 0 || code == kExitProblemsFound ? (printed != 0 ? printed : code) : code;
}

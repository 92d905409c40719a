// melgrad export: a trained network as safetensors, for other programs. predict takes such a file too.
#include "apps/terminal/cli.h"
#include "apps/terminal/command_line.h"
#include "io/arrays/safetensors.h"
#include "models/runs/run_record.h"

namespace melgrad {

void register_export(CommandLine& root, Settings& settings) {
  auto* command = root.add_subcommand("export", "write a trained network as safetensors");
  auto run = std::make_shared<std::string>(), out = std::make_shared<std::string>();
  command->add_option("run", *run, "run folder")->required();
  command->add_option("--out", *out, "file to write, FILE.safetensors")->required();
  command->callback([=, &settings] {
    const RunFolder folder = RunFolder::open(*run);
    const std::string missing = unfinished(folder);
    if (!missing.empty()) fail(ErrorKind::input, "{}: {}", *run, missing);
    const Checkpoint model = load_checkpoint(folder.file("model.h5"));
    save_safetensors(*out, model);
    if (settings.json) {
      const nlohmann::ordered_json json = {{"file", *out}, {"tensors", model.arrays.size()}};
      print_json(json);
    } else {
      print("{}: {} tensors\n", *out, model.arrays.size());
    }
  });
}

}  // namespace melgrad

// melgrad export: a trained network for other programs: as safetensors, its weights alone (predict takes such
// a file too); as ONNX, all that turns sound into an answer.
#include "models/onnx/export.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "apps/terminal/cli.h"
#include "apps/terminal/command_line.h"
#include "io/arrays/safetensors.h"
#include "io/files/atomic_file.h"
#include "io/files/hash.h"
#include "kernels/devices/make_device.h"
#include "models/runs/model_library.h"

namespace melgrad {
namespace {

struct ExportArgs {
  std::string model, out;
  OnnxOptions onnx;
  const Option* segments = nullptr;
  std::vector<const Option*> of_onnx;
};

void write_safetensors(const ExportArgs& args, const Settings& settings) {
  for (const Option* option : args.of_onnx)
    if (option->count() > 0)
      fail(ErrorKind::usage, "export: {} is for FILE.onnx, and --out is {}", option->name(), args.out);
  const Checkpoint model = read_model_file(model_file_path(args.model));
  save_safetensors(args.out, model);
  if (settings.json) print_json(nlohmann::ordered_json{{"file", args.out}, {"tensors", model.arrays.size()}});
  else print("{}: {} tensors\n", args.out, model.arrays.size());
}

void write_onnx(const ExportArgs& args, const Settings& settings) {
  if (args.onnx.front_end == OnnxFrontEnd::none && args.segments->count() > 0)
    fail(ErrorKind::usage, "export: --segments plays no part with --frontend none, whose input are segments");
  const std::string file = model_file_path(args.model);
  const auto device = make_device("cpu");
  LoadedModel model = load_model(*device, file);
  OnnxGraph graph = onnx_graph(*device, model, args.onnx, file);
  graph.metadata.emplace_back("model_digest", fmt::format("{:016x}", xxh3_of_file(file)));
  const std::string bytes = onnx_file(graph);
  write_file_atomically(args.out, bytes);
  if (settings.json) {
    nlohmann::ordered_json json = {
        {"file", args.out}, {"bytes", bytes.size()}, {"nodes", graph.nodes.size()}};
    for (const auto& [key, ports] :
         {std::pair("inputs", &graph.inputs), std::pair("outputs", &graph.outputs)})
      for (const OnnxPort& port : *ports) json[key][port.name] = port.shape;
    return print_json(json);
  }
  const auto shown = [](const std::vector<OnnxPort>& ports) {
    std::string text;
    for (const OnnxPort& port : ports)
      text += fmt::format("{}{} [{}]", text.empty() ? "" : ", ", port.name, fmt::join(port.shape, ", "));
    return text;
  };
  print("{}: {:.1f} MB, {} nodes; {} -> {}\n", args.out, static_cast<double>(bytes.size()) / 1e6,
        graph.nodes.size(), shown(graph.inputs), shown(graph.outputs));
}

}  // namespace

void register_export(CommandLine& root, Settings& settings) {
  auto* command = root.add_subcommand(
      "export", "write a trained network for other programs: ONNX, from sound to tags, or safetensors");
  auto args = std::make_shared<ExportArgs>();
  command->add_option("model", args->model, "run folder, model file, or a name of melgrad models")
      ->required();
  command->add_option("--out", args->out, "file to write: FILE.onnx or FILE.safetensors")->required();
  const auto choice = [&](const std::string& option, auto& field, const std::string& about) {
    using Enum = std::remove_reference_t<decltype(field)>;
    const auto names = names_of<Enum>();
    const auto set = [&field, option, args](const std::string& name) { assign(field, name, option); };
    return args->of_onnx.emplace_back(
        command->add_option(option, set, about)
            ->is_member(names)
            ->option_text(fmt::format("TEXT:{{{}}}={}", fmt::join(names, ","), name_of(field))));
  };
  choice("--frontend", args->onnx.front_end,
         "how an ONNX file computes features: conv, everywhere and fastest for n_fft up to 1024; stft; none: "
         "features are its input");
  args->segments = choice(
      "--segments", args->onnx.segments,
      "what it hears: all, the segments of one clip and their mean; one, the first segment of each clip "
      "of a batch");
  choice("--precision", args->onnx.precision, "of its weights: f16 halves the file; computed is in f32");
  command->callback([=, &settings] {
    const std::string kind = std::filesystem::path(args->out).extension().string();
    if (kind == ".onnx") return write_onnx(*args, settings);
    if (kind == ".safetensors" || kind.empty()) return write_safetensors(*args, settings);
    fail(ErrorKind::usage, "export: --out {}: the file's name ends in .onnx or .safetensors, for its format",
         args->out);
  });
}

}  // namespace melgrad

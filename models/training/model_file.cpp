#include "models/training/model_file.h"

#include "io/arrays/safetensors.h"
#include "io/files/json.h"
#include "models/networks/networks.h"
#include "models/training/transfer.h"

namespace melgrad {
namespace {

void from_array(Device& device, Tensor to, const HostArray& array, const std::string& name,
                const std::string& path) {
  bool same = array.dtype == to.dtype && static_cast<int>(array.shape.size()) == to.shape.rank();
  for (int axis = 0; same && axis < to.shape.rank(); ++axis) {
    same = array.shape[static_cast<std::size_t>(axis)] == to.shape[axis];
  }
  if (!same) {
    fail(ErrorKind::input,
         "{}: {} does not have the shape {} of this network; it is a checkpoint of another model", path, name,
         to.shape.str());
  }
  device.to_device(to, array.bytes.data());
}

}  // namespace

HostArray to_array(Device& device, Tensor tensor) {
  std::vector<std::int64_t> shape;
  for (int axis = 0; axis < tensor.shape.rank(); ++axis) shape.push_back(tensor.shape[axis]);
  HostArray array(tensor.dtype, shape);
  device.to_host(array.bytes.data(), tensor);
  return array;
}

void save_slab(Device& device, const ParamStore& params, const Slab* slab, const std::string& prefix,
               Checkpoint& out) {
  for (const Param& p : params.all()) {
    if (!p.trainable && prefix.starts_with("moment")) continue;
    out.arrays[prefix + "/" + p.name] = to_array(device, slab != nullptr ? params.part(*slab, p) : p.value);
  }
}

void load_slab(Device& device, const ParamStore& params, const Slab* slab, const std::string& prefix,
               const Checkpoint& in, const std::string& path, const std::set<std::string>& others) {
  for (const Param& p : params.all()) {
    if ((!p.trainable && prefix.starts_with("moment")) || others.contains(p.name)) continue;
    const std::string name = prefix + "/" + p.name;
    from_array(device, slab != nullptr ? params.part(*slab, p) : p.value, in.need_array(name, path), name,
               path);
  }
}

void load_weights(Device& device, Model& model, const std::set<std::string>& others, const Recipe& recipe,
                  const Checkpoint& in, const std::string& path) {
  load_slab(device, model.params(), nullptr, "param", in, path, others);
  if (recipe.input.standardise != Standardise::bands) return;
  if (!model.input_mean()) {
    const std::vector<float> room(in.need_array("input/mean", path).bytes.size() / sizeof(float));
    model.standardise_input(device, room, room);
  }
  from_array(device, model.input_mean(), in.need_array("input/mean", path), "input/mean", path);
  from_array(device, model.input_scale(), in.need_array("input/scale", path), "input/scale", path);
}

std::unique_ptr<Model> new_model(Device& device, const Recipe& recipe, std::int64_t bands,
                                 std::size_t classes) {
  auto model = make_model(recipe.model, {recipe.segment.frames, bands}, static_cast<std::int64_t>(classes));
  if (!recipe.train.freeze.empty() || !recipe.train.rates.empty())
    set_rates(model->params(), recipe, last_layer(recipe, bands, classes));
  model->params().allocate(device);
  return model;
}

Checkpoint model_file(Device& device, const Model& model, const Slab* weights, const Recipe& recipe,
                      const std::vector<std::string>& classes, std::int64_t bands) {
  Checkpoint out;
  save_slab(device, model.params(), weights, "param", out);
  out.text["recipe"] = as_toml(recipe);
  out.text["classes"] = json_text(nlohmann::ordered_json(classes));
  if (model.input_mean()) {
    out.arrays["input/mean"] = to_array(device, model.input_mean());
    out.arrays["input/scale"] = to_array(device, model.input_scale());
  }
  out.arrays["bands"] = HostArray::scalar<std::int64_t>(bands);
  return out;
}

Checkpoint read_model_file(const std::string& path) {
  return path.ends_with(".safetensors") ? load_safetensors(path) : load_checkpoint(path);
}

LoadedModel load_model(Device& device, const std::string& path) {
  const Checkpoint file = read_model_file(path);
  LoadedModel out;
  out.recipe = parse_recipe(file.need_text("recipe", path), path);
  reading_json(path + ": classes", [&] { parse_json(file.need_text("classes", path)).get_to(out.classes); });
  out.bands = file.need_scalar<std::int64_t>("bands", path);
  out.model = new_model(device, out.recipe, out.bands, out.classes.size());
  load_weights(device, *out.model, {}, out.recipe, file, path);
  return out;
}

}  // namespace melgrad

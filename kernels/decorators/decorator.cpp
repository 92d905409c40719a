#include "kernels/decorators/decorator.h"

#include "kernels/mel.h"

namespace melgrad {

std::string OpsDecorator::text_of(const Tensor& t) {
  return fmt::format("{}:{}{}", t.data, name_of(t.dtype), t.shape.str());
}
std::string OpsDecorator::text_of(Write write) {
  return write == Write::overwrite ? "overwrite" : "accumulate";
}
std::string OpsDecorator::text_of(const Grad& g) {
  return fmt::format("{} {}", text_of(g.tensor), text_of(g.write));
}
std::string OpsDecorator::text_of(float value) { return fmt::format("{}", value); }
std::string OpsDecorator::text_of(bool value) { return value ? "true" : "false"; }
std::string OpsDecorator::text_of(std::int64_t value) { return fmt::format("{}", value); }
std::string OpsDecorator::text_of(Activation f) { return name_of(f); }
std::string OpsDecorator::text_of(const BatchNorm& n) {
  return fmt::format("epsilon {} momentum {}", n.epsilon, n.momentum);
}
std::string OpsDecorator::text_of(const Recurrent& r) {
  return fmt::format("{}{} {}", name_of(r.cell), r.reverse ? " reverse" : "", text_of(r.lengths));
}
std::string OpsDecorator::text_of(const Augment& a) {
  return fmt::format("gain {} shift {} noise {} frames {}x{} bands {}x{} value {} seed {} {}", a.gain_db,
                     a.shift, a.noise, a.time_masks, a.time_mask, a.band_masks, a.band_mask, a.mask_value,
                     a.seed, text_of(a.counter));
}
std::string OpsDecorator::text_of(const Mixup& m) {
  return fmt::format("alpha {} seed {} {}", m.alpha, m.seed, text_of(m.counter));
}
std::string OpsDecorator::text_of(const Conv2d& c) {
  return fmt::format("stride {}x{} pad {}x{}", c.stride_t, c.stride_f, c.pad_t, c.pad_f);
}
std::string OpsDecorator::text_of(const Pool2d& p) { return fmt::format("pool {}x{}", p.frames, p.bands); }
std::string OpsDecorator::text_of(const Dropout& d) {
  return fmt::format("rate {} seed {} stream {} {}", d.rate, d.seed, d.stream, text_of(d.counter));
}
std::string OpsDecorator::text_of(const Schedule& s) {
  return fmt::format("schedule {} {} {} {} {} {} {} {}", static_cast<int>(s.kind), s.base, s.decay,
                     s.final_fraction, s.total, s.warmup, s.period, text_of(s.factor));
}
std::string OpsDecorator::text_of(const BatchPlan& p) {
  return fmt::format("{} {} {} {} {} {} {} {} {} {}", text_of(p.order), text_of(p.first_row), text_of(p.rows),
                     text_of(p.labels), text_of(p.step), text_of(p.counter), text_of(p.class_weights),
                     p.shared_start, p.skip_last_start, p.seed);
}
std::string OpsDecorator::text_of(const MelTables& mel) {
  std::string words = "mel";
  for (const auto& [field, value] : mel_fields(mel.options)) words += fmt::format(" {} {}", field, value);
  return words;
}

}  // namespace melgrad

// melgrad probe: what a classifier can read from embeddings, anyone's, by a protocol that others can repeat.
#include "models/embeddings/probe.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>

#include "apps/data/data_set.h"
#include "apps/terminal/interrupt.h"
#include "apps/terminal/progress.h"
#include "apps/terminal/result_text.h"
#include "apps/terminal/text_table.h"
#include "apps/training/train.h"
#include "kernels/text.h"
#include "models/embeddings/labelled.h"
#include "models/recipes/recipe_use.h"
#include "models/training/task.h"

namespace melgrad {
namespace {

using Json = nlohmann::ordered_json;

struct Protocol {
  const char* name;
  ProbeSplits splits;
  const char* about;
  // Of those that were published: tracks to train, validate and test on, or of all together.
  std::array<std::size_t, 3> published = {};
  const char* mtat = nullptr;  // which clips of MagnaTagATune
};

constexpr Protocol kProtocols[] = {
    {"own", ProbeSplits::own, "the split of the data set"},
    {"column-folds", ProbeSplits::column_folds,
     "the folds of the data set's column fold, each tested on once"},
    {"folds", ProbeSplits::folds, "--folds random folds, each tested on once"},
    {"random", ProbeSplits::random, "half to train, a fifth to validate, the rest to test"},
    {"lists", ProbeSplits::lists, "the lists in --split-lists"},
    {"gtzan-random", ProbeSplits::folds, "GTZAN, 10 random folds", {1000, 0, 0}},
    {"gtzan-filtered",
     ProbeSplits::lists,
     "GTZAN, the fault-filtered lists in --split-lists",
     {443, 197, 290}},
    {"mtat-filtered",
     ProbeSplits::own,
     "MagnaTagATune by folder, 50 tags, clips with one of them",
     {15244, 1529, 4332},
     "filtered"},
    {"mtat-all", ProbeSplits::own, "MagnaTagATune by folder, 50 tags, all clips", {18706, 1825, 5329}, "all"},
};

struct ProbeArguments {
  std::string table, names, protocol, tags = "top50";
  std::vector<std::string> c = {"1"}, set;
  DataSetRequest labels;
  ProbeOptions options;
  std::vector<const Option*> of_random;  // flags that only random splits have
  const Option *c_flag = nullptr, *folds_flag = nullptr, *tags_flag = nullptr, *seed_flag = nullptr;
};

const Protocol& protocol_called(const std::string& name) {
  return *std::find_if(std::begin(kProtocols), std::end(kProtocols),
                       [&](const Protocol& p) { return p.name == name; });
}

bool is_random(ProbeSplits splits) { return splits == ProbeSplits::folds || splits == ProbeSplits::random; }

// The first flag that was given of those that only random splits have; null.
const Option* random_flag(const ProbeArguments& args) {
  for (const Option* flag : args.of_random)
    if (flag->count() > 0) return flag;
  return nullptr;
}

// What was asked for, else what the data set prescribes, else random folds.
const Protocol& protocol_for(const ProbeArguments& args, const TrainingData& data) {
  if (!args.protocol.empty()) return protocol_called(args.protocol);
  if (!args.options.lists.empty()) return protocol_called("lists");
  if (random_flag(args) != nullptr) return protocol_called("folds");
  if (data.has_splits()) return protocol_called("own");
  const auto& columns = data.columns();
  const bool folds = std::find(columns.begin(), columns.end(), "fold") != columns.end();
  return protocol_called(folds ? "column-folds" : "folds");
}

// What was given and would play no part.
void expect_uses(const ProbeArguments& args) {
  const auto unused = [](const Option* flag, const std::string& because) {
    if (flag->count() > 0) fail(ErrorKind::usage, "{}: plays no part: {}", flag->name(), because);
  };
  if (args.options.head == ProbeHead::mlp) unused(args.c_flag, "it is of --head linear");
  if (args.protocol == "random" || args.protocol == "gtzan-random")
    unused(args.folds_flag, "--protocol " + args.protocol + " says how tracks are divided");
  if (args.protocol.starts_with("mtat-"))
    unused(args.tags_flag, "--protocol " + args.protocol + " has its 50");
  if (!is_mtat(args.labels.path)) unused(args.tags_flag, "--labels is not a folder of MagnaTagATune");
  expect_none_of("features.", args.set, "embeddings are no features of ours");
}

// A protocol of GTZAN is one of its ten genres.
void expect_genres_of(const Protocol& protocol, const std::vector<std::string>& classes) {
  static const std::vector<std::string> gtzan = {"blues", "classical", "country", "disco",  "hiphop",
                                                 "jazz",  "metal",     "pop",     "reggae", "rock"};
  if (std::string(protocol.name).starts_with("gtzan-") && classes != gtzan)
    fail(ErrorKind::usage, "--protocol {}: is of GTZAN's ten genres, these are {}", protocol.name,
         joined(classes));
}

void check(const ProbeArguments& args) {
  expect_uses(args);
  const bool random =
      args.protocol.empty() ? args.options.lists.empty() : is_random(protocol_called(args.protocol).splits);
  if (const Option* flag = random_flag(args); flag != nullptr && !random)
    fail(ErrorKind::usage, "{}: plays no part in {}, which is not random", flag->name(),
         args.protocol.empty() ? "--split-lists" : "--protocol " + args.protocol);
  const bool lists = args.protocol == "lists" || args.protocol == "gtzan-filtered";
  if (lists && args.options.lists.empty())
    fail(ErrorKind::usage, "--protocol {}: needs --split-lists, the folder of the lists", args.protocol);
  if (!lists && !args.protocol.empty() && !args.options.lists.empty())
    fail(ErrorKind::usage, "--split-lists: plays no part in --protocol {}", args.protocol);
  if (!args.protocol.empty() && protocol_called(args.protocol).mtat != nullptr && args.labels.path.empty())
    fail(ErrorKind::usage, "--protocol {}: needs --labels, the folder of MagnaTagATune's tables",
         args.protocol);
  if (args.options.head == ProbeHead::linear && !args.set.empty())
    fail(ErrorKind::usage, "--set: only for --head mlp");
}

std::vector<double> c_of(const std::vector<std::string>& texts) {
  std::vector<double> out;
  for (const std::string& text : texts) {
    out.push_back(real_from(text, "--c"));
    if (!(out.back() > 0) || out.back() > 1e12) fail(ErrorKind::usage, "--c {}: must be above 0", text);
  }
  std::sort(out.begin(), out.end());
  return out;
}

Cache labelled_table(const ProbeArguments& args, const EmbeddingTable& table, const Settings& settings) {
  if (args.labels.path.empty()) return labelled(table, say_line);
  DataSetRequest request = args.labels;
  request.splits = true;
  request.group = args.options.group;
  request.mtat.labels_only = true;
  request.mtat.tags = args.tags;
  if (!args.protocol.empty() && protocol_called(args.protocol).mtat != nullptr) {
    if (!is_mtat(request.path))
      fail(ErrorKind::usage, "--protocol {}: {} is not a folder of MagnaTagATune", args.protocol,
           request.path);
    request.protocol = protocol_called(args.protocol).mtat;
  }
  return labelled(table, open_data_set(request, settings), say_line);
}

// Tracks of each part, of those that were published.
std::string beside_published(const Json& result, const Protocol& protocol) {
  const auto& [train, valid, test] = protocol.published;
  const auto& fit = result.at("fits").at(0);
  if (valid == 0) return fmt::format("{} of {} tracks", result.at("tracks").get<std::size_t>(), train);
  return fmt::format("{} of {} training, {} of {} validation, {} of {} test tracks",
                     fit.at("train").get<std::size_t>(), train, fit.at("valid").get<std::size_t>(), valid,
                     fit.at("test").get<std::size_t>(), test);
}

std::string leaks_text(const Json& leaks) {
  const std::size_t tests = leaks.at("test_tracks");
  std::string out = fmt::format("of {} test tracks {} have an identical training track", tests,
                                leaks.at("identical").get<std::size_t>());
  const Json& nearly = leaks.at("nearly");
  if (nearly.is_null()) {
    out += "; nearly identical ones were not looked for among so many";
  } else {
    out += fmt::format(", {} a nearly identical one", nearly.at("tracks").get<std::size_t>());
    for (const Json& pair : nearly.at("nearest"))
      out += fmt::format("\n  {:.3f}  {} = {}", pair.at("cosine").get<double>(),
                         printable(pair.at("test").get<std::string>()),
                         printable(pair.at("other").get<std::string>()));
  }
  for (const auto& [column, tracks] : leaks.at("columns").items())
    out += fmt::format("\n{} ({:.1f} %) share their {} with a training track", tracks.get<std::size_t>(),
                       100 * tracks.get<double>() / static_cast<double>(tests), column);
  return out;
}

std::string figures_text(const Json& result) {
  const Json& over = result.at("score").at("over_fits");
  const std::string spread =
      result.at("fits").size() > 1 && !over.at("mean").is_null()
          ? fmt::format("; mean of {} fits {:.3f} +- {:.3f}", result.at("fits").size(),
                        over.at("mean").get<double>(), over.at("deviation").get<double>())
          : "";
  const Json& test = result.at("test");
  if (!test.contains("confusion")) {
    const TagMetrics metrics = tag_metrics_of(test);
    return fmt::format("macro ROC-AUC {:.3f}, PR-AUC {:.3f}{}\n\n{}", metrics.macro.roc_auc.value,
                       metrics.macro.pr_auc.value, spread, as_table(metrics));
  }
  return fmt::format(
      "{} tracks tested: accuracy {:.3f} (95 % interval {:.3f} to {:.3f}){}; always the most "
      "frequent class: {:.3f}\n\n{}",
      test.at("tracks").get<std::size_t>(), test.at("accuracy").get<double>(),
      test.at("accuracy_interval").at(0).get<double>(), test.at("accuracy_interval").at(1).get<double>(),
      spread, result.at("baseline").get<double>(),
      as_table(test.at("confusion").get<std::vector<std::vector<std::int64_t>>>(),
               test.at("classes").get<std::vector<std::string>>()));
}

void tell_fits(const Json& result) {
  const auto unfinished =
      std::count_if(result.at("fits").begin(), result.at("fits").end(),
                    [](const Json& f) { return f.contains("converged") && !f.at("converged").get<bool>(); });
  if (unfinished > 0)
    say("{} of {} fits did not converge: a smaller --c, or embeddings that are not standardised", unfinished,
        result.at("fits").size());
  for (const std::string line : result.at("doubts")) say("{}", line);
}

void run_probe(const Settings& settings, ProbeArguments args) {
  check(args);
  ProbeOptions& options = args.options;
  options.c = c_of(args.c);
  const EmbeddingTable table = read_embeddings(args.table, args.names);
  const Cache cache = labelled_table(args, table, settings);
  const auto device = open_device(settings);
  options.mlp = chosen_recipe(probe_recipe(task_of_labels(cache)), args.set);
  if (!options.standardise) options.mlp.input.standardise = Standardise::none;
  const TrainingData data(*device, args.table, CacheFile(cache), options.mlp, TrainingData::Hold::automatic,
                          say_line);
  const Protocol& protocol = protocol_for(args, data);
  expect_genres_of(protocol, data.classes());
  if (args.seed_flag->count() > 0 && !is_random(protocol.splits) && options.head == ProbeHead::linear)
    fail(ErrorKind::usage, "--seed: plays no part: nothing is random in --protocol {} and a linear head",
         protocol.name);
  options.splits = protocol.splits;
  std::optional<Progress> progress;
  Json result = probe(*device, data, cache, options, [&](std::int64_t done, std::int64_t all) {
    if (!progress) progress.emplace("probe", all, "fits");
    progress->update(done);
    if (interrupted()) throw Interrupted{"nothing was saved"};
  });
  progress.reset();
  tell_fits(result);
  result["protocol"] = protocol.name;
  if (protocol.published[0] > 0) {
    result["of_published"] = beside_published(result, protocol);
    say("{}: {}", protocol.name, result["of_published"].get<std::string>());
  }
  result["embeddings"] = args.table;
  result["model"] = table.model.name;
  if (settings.json) {
    print_json(result);
    return;
  }
  print("{}: {} tracks of {} {}, {} numbers{}\nprotocol {}: {} {}{}; {} head\n\n{}\n{}\n", args.table,
        cache.items.size(), cache.classes.size(), data.task().classes(), cache.bands,
        table.model.name.empty() ? "" : " by " + table.model.name, protocol.name, result.at("fits").size(),
        result.at("fits").size() == 1 ? "split" : "splits",
        is_random(options.splits) ? fmt::format(", seed {}", options.seed) : "", name_of(options.head),
        Lines{figures_text(result)}, Lines{leaks_text(result.at("leaks"))});
}

}  // namespace

void register_probe(CommandLine& root, Settings& settings) {
  auto* command = root.add_subcommand("probe", "how well labels can be read from embeddings, anyone's");
  auto args = std::make_shared<ProbeArguments>();
  command->add_option("table", args->table, "what melgrad embed wrote, or anybody's .npy [tracks, width]")
      ->required();
  command->add_option("--names", args->names,
                      "of a .npy: a text file with the name of each row (else <stem>.names.txt beside it)");
  command->add_option("--labels", args->labels.path,
                      std::string("where the labels are, if not in the table: ") + kDataHelp);
  std::vector<std::string> names;
  std::string about = "how tracks are divided (else the data set's own split or folds, else folds)";
  for (const Protocol& p : kProtocols) {
    names.emplace_back(p.name);
    about += fmt::format("; {}: {}", p.name, p.about);
  }
  command->add_option("--protocol", args->protocol, about)->is_member(names);
  command->add_option("--split-lists", args->options.lists,
                      "folder with *train*, *valid* and *test* name lists");
  args->tags_flag =
      command
          ->add_option("--tags", args->tags, "of MagnaTagATune: top50, top10, or names separated by commas")
          ->capture_default_str();
  command
      ->add_option(
          "--head", [args](const std::string& name) { assign(args->options.head, name, "--head"); },
          "a linear classifier, or one with a hidden layer")
      ->is_member(names_of<ProbeHead>())
      ->option_text("TEXT:{linear,mlp}=linear");
  args->folds_flag =
      command->add_option("--folds", args->options.folds, "how many")->range(2, 1000)->capture_default_str();
  args->of_random = {
      args->folds_flag,
      command
          ->add_option("--repeats", args->options.repeats,
                       "of random folds or splits, each with the next seed")
          ->range(1, 1000)
          ->capture_default_str(),
      command->add_option("--group", args->options.group,
                          "column of the data set (artist, album, ...): tracks that have the same there stay "
                          "on one side")};
  args->seed_flag =
      command->add_option("--seed", args->options.seed, "of the first, and of the hidden layer's weights")
          ->capture_default_str();
  args->c_flag =
      command
          ->add_option(
              "--c", args->c,
              "of the linear head, as scikit-learn's C; several, separated by commas: the best on the "
              "validation tracks")
          ->delimiter(',')
          ->capture_default_str();
  command->add_flag("!--raw", args->options.standardise, "the numbers as they are, not standardised");
  command
      ->add_option("--set", args->set,
                   "section.key=value of the hidden layer's training, any number of times")
      ->allow_extra_args(false);
  command->callback([args, &settings] { run_probe(settings, *args); });
}

}  // namespace melgrad

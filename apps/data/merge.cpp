// melgrad merge: the files that several processes made of their parts, as the one that one process makes.
#include <filesystem>
#include <nlohmann/json.hpp>

#include "apps/terminal/cli.h"
#include "apps/terminal/command_line.h"
#include "io/arrays/cache.h"
#include "io/arrays/cache_parts.h"
#include "io/files/part.h"
#include "kernels/error.h"
#include "kernels/text.h"
#include "models/embeddings/embedding_table.h"

namespace melgrad {
namespace {

// The parts as named, or those of the one whole that is named.
std::vector<std::string> parts_named(const std::vector<std::string>& names) {
  if (names.size() > 1 || !whole_path(names[0]).empty()) return names;
  std::vector<std::string> parts = parts_of(names[0]);
  if (parts.empty())
    fail(ErrorKind::input, "{}: has no parts; extract --part I/N --out {} makes them", names[0], names[0]);
  return parts;
}

// Where parts belong by their names.
std::string whole_of(const std::vector<std::string>& parts) {
  const std::string whole = whole_path(parts[0]);
  for (const std::string& part : parts)
    if (whole.empty() || whole_path(part) != whole)
      fail(ErrorKind::usage, "{}: is not named as a part of {}; --out names the file to write", part,
           whole.empty() ? "a whole" : whole);
  return whole;
}

// Whether the file is what such parts were put together to before, or may be again.
bool is_made_alike(const std::string& file, const std::string& part, bool caches) {
  try {
    if (!caches) {
      const EmbeddingTable there = read_embeddings(file);
      return !there.part && there.model == read_embeddings(part).model;
    }
    const CacheFile there(file), other(part);
    const Cache &a = there.description(), &b = other.description();
    return !a.part && a.bands == b.bands && a.dtype == b.dtype && a.classes == b.classes &&
           mel_difference(a.mel, b.mel).empty();
  } catch (const Error&) {
    return false;
  }
}

// Nothing else than that is written over.
void expect_free(const std::string& out, const std::vector<std::string>& parts, bool caches) {
  std::error_code error;
  if (!std::filesystem::exists(out, error)) return;
  for (const std::string& part : parts)
    if (std::filesystem::equivalent(out, part, error))
      fail(ErrorKind::usage, "--out {}: is one of the parts, {}", out, part);
  if (!is_made_alike(out, parts[0], caches))
    fail(ErrorKind::input, "{}: is there, and no {} as these parts make; remove it or choose another name",
         out, caches ? "cache" : "table");
}

void merge(const Settings& settings, const std::vector<std::string>& names, std::string out) {
  const std::vector<std::string> parts = parts_named(names);
  if (out.empty()) out = whole_of(parts);
  const bool caches = is_cache(parts[0]);
  expect_free(out, parts, caches);
  const std::int64_t count = caches ? merge_caches(parts, out) : merge_embeddings(parts, out);
  if (settings.json)
    print_json(nlohmann::ordered_json{{"file", out}, {"parts", parts}, {caches ? "items" : "rows", count}});
  else
    print("{}: {} {} of {} parts, which can be removed now\n", out, count, caches ? "tracks" : "rows",
          parts.size());
}

}  // namespace

void register_merge(CommandLine& root, Settings& settings) {
  auto* command =
      root.add_subcommand("merge", "one cache or table of the parts that extract or embed --part made");
  const auto parts = std::make_shared<std::vector<std::string>>();
  const auto out = std::make_shared<std::string>();
  command->add_option("parts", *parts, "all parts, or the name of the whole whose parts lie beside it")
      ->required();
  command->add_option("--out", *out, "file to write (default: the whole's name)");
  command->callback([=, &settings] { merge(settings, *parts, *out); });
}

}  // namespace melgrad

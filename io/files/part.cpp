#include "io/files/part.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>

#include "kernels/error.h"
#include "kernels/text.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;

struct PartName {
  std::string whole;
  Part part;
};

std::optional<PartName> read_name(const fs::path& path) {
  const std::string name = path.filename().string();
  const std::size_t at = name.rfind(".part-"), of = name.rfind("-of-");
  if (at == std::string::npos || of == std::string::npos || of < at) return {};
  const std::size_t end = std::min(name.find('.', of), name.size());  // of a file without an ending
  const auto index = number_in<std::int64_t>(name.substr(at + 6, of - at - 6)),
             count = number_in<std::int64_t>(name.substr(of + 4, end - of - 4));
  if (!index || !count || *index < 0 || *index >= *count) return {};
  return PartName{fs::path(path).replace_filename(name.substr(0, at) + name.substr(end)).string(),
                  {*index, *count}};
}

[[noreturn]] void fail_missing(const std::string& of, std::int64_t index, std::int64_t count) {
  fail(ErrorKind::input, "{}: part {} of {} is missing: the command that makes it has --part {}/{}", of,
       index, count, index, count);
}

}  // namespace

std::string part_path(const std::string& whole, Part part) {
  const fs::path path = whole;
  return fs::path(path)
      .replace_filename(fmt::format("{}.part-{:05}-of-{:05}{}", path.stem().string(), part.index, part.count,
                                    path.extension().string()))
      .string();
}

std::string whole_path(const std::string& part) {
  const auto name = read_name(part);
  return name ? name->whole : "";
}

std::vector<std::string> parts_of(const std::string& whole) {
  const fs::path path = whole;
  std::map<std::int64_t, std::map<std::int64_t, std::string>> divisions;  // by how many parts
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(path.has_parent_path() ? path.parent_path() : ".", error)) {
    const std::string file = fs::path(path).replace_filename(entry.path().filename()).string();
    const auto name = read_name(file);
    if (name && name->whole == whole) divisions[name->part.count][name->part.index] = file;
  }
  if (error && error != std::errc::no_such_file_or_directory && error != std::errc::not_a_directory)
    fail(ErrorKind::input, "{}: {}; check the path and its permissions", whole, error.message());
  if (divisions.empty()) return {};
  const auto& [count, found] = *divisions.begin();
  if (divisions.size() > 1)
    fail(ErrorKind::input, "{}: has parts of {} and parts of {}; remove those that are old", whole, count,
         divisions.rbegin()->first);
  std::vector<std::string> parts;
  for (const auto& [index, part] : found) {
    if (index != std::ssize(parts)) break;
    parts.push_back(part);
  }
  if (std::ssize(parts) < count) fail_missing(whole, std::ssize(parts), count);
  return parts;
}

void expect_all_parts(const std::vector<std::string>& paths, const std::vector<const PartOf*>& parts) {
  std::map<std::int64_t, std::string> found;
  for (std::size_t i = 0; i < paths.size(); ++i) {
    if (parts[i] == nullptr)
      fail(ErrorKind::input, "{}: is no part of a whole, as --part makes them", paths[i]);
    const auto& [part, whole] = *parts[i];
    if (part.count != parts[0]->part.count)
      fail(ErrorKind::input, "{}: is one of {} parts, {} one of {}", paths[i], part.count, paths[0],
           parts[0]->part.count);
    if (whole != parts[0]->whole)
      fail(ErrorKind::input,
           "{}: is of other data than {}, or the data changed between: make again what is older", paths[i],
           paths[0]);
    if (const auto [other, is_new] = found.emplace(part.index, paths[i]); !is_new)
      fail(ErrorKind::input, "{}: is part {} of {}, and so is {}", paths[i], part.index, part.count,
           other->second);
  }
  for (std::int64_t i = 0; !paths.empty() && i < parts[0]->part.count; ++i)
    if (!found.contains(i)) fail_missing(paths[0], i, parts[0]->part.count);
}

}  // namespace melgrad

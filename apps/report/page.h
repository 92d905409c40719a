// A page of text, tables and figures in one HTML file that opens anywhere, and beside it a folder with each
// figure as SVG and PNG and its data as CSV. gnuplot draws; without it the page has its tables and the folder
// its CSV.
#pragma once

#include <filesystem>
#include <string>
#include <variant>
#include <vector>

#include "apps/report/plot.h"

namespace melgrad {

class Page {
 public:
  explicit Page(std::string title) : title_(std::move(title)) {}

  void heading(int level, std::string text) { items_.emplace_back(Heading{level, std::move(text)}); }
  void paragraph(std::string text) { items_.emplace_back(std::move(text)); }
  // The first row is the heads, the first column names the rows.
  void table(std::string caption, TextRows rows) {
    items_.emplace_back(Table{std::move(caption), std::move(rows)});
  }
  void plot(Plot plot) { items_.emplace_back(std::move(plot)); }
  // All of `section` but its title; its figures' names end with `suffix`.
  void append(Page section, const std::string& suffix);

  // Writes `path` and <path without extension>-figures/. Throws Error (output). Returns what could not be
  // drawn and why, a line each.
  std::vector<std::string> write(const std::filesystem::path& path) const;

 private:
  struct Heading {
    int level;
    std::string text;
  };
  struct Table {
    std::string caption;
    TextRows rows;
  };
  std::string html(const std::filesystem::path& figures) const;

  std::string title_;
  std::vector<std::variant<Heading, std::string, Table, Plot>> items_;
};

}  // namespace melgrad

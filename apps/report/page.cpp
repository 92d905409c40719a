#include "apps/report/page.h"

#include <algorithm>
#include <cctype>
#include <fmt/format.h>
#include <fstream>
#include <sstream>

#include "apps/report/gnuplot.h"
#include "io/files/atomic_file.h"
#include "kernels/text.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;

// Ink, paper and rules as CSS variables: what is on the page follows the reader's light or dark setting. A
// contrast of 7 : 1 or more for text in both.
constexpr const char* kStyle = R"(
:root{color-scheme:light dark;--ink:#1a1a1a;--soft:#595959;--paper:#fff;--rule:#d9d9d9}
@media(prefers-color-scheme:dark){:root{--ink:#e8e8e8;--soft:#b0b0b0;--paper:#161616;--rule:#444}}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
body{color:var(--ink);background:var(--paper);font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:0 auto;
padding:1rem}
h1{font-size:1.6rem;line-height:1.2}h2{font-size:1.3rem;margin-top:2.5rem;border-top:1px solid var(--rule);
padding-top:1rem}h3{font-size:1.05rem}
p{max-width:42rem}
.scroll{overflow-x:auto;margin:1rem 0}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.9rem}
caption{text-align:left;color:var(--soft);padding-bottom:.3rem}
th,td{padding:.2rem .9rem .2rem 0;text-align:left;border-bottom:1px solid var(--rule);font-weight:400;
vertical-align:top}
.n{text-align:right;white-space:nowrap}thead th{color:var(--soft)}th[scope=row]{white-space:nowrap}
.figures{display:flex;flex-wrap:wrap;gap:1rem 2rem}
figure{flex:0 1 460px;min-width:0;margin:1rem 0;break-inside:avoid}
figure img{width:100%;height:auto}
figcaption{color:var(--soft);font-size:.9rem;max-width:460px}
.map{flex-basis:100%}.map figcaption{max-width:42rem}.map>svg{width:100%;height:auto;border:1px solid var(--rule)}
.map ul{list-style:none;padding:0;display:flex;flex-wrap:wrap;gap:.2rem 1rem;font-size:.9rem}
.map svg [class]{fill-opacity:.75}.map svg [class]:hover{fill-opacity:1;stroke:var(--ink);stroke-width:2}
.c0{fill:#0072b2}.c1{fill:#d55e00}.c2{fill:#009e73}.c3{fill:#cc79a7}.c4{fill:#e69f00}.c5{fill:#56b4e9}
.c6{fill:var(--ink)}
@media(max-width:30rem){body{padding:.6rem;overflow-wrap:break-word}h1{font-size:1.35rem}
h2{font-size:1.15rem;margin-top:1.5rem}th,td{padding-right:.6rem}thead th.n,th[scope=row]{white-space:normal}}
@media print{body{max-width:none}h2{break-after:avoid}}
)";

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : printable(text)) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

// For a data: address.
std::string percent_encoded(const std::string& bytes) {
  std::string out;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain =
        std::isalnum(byte) != 0 || std::string_view(" /:;=,.-_()'").find(c) != std::string::npos;
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", byte);
  }
  return out;
}

// Whether all that stands below a column's head is figures.
bool numeric(const TextRows& rows, std::size_t column) {
  return std::all_of(rows.begin() + 1, rows.end(), [&](const auto& row) {
    const std::string cell = column < row.size() ? row[column] : "";
    return cell.empty() || std::isdigit(static_cast<unsigned char>(cell[cell[0] == '-' ? 1 : 0])) != 0;
  });
}

std::string as_html(const std::string& caption, const TextRows& rows) {
  std::string out = fmt::format(
      "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{0}\"><table>"
      "<caption>{0}</caption>\n",
      escaped(caption));
  std::vector<bool> figures;
  for (std::size_t c = 0; c < rows[0].size(); ++c) figures.push_back(c > 0 && numeric(rows, c));
  for (std::size_t r = 0; r < rows.size(); ++r) {
    out += r == 0 ? "<thead><tr>" : "<tr>";
    for (std::size_t c = 0; c < rows[r].size(); ++c) {
      const char* const tag = r == 0 ? "th scope=\"col\"" : c == 0 ? "th scope=\"row\"" : "td";
      out += fmt::format("<{}{}>{}</{}>", tag, figures[c] ? " class=\"n\"" : "", escaped(rows[r][c]),
                         r == 0 || c == 0 ? "th" : "td");
    }
    out += r == 0 ? "</tr></thead><tbody>\n" : "</tr>\n";
  }
  return out + "</tbody></table></div>\n";
}

// Seven colours as circles, then again as triangles.
std::string mark(const Dot& dot, double x, double y) {
  const std::string shape = dot.group < 7 ? fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"4\"", x, y)
                                          : fmt::format("<path d=\"M{:.1f} {:.1f}l5 9h-10z\"", x, y - 6);
  return fmt::format("{} class=\"c{}\"><title>{}</title></{}>\n", shape, dot.group % 7, escaped(dot.name),
                     dot.group < 7 ? "circle" : "path");
}

std::string dots_as_html(const Plot& plot) {
  constexpr double kWidth = 700, kHeight = 500, kEdge = 10;
  double low[2] = {plot.dots[0].x, plot.dots[0].y}, high[2] = {low[0], low[1]};
  for (const Dot& dot : plot.dots) {
    const double at[2] = {dot.x, dot.y};
    for (int a = 0; a < 2; ++a) {
      low[a] = std::min(low[a], at[a]);
      high[a] = std::max(high[a], at[a]);
    }
  }
  const auto placed = [&](double value, int axis, double size) {
    const double range = high[axis] - low[axis];
    return kEdge + (range > 0 ? (value - low[axis]) / range : 0.5) * (size - 2 * kEdge);
  };
  std::string out =
      fmt::format("<figure class=\"map\"><svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">\n",
                  kWidth, kHeight, escaped(plot.alt));
  for (const Dot& dot : plot.dots)
    out += mark(dot, placed(dot.x, 0, kWidth), kHeight - placed(dot.y, 1, kHeight));
  out += "</svg><ul>";
  for (std::size_t g = 0; g < plot.groups.size(); ++g)
    out += fmt::format("<li><svg width=\"14\" height=\"14\" aria-hidden=\"true\">{}</svg> {}</li>",
                       mark({0, 0, g, plot.groups[g]}, 7, 7), escaped(plot.groups[g]));
  return out + fmt::format("</ul><figcaption>{}</figcaption></figure>\n", escaped(plot.caption));
}

std::string as_html(const Plot& plot, const fs::path& figures) {
  if (!plot.dots.empty()) return dots_as_html(plot);
  std::ifstream in(figures / (plot.name + ".svg"));
  if (!in) return "";
  std::stringstream svg;
  svg << in.rdbuf();
  return fmt::format(
      "<figure><img width=\"{}\" height=\"{}\" alt=\"{}\" src=\"data:image/svg+xml,{}\">"
      "<figcaption>{}</figcaption></figure>\n",
      plot.width, plot.height, escaped(plot.alt), escaped(percent_encoded(svg.str())), escaped(plot.caption));
}

}  // namespace

std::string Page::html(const fs::path& figures) const {
  std::string out = fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
      "<title>{0}</title><style>{1}</style></head>\n<body><main><h1>{0}</h1>\n",
      escaped(title_), kStyle);
  bool in_figures = false;  // neighbouring figures stand side by side where there is room
  for (const auto& item : items_) {
    const auto* plot = std::get_if<Plot>(&item);
    if ((plot != nullptr) != in_figures) {
      in_figures = !in_figures;
      out += in_figures ? "<div class=\"figures\">\n" : "</div>\n";
    }
    if (plot != nullptr) {
      out += as_html(*plot, figures);
    } else if (const auto* heading = std::get_if<Heading>(&item)) {
      out += fmt::format("<h{0}>{1}</h{0}>\n", heading->level, escaped(heading->text));
    } else if (const auto* table = std::get_if<Table>(&item)) {
      out += as_html(table->caption, table->rows);
    } else {
      out += fmt::format("<p>{}</p>\n", escaped(std::get<std::string>(item)));
    }
  }
  return out + (in_figures ? "</div>\n" : "") + "</main></body></html>\n";
}

void Page::append(Page section, const std::string& suffix) {
  for (auto& item : section.items_) {
    if (auto* plot = std::get_if<Plot>(&item)) plot->name += suffix;
    items_.push_back(std::move(item));
  }
}

std::vector<std::string> Page::write(const fs::path& path) const {
  fs::path figures = path;
  figures.replace_extension();
  figures += "-figures";
  std::vector<const Plot*> plots;
  for (const auto& item : items_) {
    if (const auto* plot = std::get_if<Plot>(&item)) plots.push_back(plot);
  }
  std::vector<std::string> problems = draw(plots, figures);
  write_file_atomically(path.string(), html(figures));
  return problems;
}

}  // namespace melgrad

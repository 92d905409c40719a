// Names from outside, made fit for screens and tables.
#include "kernels/text.h"

#include <gtest/gtest.h>

#include "io/datasets/csv.h"

namespace melgrad {
namespace {

TEST(Text, NamesAreOneLineOnAScreen) {
  EXPECT_EQ(printable("new\nline\t\x1b[31mred\r"), "new\\nline\\t\\x1b[31mred\\r");
  EXPECT_EQ(printable("Bj\xC3\xB6rk \xE9\x9F\xB3\xE6\xA5\xBD \xF0\x9F\x8E\xB5"),
            "Bj\xC3\xB6rk \xE9\x9F\xB3\xE6\xA5\xBD \xF0\x9F\x8E\xB5");
  EXPECT_EQ(printable("caf\xE9 \xC3"), "caf\\xe9 \\xc3");       // Latin-1, and a sequence cut short
  EXPECT_EQ(printable("\xC0\xAF\xED\xA0\x80\xF4\x90\x80\x80"),  // overlong, surrogate, too large
            "\\xc0\\xaf\\xed\\xa0\\x80\\xf4\\x90\\x80\\x80");
  EXPECT_EQ(printable("\xC2\x9B"
                      "2J \xE2\x80\xAE"
                      "3pm.exe"),
            "\\u009b2J \\u202e3pm.exe");
  EXPECT_EQ(printable(std::string_view("a\0b\x7F", 4)), "a\\x00b\\x7f");
}

TEST(Text, OnlyWhatIsNoUtf8ChangesInFiles) {
  EXPECT_EQ(as_utf8("new\nline \xC3\xB6 \xFF"), "new\nline \xC3\xB6 \\xff");
}

TEST(Text, FieldsOfTablesStartNoFormula) {
  EXPECT_EQ(csv_field("blues"), "blues");
  EXPECT_EQ(csv_field("=HYPERLINK(\"x\")"), "\"'=HYPERLINK(\"\"x\"\")\"");
  EXPECT_EQ(csv_field("-1+2"), "'-1+2");
  EXPECT_EQ(csv_field("@a"), "'@a");
  EXPECT_EQ(csv_field("a,b\nc"), "\"a,b\\nc\"");
}

}  // namespace
}  // namespace melgrad

#include <gtest/gtest.h>

#include "base/error.h"
#include "logical/filter.h"

namespace ark {
namespace {

TEST(Filter, AcceptsConditions) {
    for (const char *filter :
         {"tenant_id = 42", "name = 'it''s (fine' AND \"a)b\" > 3", "tags[1] = 'x'", "id IN (SELECT 1)",
          "note LIKE E'a\\'b)'", "name LIKE '\\_%'", "a -1 > 2", "price / 2 > 1"})
        EXPECT_NO_THROW(CheckFilter(filter)) << filter;
}

TEST(Filter, RefusesWhatWouldLeaveItsParentheses) {
    for (const char *filter :
         {"true) TO PROGRAM 'x'; --", "true) UNION SELECT (true", "true; DROP TABLE a", "true --", "true /* x", "(true",
          "true)", "a[1", "(a]", "'open", "\"open", "$$)$$ = 'a'", "$tag$)$tag$", "note = E'\\') TO PROGRAM (",
          "note = E'a'\n'\\'') TO PROGRAM ('", "", "  "})
        EXPECT_THROW(CheckFilter(filter), Error) << filter;
}

}    // namespace
}    // namespace ark

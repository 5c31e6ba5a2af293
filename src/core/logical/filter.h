// Conditions that people write: put between parentheses in a query of ours, they must not get out of them.
#pragma once

#include <string_view>

namespace ark {

// Throws kInvalidArgument unless `filter` stays inside the parentheses it is put into: balanced brackets and quotes, no
// semicolon, no comment, no dollar quote. What it means is for the server to say.
void CheckFilter(std::string_view filter);

}    // namespace ark

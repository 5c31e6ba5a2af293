// How the parts of an object's name are spelled as file names in a directory store. The spelling is one to one and
// common names stay as they are: only '%', control characters, a leading '.', and "lost+found" are written %XX.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ark {

std::string FileNameOfPart(std::string_view part);
// nullopt for a file name that FileNameOfPart never makes.
std::optional<std::string> PartOfFileName(std::string_view file_name);
// "a/b/c": the file names of a, b and c.
std::vector<std::string> FileNamesOf(std::string_view object_name);

}    // namespace ark

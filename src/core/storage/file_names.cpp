#include "storage/file_names.h"

#include <fmt/format.h>

#include "base/encoding.h"
#include "base/error.h"

namespace ark {

std::string FileNameOfPart(std::string_view part) {
    std::string out;
    for (std::size_t i = 0; i < part.size(); i++) {
        auto c = static_cast<unsigned char>(part[i]);
        // A leading dot belongs to .tmp, .snapshot, .nfs0001 and the like; lost+found to the file system.
        bool reserved = i == 0 && (c == '.' || part == "lost+found");
        if (c < 0x20 || c == 0x7F || c == '%' || reserved)
            out += fmt::format("%{:02X}", c);
        else
            out += part[i];
    }
    return out;
}

std::optional<std::string> PartOfFileName(std::string_view file_name) {
    std::string part;
    try {
        part = PercentDecode(file_name);
    } catch (const Error &) {
        return std::nullopt;
    }
    if (!IsValidUtf8(part) || FileNameOfPart(part) != file_name) return std::nullopt;
    return part;
}

std::vector<std::string> FileNamesOf(std::string_view object_name) {
    std::vector<std::string> out;
    for (std::size_t at = 0; at <= object_name.size();) {
        std::size_t end = std::min(object_name.find('/', at), object_name.size());
        out.push_back(FileNameOfPart(object_name.substr(at, end - at)));
        at = end + 1;
    }
    return out;
}

}    // namespace ark

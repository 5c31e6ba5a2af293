// A file of this machine as what is to be stored.
#pragma once

#include <filesystem>

#include "base/file.h"
#include "storage/storage.h"

namespace ark {

class FileSource : public Source {
public:
    explicit FileSource(const std::filesystem::path &path);    // throws as OpenFile does

    std::size_t Read(MutableBytes to) override;
    bool Rewind() override;
    std::optional<std::uint64_t> Size() const override { return size_; }

    // From the front, without moving; fewer bytes if the file has not that many.
    Bytes Front(std::size_t size) const;

private:
    std::string name_;
    Fd file_;
    std::uint64_t size_ = 0;    // when it was opened
};

}    // namespace ark

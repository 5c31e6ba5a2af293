#include "storage/memory_storage.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <mutex>

#include "base/error.h"

namespace ark {
namespace {

constexpr std::uint64_t kBlock = 256 << 10;

struct Object {
    std::shared_ptr<const Bytes> bytes;
    TimePoint modified;
};

struct Shelf {
    std::mutex mutex;
    std::map<std::string, Object, std::less<>> objects;
};

class MemoryReader : public Reader {
public:
    MemoryReader(std::shared_ptr<const Bytes> bytes, Range range) : bytes_(std::move(bytes)) {
        ByteView all(*bytes_);
        left_ = all.subspan(std::min<std::uint64_t>(range.offset, all.size()));
        if (range.length) left_ = left_.first(std::min<std::uint64_t>(*range.length, left_.size()));
    }
    std::size_t Read(MutableBytes to) override {
        std::size_t n = std::min(to.size(), left_.size());
        std::copy_n(left_.begin(), n, to.begin());
        left_ = left_.subspan(n);
        return n;
    }

private:
    std::shared_ptr<const Bytes> bytes_;
    ByteView left_;
};

class MemoryStorage : public Storage {
public:
    MemoryStorage(std::shared_ptr<Shelf> shelf, std::string name, Clock &clock, Ticker &ticker)
        : shelf_(std::move(shelf)), name_(std::move(name)), clock_(clock), ticker_(ticker) {}

    ObjectInfo Put(std::string_view name, Source &source, PutMode mode) override {
        CheckObjectName(name);
        Bytes bytes;
        Bytes block(static_cast<std::size_t>(std::min<std::uint64_t>(source.Size().value_or(kBlock) + 1, kBlock)));
        for (;;) {
            ticker_.Check();
            std::size_t n = source.Read(block);
            if (n == 0) break;
            Append(bytes, ByteView(block).first(n));
        }
        std::lock_guard lock(shelf_->mutex);
        if (mode == PutMode::kCreate && shelf_->objects.contains(name))
            throw Error(Code::kAlreadyExists, fmt::format("object \"{}\" exists already", name), Describe());
        ObjectInfo info{std::string(name), bytes.size(), clock_.Now()};
        shelf_->objects[info.name] = {std::make_shared<const Bytes>(std::move(bytes)), info.modified};
        return info;
    }

    std::unique_ptr<Reader> Open(std::string_view name, Range range) override {
        CheckObjectName(name);
        std::lock_guard lock(shelf_->mutex);
        auto at = shelf_->objects.find(name);
        if (at == shelf_->objects.end()) return nullptr;
        return std::make_unique<MemoryReader>(at->second.bytes, range);
    }

    std::optional<ObjectInfo> Stat(std::string_view name) override {
        CheckObjectName(name);
        std::lock_guard lock(shelf_->mutex);
        auto at = shelf_->objects.find(name);
        if (at == shelf_->objects.end()) return std::nullopt;
        return Info(*at);
    }

    void List(std::string_view prefix, const std::function<bool(const ObjectInfo &)> &visit) override {
        std::vector<ObjectInfo> found;    // a copy, so that the visitor may call the store
        {
            std::lock_guard lock(shelf_->mutex);
            for (auto at = shelf_->objects.lower_bound(prefix);
                 at != shelf_->objects.end() && at->first.starts_with(prefix); ++at)
                found.push_back(Info(*at));
        }
        for (const ObjectInfo &info : found) {
            ticker_.Check();
            if (!visit(info)) return;
        }
    }

    std::vector<std::string> Folders(std::string_view prefix) override {
        std::vector<std::string> found;
        std::lock_guard lock(shelf_->mutex);
        for (auto at = shelf_->objects.lower_bound(prefix);
             at != shelf_->objects.end() && at->first.starts_with(prefix);) {
            std::size_t slash = at->first.find('/', prefix.size());
            if (slash == std::string::npos) {
                ++at;
                continue;
            }
            found.push_back(at->first.substr(prefix.size(), slash - prefix.size()));
            at = shelf_->objects.lower_bound(at->first.substr(0, slash) + '0');    // '0' follows '/'
        }
        std::ranges::sort(found);
        return found;
    }

    void Remove(const std::vector<std::string> &names) override {
        for (const std::string &name : names) CheckObjectName(name);
        std::lock_guard lock(shelf_->mutex);
        for (const std::string &name : names) shelf_->objects.erase(name);
    }

    std::string Describe() const override { return "memory://" + name_; }

private:
    static ObjectInfo Info(const std::pair<const std::string, Object> &entry) {
        return {entry.first, entry.second.bytes->size(), entry.second.modified};
    }

    std::shared_ptr<Shelf> shelf_;
    std::string name_;
    Clock &clock_;
    Ticker &ticker_;
};

}    // namespace

StoragePtr MakeMemoryStorage(Clock &clock, Ticker &ticker) {
    return std::make_shared<MemoryStorage>(std::make_shared<Shelf>(), "", clock, ticker);
}

StoragePtr OpenMemoryStorage(const std::string &name, Ticker &ticker) {
    static std::mutex mutex;
    static std::map<std::string, std::shared_ptr<Shelf>> shelves;
    std::lock_guard lock(mutex);
    std::shared_ptr<Shelf> &shelf = shelves[name];
    if (!shelf) shelf = std::make_shared<Shelf>();
    return std::make_shared<MemoryStorage>(shelf, name, SystemClock(), ticker);
}

}    // namespace ark

// A flat store of immutable objects. Names use '/' and are relative to the store's root. A name is valid UTF-8 without
// zero bytes, at most 900 bytes long (S3 allows 1,024 with the prefix), and its parts between slashes are 1 to 255 bytes
// long and never "." or "..". No name is also the folder of another ("a" beside "a/b"): a directory cannot hold both.
//
// Implementations are safe for concurrent calls. They do not retry by themselves: RetryStorage wraps
// them (and the S3 driver is given the same RetryPolicy for the single part of a streamed upload).
// Failures are Error: kNotFound (the bucket or root directory), kAlreadyExists, kPermissionDenied,
// kUnavailable (worth another try), kCorrupt (the store returned other bytes than it holds), kUnsupported.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"

namespace ark {

struct ObjectInfo {
    std::string name;
    std::uint64_t size = 0;
    TimePoint modified;    // the store's own clock: the only one that ages and graces may use
};

// Bytes to be stored, pulled by the driver in one thread.
class Source {
public:
    virtual ~Source() = default;
    // Fills `to` from the front; fewer bytes than asked only at the end, 0 after it.
    virtual std::size_t Read(MutableBytes to) = 0;
    // Back to the first byte, so that a failed upload can be sent again; false if that is impossible.
    virtual bool Rewind() { return false; }
    virtual std::optional<std::uint64_t> Size() const { return std::nullopt; }
    // SHA-256 of all that was read, asked for at the end, where the source has it anyway.
    virtual std::optional<Sha256Digest> Digest() const { return std::nullopt; }
};

// A source over memory that outlives it.
class MemorySource : public Source {
public:
    explicit MemorySource(ByteView bytes) : bytes_(bytes) {}
    explicit MemorySource(std::string_view text) : bytes_(AsBytes(text)) {}
    std::size_t Read(MutableBytes to) override;
    bool Rewind() override {
        at_ = 0;
        return true;
    }
    std::optional<std::uint64_t> Size() const override { return bytes_.size(); }

private:
    ByteView bytes_;
    std::size_t at_ = 0;
};

class Reader {
public:
    virtual ~Reader() = default;
    virtual std::size_t Read(MutableBytes to) = 0;    // as many as are at hand, 0 at the end only
};

struct Range {
    std::uint64_t offset = 0;
    std::optional<std::uint64_t> length;    // nothing: to the end
};

enum class PutMode {
    kCreate,           // the name must be free: throws kAlreadyExists if it is taken
    kUnconditional,    // readable exports only; the repository never uses it
};

// What the store was found to do; asked once a process (S3) or known (file, memory).
struct Capabilities {
    bool conditional_create = true;    // false: the repository is single-writer there (REPOSITORY rule 1)
    bool checksum_headers = false;     // the store returns the checksum that was sent with an upload
};

// What somebody who relies on a store should know about it. `ok` is false for a fault; what could not be found out, or is
// a matter of taste, is only told.
struct Finding {
    std::string check;    // "versioning", "public access", …
    bool ok = true;
    std::string detail;
    std::string hint = {};
};

class Storage {
public:
    virtual ~Storage() = default;

    // Streams `source` into `name`. The object appears whole or not at all, and is durable on return.
    // With kCreate a name that is taken throws kAlreadyExists and changes nothing. A retry after a lost answer can
    // find its own object: callers settle that with PutNew (below).
    virtual ObjectInfo Put(std::string_view name, Source &source, PutMode mode) = 0;

    // Reads a range; bytes beyond the end are not an error. A missing object is nullptr, never an empty stream.
    virtual std::unique_ptr<Reader> Open(std::string_view name, Range range) = 0;

    virtual std::optional<ObjectInfo> Stat(std::string_view name) = 0;

    // Visits all objects whose name begins with `prefix`, ascending by name (bytewise), until `visit` returns false.
    // A listing that cannot be completed throws; it never ends early in silence.
    virtual void List(std::string_view prefix, const std::function<bool(const ObjectInfo &)> &visit) = 0;

    // The folders directly below `prefix` (empty, or ending with a slash): their names alone, ascending. What lies in
    // them is not listed, where the driver can do without.
    virtual std::vector<std::string> Folders(std::string_view prefix);

    // Removing what is absent is success. Throws after trying all, naming the first that could not be removed
    // and how many others.
    virtual void Remove(const std::vector<std::string> &names) = 0;

    // Throws away what uploads of more than `older_than` ago (by the store's clock) left behind without an
    // object. Returns how many there were.
    virtual std::size_t SweepUploads(Duration older_than) {
        (void)older_than;
        return 0;
    }

    // There is no store yet, and the first Put makes it: only a directory can. Until then the verbs that read throw kNotFound.
    virtual bool CanBeMade() { return false; }
    virtual Capabilities Probe() { return {}; }
    // Asks the store about its own settings; changes nothing.
    virtual std::vector<Finding> Inspect() { return {}; }
    // "s3://bucket/prefix", "file:///path": for messages.
    virtual std::string Describe() const = 0;
};

using StoragePtr = std::shared_ptr<Storage>;

// Reads a whole small object; nullopt if it is missing; throws kCorrupt if it is longer than `limit`.
std::optional<Bytes> ReadObject(Storage &storage, std::string_view name, std::size_t limit = 64 << 20);

// Creates `name` with `bytes`. If the name is taken already, reads it: equal bytes are success (an earlier try
// of ours arrived after all), others throw kAlreadyExists. Returns false if it was there already.
bool PutNew(Storage &storage, std::string_view name, ByteView bytes);

// Throws kInvalidArgument for a name that breaks the rules above; drivers call it first.
void CheckObjectName(std::string_view name);

// ---- stores by URL -------------------------------------------------------------------------------------

// One element of `ark.store`. Parameters: name region endpoint profile path_style sse kms_key storage_class
// ca_file max_parts ack; an unknown one is an error that lists those that exist.
struct StoreSettings {
    std::string url;
    std::string tls_min_version = "1.2";
    std::uint64_t max_rate = 0;    // bytes a second over all threads; 0: no limit
    std::string name = {};         // the `name` parameter, else the bucket or the last part of the path
    bool hurry = false;            // another store can answer: one that does not get ahead is given up within seconds
};

// Splits a comma-separated list of URLs, in order (a comma inside a URL is written %2C). Throws kInvalidArgument for an
// empty list, a URL that ParseUrl refuses, or two stores of one name.
std::vector<StoreSettings> ParseStoreList(std::string_view text, std::string_view tls_min_version,
                                          std::uint64_t max_rate);

// The driver for the URL's scheme (file, s3, memory), wrapped in limit and retry. Nothing is contacted yet. `log` is told
// while calls have to be tried again.
// memory://name is one store for the whole process, for tests.
StoragePtr OpenStorage(const StoreSettings &settings, Ticker &ticker, Log &log = SilentLog());

}    // namespace ark

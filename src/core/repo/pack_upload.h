// One pack on its way into the store: a bounded queue of parts, and a thread that hands them to Storage::Put.
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>

#include "repo/pack_writer.h"

namespace ark {

class PackUpload {
public:
    PackUpload(std::shared_ptr<Repository> repository, std::string pack, std::size_t most_held);
    ~PackUpload();    // abandons an upload that is not finished
    PackUpload(const PackUpload &) = delete;
    PackUpload &operator=(const PackUpload &) = delete;

    // Return when Push or Wait would not wait; kCancelled when `stop` (which may be nullptr) says so before.
    void WaitForRoom(Ticker *stop);
    void WaitUntilFinished(Ticker *stop);
    void Push(Bytes part);    // waits while the queue is full; throws what the upload met
    void End(Bytes last);     // no more will come; a pack of this one part is sent from memory, so it can be sent again
    PackInfo Wait();          // after End(): until the object was proven to be in the store

private:
    class Parts;
    void Run() noexcept;
    PackInfo Upload();
    void Prove(std::uint64_t size, ByteView tail);
    void ProveSame(std::uint64_t size, const std::string &sha256);
    bool HasRoom() const { return failure_ || held_ < most_held_ || held_ == 0; }    // or an error to throw
    void ThrowIfFailed();
    void ThrowIfAbandoned();
    [[noreturn]] void ThrowAbandoned() const;
    void WaitFor(Ticker *stop, const std::function<bool()> &done);

    std::shared_ptr<Repository> repository_;
    std::string pack_;
    std::size_t most_held_;

    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Bytes> parts_;
    std::size_t held_ = 0;    // bytes of the queue and of the part that is being sent
    bool ended_ = false, abandoned_ = false, finished_ = false;
    std::exception_ptr failure_;
    PackInfo info_;
    std::thread thread_;
};

}    // namespace ark

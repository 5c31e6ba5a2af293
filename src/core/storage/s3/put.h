// Pieces of an upload that the single PUT and the multipart upload share.
#pragma once

#include "storage/s3/store.h"

namespace ark::s3 {

// Encryption, storage class, and a mark by which a later look at the object tells whose it is.
Fields UploadHeaders(const Store &store, const std::string &mark);
std::string NewMark();
// Whether the object at that name came from the upload that bore the mark: after an answer was lost.
bool IsOurs(const HttpAnswer &head, const std::string &mark);

// Throws kUnsupported if the store did not encrypt what it was told to: some stores pass over the header in silence.
void CheckEncrypted(const Store &store, const HttpAnswer &answer, const std::string &doing);

// Sends with the checksum headers, and without them if the store refuses those (and remembers it).
Reply SendWithChecksum(Store &store, Call call, const Fields &checksum, const std::string &doing,
                       const Kinds &expected = {});

// Throws kAlreadyExists if the name is taken: for stores that cannot create conditionally.
void CheckFree(Store &store, std::string_view name);
[[noreturn]] void ThrowTaken(std::string_view name, const std::string &detail);

ObjectInfo PutWhole(Store &store, std::string_view name, ByteView bytes, PutMode mode);

}    // namespace ark::s3

#include "storage/s3/xml.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <pugixml.hpp>
#include <sstream>

#include "base/encoding.h"
#include "base/error.h"

namespace ark::s3 {
namespace {

constexpr const char *kNamespace = "http://s3.amazonaws.com/doc/2006-03-01/";

// pugixml reads no external entities and expands none of a document's own.
pugi::xml_document Load(std::string_view xml) {
    pugi::xml_document document;
    document.load_buffer(xml.data(), xml.size(), pugi::parse_default | pugi::parse_ws_pcdata_single);
    return document;
}

Error NotUnderstood(std::string_view root, std::string_view why) {
    return Error(Code::kCorrupt, fmt::format("the store's {} document is not understood", root), std::string(why),
                 "Is the endpoint an S3 store, and does nothing between (a proxy, a login page) change its answers?");
}

pugi::xml_node Root(const pugi::xml_document &document, const char *name) {
    pugi::xml_node root = document.child(name);
    if (!root) throw NotUnderstood(name, fmt::format("its root is \"{}\"", document.document_element().name()));
    return root;
}

std::string Text(const pugi::xml_node &node, const char *child) { return node.child(child).text().get(); }

std::string MustText(const pugi::xml_node &node, const char *child) {
    std::string text = Text(node, child);
    if (text.empty()) throw NotUnderstood(node.name(), fmt::format("it lacks {}", child));
    return text;
}

bool IsTrue(const pugi::xml_node &node, const char *child) { return Text(node, child) == "true"; }

// encoding-type=url is form encoding: a space may be '+'. Stores that do not know the parameter do not echo it.
std::string Key(const pugi::xml_node &root, std::string text) {
    if (Text(root, "EncodingType") != "url") return text;
    std::ranges::replace(text, '+', ' ');
    return PercentDecode(text);
}

pugi::xml_node AddText(pugi::xml_node parent, const char *name, const std::string &text) {
    pugi::xml_node child = parent.append_child(name);
    child.text().set(text.c_str());
    return child;
}

std::string Print(const pugi::xml_document &document) {
    std::ostringstream out;
    document.save(out, "", pugi::format_raw | pugi::format_no_declaration);
    return out.str();
}

}    // namespace

std::optional<ErrorDocument> ParseErrorDocument(std::string_view xml) {
    pugi::xml_document document = Load(xml);
    pugi::xml_node root = document.document_element();
    pugi::xml_node error = root;
    if (std::strcmp(root.name(), "ErrorResponse") == 0) error = root.child("Error");
    if (std::strcmp(error.name(), "Error") != 0) return std::nullopt;
    std::string request_id = Text(root, "RequestId");
    return ErrorDocument{Text(error, "Code"), Text(error, "Message"), request_id, Text(error, "Region")};
}

ListPage ParseListPage(std::string_view xml) {
    pugi::xml_document document = Load(xml);
    pugi::xml_node root = Root(document, "ListBucketResult");
    ListPage page;
    for (pugi::xml_node node : root.children("Contents"))
        page.objects.push_back({Key(root, MustText(node, "Key")), node.child("Size").text().as_ullong(),
                                ParseTime(MustText(node, "LastModified"))});
    for (pugi::xml_node node : root.children("CommonPrefixes"))
        page.folders.push_back(Key(root, MustText(node, "Prefix")));
    if (IsTrue(root, "IsTruncated")) page.next_token = MustText(root, "NextContinuationToken");
    return page;
}

UploadPage ParseUploadPage(std::string_view xml) {
    pugi::xml_document document = Load(xml);
    pugi::xml_node root = Root(document, "ListMultipartUploadsResult");
    UploadPage page;
    for (pugi::xml_node node : root.children("Upload"))
        page.uploads.push_back(
            {Key(root, MustText(node, "Key")), MustText(node, "UploadId"), ParseTime(MustText(node, "Initiated"))});
    if (IsTrue(root, "IsTruncated")) {
        page.next_key = Key(root, MustText(root, "NextKeyMarker"));
        page.next_upload_id = Text(root, "NextUploadIdMarker");
    }
    return page;
}

std::string ParseVersioning(std::string_view xml) {
    pugi::xml_document document = Load(xml);
    return Text(Root(document, "VersioningConfiguration"), "Status");
}

std::string ParseObjectLock(std::string_view xml) {
    pugi::xml_document document = Load(xml);
    pugi::xml_node root = Root(document, "ObjectLockConfiguration");
    std::string lock = Text(root, "ObjectLockEnabled");
    pugi::xml_node retention = root.child("Rule").child("DefaultRetention");
    for (const char *unit : {"Days", "Years"})
        if (std::string count = Text(retention, unit); !count.empty())
            lock += fmt::format(", {} for {} {}", Text(retention, "Mode"), count, unit[0] == 'D' ? "days" : "years");
    return lock;
}

std::string ParseDefaultEncryption(std::string_view xml) {
    pugi::xml_document document = Load(xml);
    pugi::xml_node rule = Root(document, "ServerSideEncryptionConfiguration").child("Rule");
    return Text(rule.child("ApplyServerSideEncryptionByDefault"), "SSEAlgorithm");
}

bool GrantsToEverybody(std::string_view xml) {
    pugi::xml_document document = Load(xml);
    for (pugi::xml_node grant : Root(document, "AccessControlPolicy").child("AccessControlList").children("Grant")) {
        std::string group = Text(grant.child("Grantee"), "URI");
        if (group.ends_with("/global/AllUsers") || group.ends_with("/global/AuthenticatedUsers")) return true;
    }
    return false;
}

bool PolicyIsPublic(std::string_view xml) {
    pugi::xml_document document = Load(xml);
    return IsTrue(Root(document, "PolicyStatus"), "IsPublic") ||
           Text(document.child("PolicyStatus"), "IsPublic") == "TRUE";
}

std::vector<DeleteFailure> ParseDeleteResult(std::string_view xml) {
    pugi::xml_document document = Load(xml);
    std::vector<DeleteFailure> failures;
    for (pugi::xml_node node : Root(document, "DeleteResult").children("Error"))
        failures.push_back({Text(node, "Key"), Text(node, "Code"), Text(node, "Message")});
    return failures;
}

std::string ParseUploadId(std::string_view xml) {
    pugi::xml_document document = Load(xml);
    return MustText(Root(document, "InitiateMultipartUploadResult"), "UploadId");
}

CompletedUpload ParseCompletedUpload(std::string_view xml) {
    pugi::xml_document document = Load(xml);
    pugi::xml_node root = Root(document, "CompleteMultipartUploadResult");
    return {Text(root, "ETag"), Text(root, "ChecksumSHA256")};
}

StsCredentials ParseStsCredentials(std::string_view xml) {
    pugi::xml_document document = Load(xml);
    pugi::xml_node node = Root(document, "AssumeRoleWithWebIdentityResponse")
                              .child("AssumeRoleWithWebIdentityResult")
                              .child("Credentials");
    return {MustText(node, "AccessKeyId"), MustText(node, "SecretAccessKey"), MustText(node, "SessionToken"),
            MustText(node, "Expiration")};
}

bool FitsXml(std::string_view key) {
    return std::ranges::none_of(key, [](unsigned char c) { return c < 0x20; });
}

std::string DeleteDocument(const std::vector<std::string> &keys) {
    pugi::xml_document document;
    pugi::xml_node root = document.append_child("Delete");
    root.append_attribute("xmlns") = kNamespace;
    AddText(root, "Quiet", "true");
    for (const std::string &key : keys) AddText(root.append_child("Object"), "Key", key);
    return Print(document);
}

std::string CompleteDocument(const std::vector<PartEntry> &parts) {
    pugi::xml_document document;
    pugi::xml_node root = document.append_child("CompleteMultipartUpload");
    root.append_attribute("xmlns") = kNamespace;
    for (const PartEntry &part : parts) {
        pugi::xml_node node = root.append_child("Part");
        AddText(node, "PartNumber", std::to_string(part.number));
        AddText(node, "ETag", part.etag);
        if (!part.checksum_sha256.empty()) AddText(node, "ChecksumSHA256", part.checksum_sha256);
    }
    return Print(document);
}

}    // namespace ark::s3

/* auth.cc - see auth.h. */
#include "auth.h"

#include <string>
#include <vector>

#include "args.h"

namespace mxtls {

namespace {

constexpr int64_t kMaxByte = 255;

/* One [usage, selector, matchingType, data]; the data stays JavaScript's. */
bool read_record(Napi::Value value, glue_tlsa *record)
{
    if (!value.IsArray() || value.As<Napi::Array>().Length() != 4) {
        return false;
    }
    Napi::Array parts = value.As<Napi::Array>();
    int64_t usage = limit_argument(parts.Get(0u), kMaxByte);
    int64_t selector = limit_argument(parts.Get(1u), kMaxByte);
    int64_t type = limit_argument(parts.Get(2u), kMaxByte);
    Napi::Value data = parts.Get(3u);
    if (usage < 0 || selector < 0 || type < 0 || !is_bytes(data)) {
        return false;
    }
    Napi::Uint8Array bytes = data.As<Napi::Uint8Array>();
    *record = {static_cast<unsigned char>(usage), static_cast<unsigned char>(selector),
               static_cast<unsigned char>(type), bytes.Data(), bytes.ByteLength()};
    return true;
}

std::vector<glue_tlsa> read_records(Fields *fields)
{
    std::vector<glue_tlsa> records;
    Napi::Value value = fields->value("tlsa");
    if (!value.IsArray()) {
        fields->fail("tlsa", "an array");
        return records;
    }
    Napi::Array array = value.As<Napi::Array>();
    for (uint32_t i = 0; i < array.Length(); i++) {
        glue_tlsa record;
        if (!read_record(array[i], &record)) {
            fields->fail("tlsa", "a list of [usage, selector, matching type, Uint8Array]");
            return records;
        }
        records.push_back(record);
    }
    return records;
}

std::vector<const char *> pointers(const std::vector<std::string> &texts)
{
    std::vector<const char *> list;
    for (const std::string &text : texts) {
        list.push_back(text.c_str());
    }
    return list;
}

} // namespace

bool read_auth(Environment *environment, Napi::Value value, glue_auth **auth)
{
    *auth = nullptr;
    if (value.IsNull()) {
        return true;
    }
    Fields fields(environment, value, "auth");
    std::vector<std::string> names = fields.texts("names");
    std::vector<std::string> files = fields.texts("anchorFiles");
    std::vector<glue_tlsa> records = read_records(&fields);
    std::vector<const char *> name_list = pointers(names);
    std::vector<const char *> file_list = pointers(files);
    glue_auth_props props = {};
    props.names = name_list.data();
    props.name_count = name_list.size();
    props.tlsa = records.data();
    props.tlsa_count = records.size();
    props.anchor_files = file_list.data();
    props.anchor_file_count = file_list.size();
    props.forced_failure = fields.boolean("forcedFailure");
    props.must_match = fields.boolean("mustMatch");
    props.half_dane = fields.boolean("halfDane");
    props.encrypt_if_unusable = fields.boolean("encryptIfUnusable");
    props.request_rpk = fields.boolean("requestRpk");
    if (!fields.ok()) {
        return false;
    }
    glue_error err;
    *auth = glue_auth_new(&props, &err);
    if (*auth == nullptr) {
        environment->throw_error(err);
        return false;
    }
    return true;
}

} // namespace mxtls

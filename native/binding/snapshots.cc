/* snapshots.cc - see snapshots.h. */
#include "snapshots.h"

#include <cstring>

#include "convert.h"

namespace mxtls {

Napi::Value Snapshots::object_of(Napi::Env env, const glue_snapshot &snapshot)
{
    for (Kept &kept : kept_) {
        if (!kept.object.IsEmpty() && memcmp(&kept.snapshot, &snapshot, sizeof(snapshot)) == 0) {
            return kept.object.Value();
        }
    }
    Napi::Object made = snapshot_to_object(env, snapshot);
    Kept &place = kept_[next_];
    next_ = (next_ + 1) % kKept;
    memcpy(&place.snapshot, &snapshot, sizeof(snapshot));
    place.object = Napi::Persistent(made);
    return made;
}

void Snapshots::abandon()
{
    for (Kept &kept : kept_) {
        kept.object.SuppressDestruct();
    }
}

} // namespace mxtls

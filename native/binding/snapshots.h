/*
 * snapshots.h - snapshots as JavaScript objects, one for all sessions that are alike.
 *
 * A server has thousands of sessions and a handful of kinds of them: same protocol, cipher, group
 * and key, no client certificate. A snapshot is frozen, so sessions can share one; to make it costs
 * ten times as much as to find it.
 */
#ifndef MXTLS_SNAPSHOTS_H
#define MXTLS_SNAPSHOTS_H

#include <cstddef>

#include <napi.h>

#include "../openssl_glue.h"

namespace mxtls {

class Snapshots {
  public:
    /* The object of a snapshot that glue_conn_snapshot() has filled. */
    Napi::Value object_of(Napi::Env env, const glue_snapshot &snapshot);
    /* The environment ends, and its references with it. */
    void abandon();

  private:
    static constexpr size_t kKept = 8;
    struct Kept {
        glue_snapshot snapshot; /* padding is zero, as glue_conn_snapshot() leaves it */
        Napi::ObjectReference object;
    };
    Kept kept_[kKept];
    size_t next_ = 0; /* to be replaced */
};

} // namespace mxtls

#endif

/*
 * uv_handle.h - owning a libuv handle.
 *
 * The handle's memory is freed in its close callback and nowhere else, which is when libuv lets go
 * of it. A handle that was never initialised is freed at once.
 */
#ifndef MXTLS_UV_HANDLE_H
#define MXTLS_UV_HANDLE_H

#include <functional>
#include <memory>
#include <utility>

#include <uv.h>

namespace mxtls {

template <typename T> class UvHandle {
  public:
    UvHandle() : box_(new Box{}) {}
    ~UvHandle() { close(nullptr); }
    UvHandle(const UvHandle &) = delete;
    UvHandle &operator=(const UvHandle &) = delete;

    T *get() { return &box_->handle; }
    uv_handle_t *base() { return reinterpret_cast<uv_handle_t *>(&box_->handle); }

    /* `closed` runs when libuv is done with the handle; at once when there was nothing to close. */
    void close(std::function<void()> closed)
    {
        Box *box = std::exchange(box_, nullptr);
        if (box == nullptr) {
            return;
        }
        auto *handle = reinterpret_cast<uv_handle_t *>(&box->handle);
        box->closed = std::move(closed);
        if (handle->type == UV_UNKNOWN_HANDLE) {
            finish(box);
            return;
        }
        handle->data = box;
        uv_close(handle, [](uv_handle_t *h) { finish(static_cast<Box *>(h->data)); });
    }

  private:
    struct Box {
        T handle = {};
        std::function<void()> closed;
    };

    static void finish(Box *box)
    {
        std::function<void()> closed = std::move(box->closed);
        delete box;
        if (closed) {
            closed();
        }
    }

    Box *box_;
};

} // namespace mxtls

#endif

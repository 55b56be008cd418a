/*
 * seat.h - one connection's place among those that a listener may have at a time.
 *
 * Main loop only. Whoever holds the connection holds its seat; the count goes down when the
 * descriptor is closed, not when JavaScript forgets the object.
 */
#ifndef MXTLS_SEAT_H
#define MXTLS_SEAT_H

#include <memory>
#include <utility>

namespace mxtls {

class Seat {
  public:
    Seat() = default;
    /* Takes a place; `taken` is shared with the listener and outlives it. */
    explicit Seat(std::shared_ptr<unsigned> taken) : taken_(std::move(taken)) { ++*taken_; }
    Seat(Seat &&other) noexcept = default;
    Seat &operator=(Seat &&other) noexcept
    {
        free();
        taken_ = std::move(other.taken_);
        return *this;
    }
    ~Seat() { free(); }

    void free()
    {
        if (taken_ != nullptr) {
            --*taken_;
            taken_ = nullptr;
        }
    }

  private:
    std::shared_ptr<unsigned> taken_;
};

} // namespace mxtls

#endif

// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/wake_set.hpp"

#include <array>
#include <span>

#include <sys/epoll.h>
#include <sys/eventfd.h>

namespace weft::dataplane {

namespace {

constexpr int tick_ms = 1;
constexpr int long_ms = 1000;

} // namespace

WakeSet::WakeSet(int wake) : wake_(wake) {}

void WakeSet::add(int descriptor) {
    epoll_event event{.events = EPOLLIN, .data = {.fd = descriptor}};
    epoll_ctl(set_.get(), EPOLL_CTL_ADD, descriptor, &event);
}

void WakeSet::watch(const PortSet& ports, unsigned worker) {
    if (set_ && generation_ == ports.generation) return;
    generation_ = ports.generation;
    set_ = Descriptor(epoll_create1(EPOLL_CLOEXEC));
    must_poll_ = false;
    add(wake_);
    for (const auto& [port, queue] : ports.by_worker[worker]) {
        const auto descriptors = port->wake_descriptors(queue);
        must_poll_ = must_poll_ || descriptors.empty();
        for (const int descriptor : descriptors)
            add(descriptor);
    }
}

void WakeSet::wait() {
    // Level-triggered: what came before this line wakes at once.
    std::array<epoll_event, 16> events;
    const int count = epoll_wait(set_.get(), events.data(), events.size(), must_poll_ ? tick_ms : long_ms);
    for (const epoll_event& event : std::span(events).first(count > 0 ? static_cast<std::size_t>(count) : 0)) {
        eventfd_t drained = 0;
        if (event.data.fd == wake_) eventfd_read(wake_, &drained);
        // The device is gone, a container's with its namespace: it would wake for ever and never bring a packet.
        else if ((event.events & (EPOLLERR | EPOLLHUP)) != 0)
            epoll_ctl(set_.get(), EPOLL_CTL_DEL, event.data.fd, nullptr);
    }
}

} // namespace weft::dataplane

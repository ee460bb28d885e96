// SPDX-License-Identifier: BSD-3-Clause
#include "tools/ctl/interrupt.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace weft::ctl {

namespace {

using Clock = std::chrono::steady_clock;

/// Returns when a descriptor is readable or the time is up.
void wait_for(pollfd (&watched)[2], std::optional<Clock::time_point> deadline) {
    for (;;) {
        int timeout_ms = -1;
        if (deadline) {
            const auto left = std::chrono::ceil<std::chrono::milliseconds>(*deadline - Clock::now()).count();
            timeout_ms = static_cast<int>(std::clamp<long>(left, 0, INT_MAX));
        }
        const int ready = poll(watched, std::size(watched), timeout_ms);
        if (ready > 0 || (ready < 0 && errno != EINTR)) return;
        if (ready == 0 && Clock::now() >= *deadline) return;
    }
}

} // namespace

Interrupt::Interrupt(std::optional<std::chrono::milliseconds> after, std::function<void()> tell) {
    sigset_t ours;
    sigemptyset(&ours);
    sigaddset(&ours, SIGINT);
    sigaddset(&ours, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &ours, &before_);
    signals_ = signalfd(-1, &ours, SFD_CLOEXEC);
    end_ = eventfd(0, EFD_CLOEXEC);
    std::optional<Clock::time_point> deadline;
    if (after) deadline = Clock::now() + *after;
    thread_ = std::thread([this, deadline, tell = std::move(tell)] {
        pollfd watched[] = {{end_, POLLIN, 0}, {signals_, POLLIN, 0}};
        wait_for(watched, deadline);
        if (watched[0].revents == 0) tell();
        // A signal is taken off, or it would end the program as soon as it is let through again.
        if (watched[1].revents != 0) {
            signalfd_siginfo taken;
            static_cast<void>(read(signals_, &taken, sizeof taken));
        }
    });
}

Interrupt::~Interrupt() {
    eventfd_write(end_, 1);
    thread_.join();
    close(end_);
    close(signals_);
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

} // namespace weft::ctl

// SPDX-License-Identifier: BSD-3-Clause
#include "tools/ctl/interrupt.hpp"

#include <cerrno>
#include <iterator>

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace weft::ctl {

Interrupt::Interrupt(std::function<void()> tell) {
    sigset_t ours;
    sigemptyset(&ours);
    sigaddset(&ours, SIGINT);
    sigaddset(&ours, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &ours, &before_);
    signals_ = signalfd(-1, &ours, SFD_CLOEXEC);
    end_ = eventfd(0, EFD_CLOEXEC);
    thread_ = std::thread([this, tell = std::move(tell)] {
        pollfd watched[] = {{end_, POLLIN, 0}, {signals_, POLLIN, 0}};
        while (poll(watched, std::size(watched), -1) < 0 && errno == EINTR) {
        }
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

// SPDX-License-Identifier: BSD-3-Clause
// SmallDisk: a directory on a file system of its own with next to no room, which a test fills and frees. Mounted in a
// mount namespace that ends with the process. Needs root.
#pragma once

#include <cstdlib>
#include <fstream>
#include <string>

#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include "tests/controlplane/temporary_directory.hpp"

namespace weft {

class SmallDisk {
  public:
    SmallDisk() {
        mounted_ = unshare(CLONE_NEWNS) == 0 && mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                   mount("tmpfs", path().c_str(), "tmpfs", 0, "size=512k") == 0;
    }

    SmallDisk(const SmallDisk&) = delete;
    SmallDisk& operator=(const SmallDisk&) = delete;

    ~SmallDisk() {
        if (mounted_) umount2(path().c_str(), MNT_DETACH);
    }

    [[nodiscard]] bool mounted() const { return mounted_; }

    [[nodiscard]] const std::string& path() const { return directory_.path(); }

    /// Until not a byte more fits.
    void fill() const {
        std::ofstream filler(path() + "/filler", std::ios::app);
        while (filler.put('x').flush()) {
        }
    }

    void free() const { unlink((path() + "/filler").c_str()); }

  private:
    TemporaryDirectory directory_;
    bool mounted_ = false;
};

} // namespace weft

/// A tmpfs of a given size that only a child process sees. Needs root (CAP_SYS_ADMIN).
#pragma once

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>

#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

namespace ZeroCP::test
{

/// To be called in a child: the calling process gets a mount namespace of its own. Empty, or what failed.
inline std::string mountSmallTmpfs(const std::filesystem::path& directory, const std::string& size)
{
    if (::unshare(CLONE_NEWNS) != 0)
    {
        return std::string("unshare: ") + std::strerror(errno);
    }
    if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
    {
        return std::string("mount --make-rprivate: ") + std::strerror(errno);
    }
    if (::mount("tmpfs", directory.c_str(), "tmpfs", 0, ("size=" + size).c_str()) != 0)
    {
        return std::string("mount tmpfs: ") + std::strerror(errno);
    }
    return {};
}

inline bool mayMount()
{
    return ::geteuid() == 0;
}

} // namespace ZeroCP::test

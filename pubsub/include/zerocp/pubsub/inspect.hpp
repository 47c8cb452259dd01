/// A look at a domain from outside: who is there, which topics, how full the pools are, who holds chunks. Reads shared
/// memory without joining; disturbs nobody and needs nobody's help, so it works on a domain whose processes hang.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "zerocp/core/error.hpp"
#include "zerocp/discovery/domain.hpp"

namespace ZeroCP
{

struct ProcessSnapshot
{
    std::uint32_t pid;
    std::string name;
    bool alive; ///< false: died, not recovered yet
};

struct TopicSnapshot
{
    std::string name;
    std::string typeName;
    std::string poolSet;
    std::uint32_t publishers;
    std::uint32_t subscribers;
};

struct PoolSnapshot
{
    std::uint64_t chunkSize; ///< usable payload, bytes
    std::uint32_t total;
    std::uint32_t free;      ///< a publisher's stash counts as free
    std::uint32_t highWater; ///< most chunks out of the shared list at once, stashes included
};

struct PoolSetSnapshot
{
    std::string name;
    std::vector<PoolSnapshot> pools;
};

/// One endpoint that has chunks: loans of a publisher; samples and unread messages of a subscriber.
struct HolderSnapshot
{
    std::string topic;
    std::string node;
    std::uint32_t pid;
    std::uint32_t chunks;
    std::uint64_t longestHoldNs; ///< since the oldest of them was published; 0 for loans
};

struct DomainSnapshot
{
    std::vector<ProcessSnapshot> processes;
    std::vector<TopicSnapshot> topics;
    std::vector<PoolSetSnapshot> poolSets;
    std::vector<HolderSnapshot> holders;
};

/// Empty if nobody has the domain. While endpoints come and go the parts may be of slightly different moments.
/// PermissionDenied, VersionMismatch, Corrupt, SystemError.
[[nodiscard]] Expected<DomainSnapshot, Error> inspect(std::uint32_t domain, const std::filesystem::path& root = {});

/// Frees everything that dead processes of the domain had, now. A domain whose processes are all dead is removed.
[[nodiscard]] Expected<RecoveryReport, Error> recover(std::uint32_t domain, const std::filesystem::path& root = {});

} // namespace ZeroCP

/// A pool set as this process has it: both files mapped, its ports and pairs managed. Shared by all endpoints of the
/// process that use the set; every change is made under the domain's control lock.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>

#include "zerocp/config/config.hpp"
#include "zerocp/core/error.hpp"
#include "zerocp/core/holders.hpp"
#include "zerocp/core/page_policy.hpp"
#include "zerocp/core/pool_view.hpp"
#include "zerocp/core/shared_memory.hpp"

namespace ZeroCP
{

/// How a set is to be made.
struct PoolSetPlan
{
    std::string m_baseName; ///< zerocp.<domain>.<set>
    bool m_automatic{false};
    MemPoolConfig m_classes;         ///< configured sets: all classes; automatic: none yet
    std::uint32_t m_classSlots{1};   ///< automatic sets: classes that may come
    std::uint64_t m_classBytes{0};   ///< automatic sets: data range of one class
    std::uint64_t m_commitLimit{0};  ///< bytes of chunks that may be committed
    std::uint32_t m_portCapacity{0}; ///< endpoints
    std::uint32_t m_portsPerTopic{0};
    AccessConfig m_access;
    MemoryConfig m_memory;   ///< configured sets
    WaiterTable m_waiters{}; ///< of the domain
};

/// What a joining endpoint brings.
struct PortRequest
{
    PortKind m_kind{PortKind::None};
    std::uint32_t m_topic{0};
    std::uint32_t m_processSlot{0};
    std::uint32_t m_endpointSlot{0};
    std::uint64_t m_endpointId{0};
    std::uint32_t m_depth{0};
    std::uint32_t m_limit{0};
    KeepAll m_keepAll{KeepAll::No};
    bool m_transientLocal{false};
    std::uint64_t m_deadlineNs{0}; ///< 0: none, as the next two
    std::uint64_t m_lifespanNs{0};
    std::uint64_t m_leaseNs{0};    ///< publishers that have to say that they are alive
    std::uint32_t m_portLimit{0};  ///< limits.ports_per_topic
    std::uint64_t m_chunkBytes{0}; ///< automatic sets: payload of the class it draws from; 0: added when needed
};

class PoolSet
{
  public:
    /// Makes the two files and publishes them. NoSpace names what was needed and what was free; nothing stays behind.
    [[nodiscard]] static Expected<std::shared_ptr<PoolSet>, Error> create(const std::filesystem::path& root,
                                                                          const PoolSetPlan& plan);
    [[nodiscard]] static Expected<std::shared_ptr<PoolSet>, Error> attach(const std::filesystem::path& root,
                                                                          const std::string& baseName,
                                                                          const AccessConfig& access,
                                                                          const WaiterTable& waiters = {});
    /// Unlinks both files; who has them mapped keeps them.
    static void removeFiles(const std::filesystem::path& root, const std::string& baseName);

    /// Maps and locks what an endpoint of `kind` in this process will touch, as the set's policy says; who attaches without
    /// an endpoint, to recover or to look, need not be able to. Before addPort(). Control lock held.
    Expected<void, Error> holdPages(PortKind kind);

    [[nodiscard]] const PagePolicy& pagePolicy() const noexcept { return m_pagePolicy; }

    /// A fresh view for a port. `writable`: with the read-write mapping of the data. Any thread, without the control lock.
    [[nodiscard]] Expected<PoolView, Error> view(bool writable);

    /// Takes a port record and a holder bit, and commits what the newcomer needs; its pairs follow with connect().
    /// LimitReached, NoSpace. Control lock held.
    [[nodiscard]] Expected<HolderId, Error> addPort(const PortRequest& request);

    /// Makes the pairs between `port` and its counterparts on its topic, then moves the epoch. Control lock held.
    Expected<void, Error> connect(std::uint32_t port);

    /// Says that `port`, which is the caller's and does nothing any more, is to be retired by whoever has the control lock
    /// next. Any thread, without the lock.
    void abandonPort(std::uint32_t port) noexcept;

    /// Automatic sets: gives the memory of free chunks back to the file system that the endpoints which are open now do not
    /// need, in the name of `port`, which is Dying or not yet connected and holds nothing. A publisher whose budget has
    /// shrunk gives up its chunks in its next publish(), so what it has now goes back when the next endpoint joins or
    /// leaves. Control lock held.
    void giveBack(std::uint32_t port);

    /// Automatic sets: makes sure that a class for payloads of `bytes` exists and that publisher `port` has its budget in
    /// it, or no more than 2 to the power of `share` chunks if that is not 0. Control lock held.
    Expected<void, Error> growClass(std::uint32_t port, std::uint64_t bytes, std::uint8_t share);

    /// Doubles publisher `port`'s share of a size class. Control lock held.
    Expected<void, Error> raiseShare(std::uint32_t port, std::uint32_t classIndex);

    /// Power of two of the chunks that a publisher of slices gets of a class at first.
    static constexpr std::uint8_t kFirstShare = 6;

    [[nodiscard]] const std::string& baseName() const noexcept { return m_baseName; }
    /// Sizes and counts of the classes, "128 x 10000, 1024 x 5000".
    [[nodiscard]] std::string describeClasses() const;
    [[nodiscard]] bool hasClasses(const MemPoolConfig& config) const;
    [[nodiscard]] std::uint64_t largestChunk() const noexcept;

    /// View for control operations, through the read-only data mapping, with the size classes that other processes have
    /// added meanwhile: a recovery that did not know them would leave their chunks. Control lock held.
    [[nodiscard]] PoolView& control() noexcept
    {
        static_cast<void>(m_control.refresh()); // whoever needs every class asks again and gets the answer
        return m_control;
    }

  private:
    PoolSet(std::filesystem::path root, std::string baseName, AccessConfig access, const WaiterTable& waiters)
        : m_root(std::move(root)), m_baseName(std::move(baseName)), m_access(std::move(access)), m_waiters(waiters)
    {
    }

    Expected<void, Error> build(const PoolSetPlan& plan);
    /// Where the pages of a new data segment are to come from.
    Expected<void, Error> preparePages(const PoolSetPlan& plan, SharedMemory& data);
    Expected<void, Error> commitPages(SharedMemory& data, std::uint64_t bytes) const;
    /// `word` was loaded once from the set's header.
    Expected<void, Error> readPagePolicy(std::uint32_t word, bool automatic);
    /// Prefaults or locks a committed range of a mapping, or nothing.
    Expected<void, Error> hold(SharedMemory& memory, std::uint64_t offset, std::uint64_t bytes) const;
    /// Commits records and queues for endpoints to come.
    Expected<void, Error> reserveTables();
    Expected<void, Error> holdManagement();
    /// All that an endpoint could need, so that what this process may not do is said before anybody sees the set.
    Expected<void, Error> holdBeforePublication();
    Expected<void, Error> finishAttach();
    /// The data segment's writable mapping, made if this process has none yet. m_dataMutex held.
    Expected<SharedMemory*, Error> writableData();
    Expected<std::uint32_t, Error> takePortRecord();
    Expected<std::uint32_t, Error> takeHolderBit(std::uint32_t topic, std::uint32_t limit) const;
    Expected<std::uint32_t, Error> takePairRecord();
    Expected<std::uint64_t, Error> placeBlock(std::uint64_t bytes);
    Expected<void, Error> makePair(std::uint32_t publisher, std::uint32_t subscriber);
    /// Block of a transient-local publisher's history. Goes with the port.
    Expected<void, Error> makeHistory(std::uint32_t publisher);
    /// Commits a range and holds it.
    Expected<void, Error> commitManagement(const void* first, std::uint64_t bytes);
    [[nodiscard]] std::uint64_t offsetOf(const void* place) const noexcept
    {
        return static_cast<std::uint64_t>(static_cast<const std::byte*>(place) - m_management.base());
    }
    /// Commits every class's chunks up to what all publishers that draw from it may need; new ones in `port`'s name.
    Expected<void, Error> commitBudgets(std::uint32_t port);
    Expected<void, Error> commitData(std::uint64_t offset, std::uint64_t bytes);
    /// LimitReached if `count` more chunks would commit more than the set may have.
    [[nodiscard]] Expected<void, Error> checkLimit(const PoolView::Class& in, std::uint32_t count) const;
    Expected<void, Error> restoreChunks(std::uint32_t classIndex, std::uint32_t count, std::uint32_t port);
    Expected<void, Error> addChunks(std::uint32_t classIndex, std::uint32_t count, std::uint32_t port);
    void retireChunks(const PoolView::Class& in, std::uint32_t count, std::uint32_t port);
    void releasePages(const PoolView::Class& in);
    void countRetired(const PoolView::Class& in);

    std::filesystem::path m_root;
    std::string m_baseName;
    SharedMemory m_management;
    SharedMemory m_dataRo;
    std::mutex m_dataMutex; ///< guards the next two: ports are made without the control lock
    SharedMemory m_dataRw;  ///< mapped while this process publishes or commits
    bool m_publishes{false};
    PagePolicy m_pagePolicy;
    bool m_holdsManagement{false}; ///< these three: under the control lock
    bool m_holdsDataRo{false};
    bool m_holdsDataRw{false};
    AccessConfig m_access;
    WaiterTable m_waiters;
    PoolRegistry m_registry;
    PoolView m_control;
};

/// Chunks that publisher `port` may own at once: its loans, the newest window that any of its queues can hold, what its
/// subscribers may hold (and one that an eviction left to each) or have pinned in its history, and its stash. Sum of architecture decision "sizing".
/// A publisher of slices has the budget in every size class that it uses, but memory is committed for a share of it only,
/// which grows when all of it is in use: publisherShare().
/// What is to be committed counts subscribers that are joining; what a publisher may use does not.
enum class BudgetOf
{
    Commitment,
    Use,
};
[[nodiscard]] std::uint32_t publisherBudget(const PoolView& view, std::uint32_t port, std::uint64_t chunkBytes,
                                            BudgetOf what = BudgetOf::Commitment) noexcept;
[[nodiscard]] std::uint32_t publisherShare(const PoolView& view, std::uint32_t port, std::uint32_t classIndex,
                                           BudgetOf what = BudgetOf::Commitment) noexcept;

/// Smallest payload of the size classes that are added for slices.
inline constexpr std::uint64_t kSmallestClass = 64;

/// Chunks that a publisher of an automatic set keeps at hand where its budget has them, whatever their size. With one, a loan
/// that finds none yet has to look for what came back, before the hand-over.
inline constexpr std::uint32_t kChunksInTurn = 2;

/// Chunks to keep at hand that a budget has room for: 8 small ones, 1 of 64 KiB and more.
[[nodiscard]] constexpr std::uint32_t stashSize(std::uint64_t chunkBytes) noexcept
{
    return chunkBytes >= 65536 ? 1U : chunkBytes <= 8192 ? 8U : static_cast<std::uint32_t>(65536 / chunkBytes);
}

} // namespace ZeroCP

/// This process's membership in a domain: its process slot and the locks that prove it alive, the discovery segment, and
/// the pool sets it has mapped. One object per process, domain and root, shared by its nodes and by every handle that
/// outlives them; the last owner to let go leaves the domain. Control calls may come from any thread and may block on
/// another process's control call; the data path never comes here.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "zerocp/config/config.hpp"
#include "zerocp/core/error.hpp"
#include "zerocp/core/shared_memory.hpp"
#include "zerocp/discovery/discovery_layout.hpp"
#include "zerocp/discovery/domain_lock.hpp"
#include "zerocp/discovery/graph.hpp"
#include "zerocp/discovery/pool_set.hpp"
#include "zerocp/discovery/recovery.hpp"
#include "zerocp/discovery/type_info.hpp"

namespace ZeroCP
{

/// What a new publisher or subscriber asks for. Names are normalised and checked already.
struct EndpointRequest
{
    PortKind m_kind{PortKind::None};
    std::string m_topic;
    TypeInfo m_type;
    QoS m_qos;
    std::uint32_t m_node{0};
    std::shared_ptr<void> m_nodeOwner; ///< goes into the grant
    /// Pools, topics and defaults of the node; nullptr: those that the process joined with.
    std::shared_ptr<const Config> m_config;
    /// Services: the queue's capacity instead of queue.keep_all_capacity, and publishTo() picks the reader. Else 0.
    std::uint32_t m_callDepth{0};
};

/// What it gets.
struct EndpointGrant
{
    std::shared_ptr<PoolSet> m_set;
    HolderId m_holder{};
    std::uint32_t m_endpoint{0};
    std::uint64_t m_id{0};
    std::uint32_t m_limit{0}; ///< loans or held samples
    std::string m_topic;
    std::shared_ptr<void> m_node;                 ///< keeps the node's row while the endpoint exists
    std::chrono::nanoseconds m_spin{0};           ///< before sleeping
    std::chrono::nanoseconds m_publishTimeout{0}; ///< keepAll: longest wait for room
    std::uint64_t m_typeBytes{0};                 ///< of a message, or of an element of a slice
    bool m_isSlice{false};
};

/// What recover() did.
struct RecoveryReport
{
    std::uint32_t processes{0}; ///< dead processes whose slots were freed
    std::uint32_t endpoints{0}; ///< publishers and subscribers they had
    std::uint32_t pending{0};   ///< ports that wait for a stopped publisher
};

class Domain : public std::enable_shared_from_this<Domain>
{
  public:
    /// Joins, or returns this process's membership. Recovers whoever died before. The limits of an existing domain win
    /// over those of `config`.
    [[nodiscard]] static Expected<std::shared_ptr<Domain>, Error> join(const Config& config,
                                                                       const std::filesystem::path& root);

    Domain(const Domain&) = delete;
    Domain& operator=(const Domain&) = delete;
    /// Leaves; the last process to leave removes the domain's files.
    ~Domain();

    [[nodiscard]] Expected<std::uint32_t, Error> addNode(const std::string& name);
    void removeNode(std::uint32_t node);

    /// A row for a wait set or executor of this process. LimitReached (as many as endpoints), Timeout, Forked.
    [[nodiscard]] Expected<std::uint32_t, Error> addWaiter();
    void removeWaiter(std::uint32_t row);
    /// `row` came from addWaiter().
    [[nodiscard]] WaiterRecord& waiter(std::uint32_t row) const noexcept;
    /// All of them, as who wakes needs them.
    [[nodiscard]] WaiterTable waiterTable() const noexcept;
    /// Makes the row's FIFO, which it has none of yet: from now on who wakes the row also writes there. A descriptor of both
    /// ends; the caller closes it. Control call: NoSpace, PermissionDenied, SystemError, Timeout, Forked.
    [[nodiscard]] Expected<int, Error> openPipe(std::uint32_t row);
    /// Takes the FIFO away again, before removeWaiter().
    void removePipe(std::uint32_t row) noexcept;

    /// Matches synchronously: when this returns, every later publish of the topic in any process is delivered.
    [[nodiscard]] Expected<EndpointGrant, Error> addEndpoint(const EndpointRequest& request);
    void removeEndpoint(const EndpointGrant& grant);

    /// A size class for payloads of `bytes` for a publisher of slices, with its budget.
    Expected<void, Error> growClass(const EndpointGrant& grant, std::uint64_t bytes);
    /// Twice as many chunks of a class for a publisher of slices that has all of its share in use.
    Expected<void, Error> raiseShare(const EndpointGrant& grant, std::uint32_t classIndex);

    /// Frees everything that dead processes had. Cheap if nobody died: one lock query per process. `thorough`: also looks
    /// for ports that an earlier call had to leave Dying if nobody died since.
    /// Timeout if another process's control call takes longer than `longest`.
    Expected<RecoveryReport, Error> recoverDead(bool thorough = false,
                                                std::chrono::nanoseconds longest = DomainLock::kPatience);

    /// `report` and what this process has recovered when it joined; that is told once.
    [[nodiscard]] RecoveryReport recoveredAtJoin(RecoveryReport report) noexcept;

    /// recoverDead(), but at most once per 10 ms for all callers, and not waiting for other control calls; for paths that
    /// may come here in a loop.
    void recoverDeadSoon();

    [[nodiscard]] const Config& config() const noexcept { return m_config; }
    [[nodiscard]] const std::filesystem::path& root() const noexcept { return m_root; }
    [[nodiscard]] std::uint64_t maxMessageBytes() const noexcept { return header().m_maxMessageBytes; }
    [[nodiscard]] bool isForked() const noexcept;
    /// Whether the process of that slot lives: a lock query, no control lock. Any thread.
    [[nodiscard]] bool isAlive(std::uint32_t process) const;

    /// Who is there, without the dead. Control call.
    [[nodiscard]] Expected<Graph, Error> graph();
    /// Waits until graphVersion() is not `seen`, at most `timeout` (negative: for ever). False if it still is, or in a forked
    /// child.
    [[nodiscard]] bool waitForGraphChange(std::uint64_t seen, std::chrono::nanoseconds timeout);
    /// Moves with every node and endpoint that comes or goes.
    [[nodiscard]] std::uint64_t graphVersion() const noexcept
    {
        return header().m_graphVersion.load(std::memory_order_acquire);
    }

    /// File name of a domain's part, "zerocp.<domain>.<part>".
    [[nodiscard]] static std::string fileName(std::uint32_t domain, std::string_view part);

  private:
    class Control;

    Domain(Config config, std::filesystem::path root);

    Expected<void, Error> enter();
    Expected<void, Error> openOrBuildDiscovery();
    Expected<void, Error> buildDiscovery();
    Expected<void, Error> takeSlot();
    void leave() noexcept;
    /// Removes the domain's files but for those named.
    void removeFilesBut(std::vector<std::string> names) noexcept;
    void removeAllFiles() noexcept { removeFilesBut({fileName(m_config.domain, "lock")}); }

    [[nodiscard]] DiscoveryHeader& header() const noexcept;
    template <typename Row>
    [[nodiscard]] Row& row(const Table& table, std::uint32_t index) const noexcept;
    [[nodiscard]] std::uint32_t rowsOf(const Table& table) const noexcept;
    template <typename Row>
    [[nodiscard]] Expected<std::uint32_t, Error> takeRow(Table& table, std::string_view limitKey);

    [[nodiscard]] Expected<std::uint32_t, Error> findOrMakeTopic(const EndpointRequest& request, const QoS& qos);
    [[nodiscard]] Expected<std::uint32_t, Error> poolSetForTopic(const EndpointRequest& request);
    [[nodiscard]] Expected<std::uint32_t, Error> configuredSet(const PoolConfig& pool, const std::string& source,
                                                               const EndpointRequest& request);
    [[nodiscard]] Expected<std::uint32_t, Error> automaticSet(const EndpointRequest& request);
    [[nodiscard]] Expected<std::shared_ptr<PoolSet>, Error> openSet(std::uint32_t set);
    [[nodiscard]] Expected<void, Error> checkQoS(const EndpointRequest& request, const QoS& qos,
                                                 std::uint32_t topic) const;
    [[nodiscard]] QoS effectiveQoS(const EndpointRequest& request) const;
    [[nodiscard]] const Config& configOf(const EndpointRequest& request) const noexcept
    {
        return request.m_config == nullptr ? m_config : *request.m_config;
    }
    void releaseTopicIfUnused(std::uint32_t topic);
    void releaseTopic(std::uint32_t topic);
    /// Who uses up a limit: the end of a sentence, empty if nobody.
    [[nodiscard]] std::string whoHas(const Table& table) const;
    [[nodiscard]] std::string whoHasPortsOf(std::uint32_t topic) const;
    [[nodiscard]] std::string whoHasTopics() const;
    [[nodiscard]] std::string whoHasProcesses() const;
    template <typename Row>
    [[nodiscard]] std::string mostOfRows(const Table& table) const;
    [[nodiscard]] std::string describeProcess(std::uint32_t slot) const;
    [[nodiscard]] std::uint64_t budgetsOf(const PoolView& view, std::uint32_t classIndex) const;
    /// A log line if a configured set has fewer chunks than its publishers may need at once.
    void warnOfShortage(PoolSet& set, const std::string& topic, std::string_view setName);
    void recoverProcess(std::uint32_t process, RecoveryReport& report);
    bool recoverPortsIn(std::uint32_t set, std::uint32_t process, RecoveryReport& report);
    [[nodiscard]] std::vector<bool> setsWithPortsOf(std::uint32_t process) const;
    /// Whether a row of an endpoint leads to the port.
    [[nodiscard]] bool hasRow(const PortRecord& port) const noexcept;
    [[nodiscard]] bool isSettled(const PoolView& view) const noexcept;
    void recoverDeadOrWarn();
    void releaseWhatNobodyUses();
    void releaseWaitersOf(std::uint32_t process) noexcept;
    [[nodiscard]] std::vector<std::string> pipesInUse() const;
    void graphChanged() noexcept;
    void wakeWaitersForGraph() noexcept;
    /// recovery::retire(), and what the port's set no longer needs goes back to the file system.
    bool retirePort(PoolSet& set, std::uint32_t port);
    /// Of every set that is not settled, or of all; how many ports still are Dying.
    [[nodiscard]] std::uint32_t retireDyingPorts(bool everywhere);
    [[nodiscard]] std::uint32_t retireDyingPorts(PoolSet& set);
    [[nodiscard]] std::atomic<std::uint64_t>& unsettled(std::uint32_t set) const noexcept;
    /// The topic's set has a port that no row will lead to. Without the control lock, if the topic is one of ours.
    void noteUnsettled(std::uint32_t topic) const noexcept;
    /// A port stays Dying, swept, until a publisher is out of its call.
    void notePortsLeft() const noexcept;
    void releaseRowOf(const PortRecord& port);

    Config m_config;
    std::filesystem::path m_root;
    std::string m_pipes; ///< what the paths of waiters' FIFOs begin with
    std::uint64_t m_generation;
    DomainLock m_lock;
    SharedMemory m_discovery;
    std::uint32_t m_slot{~0U};
    std::mutex m_controlMutex;
    std::map<std::uint32_t, std::weak_ptr<PoolSet>> m_sets; ///< by row; guarded by m_controlMutex
    std::vector<std::shared_ptr<PoolSet>> m_keptSets;       ///< made here, kept mapped while their topics exist
    recovery::Patience m_patience;                          ///< guarded by m_controlMutex
    std::atomic<std::int64_t> m_lastRecoveryNs{0};
    RecoveryReport m_atJoin;
};

} // namespace ZeroCP

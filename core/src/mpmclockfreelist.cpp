#include "zerocp/core/mpmclockfreelist.hpp"

#include <new>

#include "zerocp/core/contract.hpp"
#include "zerocp/core/port_record.hpp"

namespace ZeroCP
{

namespace
{

constexpr std::uint64_t kNumberMask = (1ULL << 20) - 1;
constexpr std::uint64_t kPortMask = (1ULL << 12) - 1;

constexpr std::uint32_t numberOf(std::uint64_t head) noexcept
{
    return static_cast<std::uint32_t>(head & kNumberMask);
}
constexpr std::uint32_t portOf(std::uint64_t head) noexcept
{
    return static_cast<std::uint32_t>(head >> 20 & kPortMask);
}
constexpr std::uint32_t sequenceOf(std::uint64_t head) noexcept
{
    return static_cast<std::uint32_t>(head >> 32);
}
constexpr std::uint64_t headOf(std::uint32_t number, std::uint32_t port, std::uint64_t sequence) noexcept
{
    return sequence << 32 | (port & kPortMask) << 20 | number;
}
/// The head of an anonymous list after one more operation: a 44-bit counter and the number.
constexpr std::uint64_t anonymousSuccessor(std::uint64_t head, std::uint32_t number) noexcept
{
    return ((head >> 20) + 1) << 20 | number;
}

} // namespace

bool MPMC_LockFree_List::initialize(void* linkMemory, std::uint32_t capacity) noexcept
{
    if (linkMemory == nullptr)
    {
        return false;
    }
    return initialize(RelativePointer<std::uint32_t>(static_cast<std::uint32_t*>(linkMemory)), PoolRegistry::instance(),
                      capacity, capacity);
}

bool MPMC_LockFree_List::initialize(RelativePointer<std::uint32_t> links, const PoolRegistry& registry,
                                    std::uint32_t available, std::uint32_t capacity) noexcept
{
    void* memory = links.get(registry);
    if (memory == nullptr || capacity == 0 || capacity > kEndOfList || available > capacity)
    {
        return false;
    }
    auto* link = static_cast<Link*>(memory);
    for (std::uint32_t number = 0; number < available; ++number)
    {
        ::new (static_cast<void*>(link + number)) Link(number + 1 < available ? number + 1 : kEndOfList);
    }
    m_freeIndicesHeader = links;
    m_capacity = capacity;
    // [sync:free-slot] Release: the links above are visible to whoever pops. Partner: the acquire loads of m_head.
    m_head.store(available == 0 ? kEndOfList : 0, std::memory_order_release);
    return true;
}

std::optional<std::uint32_t> MPMC_LockFree_List::pop() noexcept
{
    const View list = view(PoolRegistry::instance());
    ZCP_EXPECTS(list.m_links != nullptr, "the list's pool is not registered in this process");
    std::uint64_t head = m_head.load(std::memory_order_acquire); // [sync:free-slot] sees the link that push() wrote
    while (numberOf(head) < list.m_capacity)
    {
        // Relaxed: may read a link that somebody is rewriting; then the counter moved on and the exchange fails.
        const std::uint32_t next = list.m_links[numberOf(head)].load(std::memory_order_relaxed);
        const std::uint64_t wanted = anonymousSuccessor(head, next & kNumberMask); // built afresh for every try
        if (m_head.compare_exchange_weak(head, wanted, std::memory_order_acq_rel, std::memory_order_acquire))
        {
            // Relaxed: whoever gives the number back got it from here, directly or through its own synchronisation.
            list.m_links[numberOf(head)].store(kOut, std::memory_order_relaxed);
            return numberOf(head);
        }
    }
    return std::nullopt;
}

bool MPMC_LockFree_List::push(std::uint32_t number) noexcept
{
    const View list = view(PoolRegistry::instance());
    ZCP_EXPECTS(list.m_links != nullptr, "the list's pool is not registered in this process");
    if (number >= list.m_capacity)
    {
        return false;
    }
    std::uint32_t out = kOut;
    if (!list.m_links[number].compare_exchange_strong(out, kEndOfList, std::memory_order_relaxed))
    {
        return false; // of two who give the same number back, one gets here
    }
    std::uint64_t head = m_head.load(std::memory_order_relaxed); // its number is only copied, never followed here
    do
    {
        list.m_links[number].store(numberOf(head), std::memory_order_relaxed);
        // [sync:free-slot] Release: the link is visible to whoever pops `number`. Partner: pop().
    } while (!m_head.compare_exchange_weak(head, anonymousSuccessor(head, number), std::memory_order_release,
                                           std::memory_order_relaxed));
    return true;
}

MPMC_LockFree_List::View MPMC_LockFree_List::view(const PoolRegistry& registry) noexcept
{
    View result;
    result.m_head = &m_head;
    result.m_links = static_cast<Link*>(static_cast<void*>(m_freeIndicesHeader.get(registry)));
    result.m_capacity = m_capacity;
    return result;
}

namespace freelist
{

namespace
{

using View = MPMC_LockFree_List::View;

/// Before the tag of another port's last operation is overwritten: record that this operation took effect, or that
/// port's recovery could not tell.
void recordCompletionOf(const View& list, std::uint64_t head, std::uint32_t me) noexcept
{
    const std::uint32_t port = portOf(head);
    if (port == 0 || port == me || port >= list.m_portCount)
    {
        return;
    }
    PortRecord& other = list.m_ports[port];
    // [sync:list-note] seq_cst, partner: the store of m_note in popBatch() and pushBatch(). A tag in the head was
    // put there after its note, so the note of an operation still under way is visible here.
    const std::uint64_t note = other.m_note.load(std::memory_order_seq_cst);
    if (noteKind(note) == ListNote::None || static_cast<std::uint32_t>(noteSequence(note)) != sequenceOf(head))
    {
        return; // the port has moved on: it knows itself that this operation is complete
    }
    // [sync:list-done] seq_cst, partner: applied(), which reads the head first and then m_done.
    std::uint64_t done = other.m_done.load(std::memory_order_seq_cst);
    while (done < noteSequence(note) &&
           !other.m_done.compare_exchange_weak(done, noteSequence(note), std::memory_order_seq_cst))
    {
    }
}

std::uint64_t nextOperation(const PortRecord& port) noexcept
{
    return port.m_operations.load(std::memory_order_relaxed) + 1; // its only writer is the caller
}

void finish(const View& list, std::uint32_t me) noexcept
{
    // [sync:list-note] Release: the holder words that the caller wrote come before the note is taken away, so recovery
    // never finds them half written without a note. Partner: recovery's acquire load of m_note.
    list.m_ports[me].m_note.store(0, std::memory_order_release);
}

/// Walks up to `wanted` numbers from `head` and notes them. Nothing if the list changed under the walk.
struct Walk
{
    std::uint32_t m_count{0};
    std::uint32_t m_rest{MPMC_LockFree_List::kEndOfList};
    bool m_torn{false};
};

Walk walk(const View& list, PortRecord& me, std::uint64_t head, std::uint32_t wanted,
          std::span<std::uint32_t> out) noexcept
{
    Walk result;
    std::uint32_t number = numberOf(head);
    while (number < list.m_capacity && result.m_count < wanted)
    {
        // Relaxed: the exchange of the head orders these before the operation takes effect.
        me.m_batch[result.m_count].store(number, std::memory_order_relaxed);
        out[result.m_count] = number;
        ++result.m_count;
        // Relaxed: may be rewritten under the walk; then the tag moved on and the exchange fails.
        number = list.m_links[number].load(std::memory_order_relaxed);
    }
    result.m_rest = number;
    result.m_torn = number >= list.m_capacity && number != MPMC_LockFree_List::kEndOfList;
    return result;
}

} // namespace

std::uint32_t popBatch(const View& list, std::uint32_t me, std::uint32_t wanted, std::span<std::uint32_t> out) noexcept
{
    ZCP_EXPECTS(wanted > 0 && wanted <= PortRecord::kBatch && out.size() >= wanted, "a batch has 1 to 16 numbers");
    PortRecord& port = list.m_ports[me];
    const std::uint64_t sequence = nextOperation(port);
    // [sync:list-note] seq_cst: the note is visible before the tag that refers to it. Partner: recordCompletionOf().
    port.m_note.store(listNote(sequence, list.m_pool, ListNote::Popping), std::memory_order_seq_cst);
    std::uint64_t head = list.m_head->load(std::memory_order_acquire); // [sync:free-slot]
    for (;;)
    {
        recordCompletionOf(list, head, me);
        const Walk found = walk(list, port, head, wanted, out);
        if (found.m_torn)
        {
            const std::uint64_t again = list.m_head->load(std::memory_order_acquire);
            if (again == head)
            {
                finish(list, me); // the head did not move, so a peer has scribbled on the links: answer "empty"
                return 0;
            }
            head = again;
            continue;
        }
        if (found.m_count == 0)
        {
            finish(list, me); // the sequence is not used up: no tag carries it
            return 0;
        }
        port.m_batchCount.store(found.m_count, std::memory_order_relaxed);
        // [sync:list-done] seq_cst: m_batch and m_batchCount come before the effect. Partner: applied().
        if (list.m_head->compare_exchange_strong(head, headOf(found.m_rest, me, sequence), std::memory_order_seq_cst,
                                                 std::memory_order_acquire))
        {
            port.m_operations.store(sequence, std::memory_order_relaxed);
            return found.m_count;
        }
    }
}

void popDone(const View& list, std::uint32_t me) noexcept
{
    finish(list, me);
}

void pushBatch(const View& list, std::uint32_t me, std::span<const std::uint32_t> numbers) noexcept
{
    ZCP_EXPECTS(!numbers.empty(), "a push moves at least one number");
    PortRecord& port = list.m_ports[me];
    const std::uint64_t sequence = nextOperation(port);
    for (std::size_t i = 0; i + 1 < numbers.size(); ++i)
    {
        list.m_links[numbers[i]].store(numbers[i + 1], std::memory_order_relaxed); // ordered by the exchange below
    }
    port.m_note.store(listNote(sequence, list.m_pool, ListNote::Pushing),
                      std::memory_order_seq_cst); // [sync:list-note]
    std::uint64_t head = list.m_head->load(std::memory_order_acquire);
    do
    {
        recordCompletionOf(list, head, me);
        list.m_links[numbers.back()].store(numberOf(head), std::memory_order_relaxed);
        // [sync:free-slot] [sync:list-done] seq_cst: the links are visible to whoever pops. Partners: walk(), applied().
    } while (!list.m_head->compare_exchange_weak(head, headOf(numbers.front(), me, sequence), std::memory_order_seq_cst,
                                                 std::memory_order_acquire));
    port.m_operations.store(sequence, std::memory_order_relaxed);
}

void pushDone(const View& list, std::uint32_t me) noexcept
{
    finish(list, me);
}

bool applied(const View& list, std::uint32_t port, std::uint64_t sequence) noexcept
{
    // The head first, then m_done: the tag vanishes only after m_done was raised.
    const std::uint64_t head = list.m_head->load(std::memory_order_seq_cst);
    const bool tagged = portOf(head) == port && sequenceOf(head) == static_cast<std::uint32_t>(sequence);
    return tagged || list.m_ports[port].m_done.load(std::memory_order_seq_cst) >= sequence;
}

} // namespace freelist

} // namespace ZeroCP

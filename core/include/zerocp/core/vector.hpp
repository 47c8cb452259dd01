/// A std::vector of fixed capacity whose elements lie inside the object, so that it may lie in shared memory if its
/// element type may. Not synchronised; one writer at a time, whoever shares it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include "zerocp/core/contract.hpp"

namespace ZeroCP
{

namespace detail
{

/// Memory for Capacity elements, none of which exists yet.
template <typename T, std::uint64_t Capacity>
struct UninitializedArray
{
    alignas(T) std::byte m_bytes[sizeof(T) * Capacity];
};

///   byte 0                       sizeof(T) * Capacity
///        | element 0, 1, ...     | m_size | padding to alignof(T) |
template <typename T, std::uint64_t Capacity, bool = std::is_trivially_destructible_v<T>>
struct VectorStorage
{
    UninitializedArray<T, Capacity> m_data;
    std::uint64_t m_size{0};
};

template <typename T, std::uint64_t Capacity>
struct VectorStorage<T, Capacity, false>
{
    VectorStorage() noexcept {} // leaves m_data uninitialised
    VectorStorage(const VectorStorage&) = delete;
    VectorStorage& operator=(const VectorStorage&) = delete;
    ~VectorStorage() { std::destroy_n(std::launder(reinterpret_cast<T*>(m_data.m_bytes)), m_size); }

    UninitializedArray<T, Capacity> m_data;
    std::uint64_t m_size{0};
};

} // namespace detail

template <typename T, std::uint64_t Capacity>
class vector : private detail::VectorStorage<T, Capacity>
{
    static_assert(Capacity > 0, "a vector that can hold nothing is a mistake");

  public:
    using value_type = T;
    using size_type = std::uint64_t;
    using iterator = T*;
    using const_iterator = const T*;

    vector() noexcept {}
    vector(const vector& other) : vector() { append(other); }
    vector(vector&& other) noexcept(std::is_nothrow_move_constructible_v<T>) : vector() { takeFrom(other); }
    vector& operator=(const vector& other)
    {
        if (this != &other)
        {
            clear();
            append(other);
        }
        return *this;
    }
    vector& operator=(vector&& other) noexcept(std::is_nothrow_move_constructible_v<T>)
    {
        if (this != &other)
        {
            clear();
            takeFrom(other);
        }
        return *this;
    }
    ~vector() = default;

    /// False, and nothing constructed, if the vector is full.
    template <typename... Arguments>
    bool emplace_back(Arguments&&... arguments)
    {
        if (full())
        {
            return false;
        }
        std::construct_at(data() + this->m_size, std::forward<Arguments>(arguments)...);
        ++this->m_size;
        return true;
    }
    bool push_back(const T& value) { return emplace_back(value); }
    bool push_back(T&& value) { return emplace_back(std::move(value)); }

    /// False if there was nothing to remove.
    bool pop_back() noexcept
    {
        if (empty())
        {
            return false;
        }
        --this->m_size;
        std::destroy_at(data() + this->m_size);
        return true;
    }
    void clear() noexcept
    {
        while (pop_back())
        {
        }
    }

    [[nodiscard]] T& operator[](std::uint64_t index) noexcept
    {
        ZCP_EXPECTS(index < this->m_size, "vector index beyond its size");
        return data()[index];
    }
    [[nodiscard]] const T& operator[](std::uint64_t index) const noexcept
    {
        ZCP_EXPECTS(index < this->m_size, "vector index beyond its size");
        return data()[index];
    }
    [[nodiscard]] T& front() noexcept { return (*this)[0]; }
    [[nodiscard]] const T& front() const noexcept { return (*this)[0]; }
    [[nodiscard]] T& back() noexcept { return (*this)[this->m_size - 1]; }
    [[nodiscard]] const T& back() const noexcept { return (*this)[this->m_size - 1]; }

    [[nodiscard]] std::uint64_t size() const noexcept { return this->m_size; }
    [[nodiscard]] static constexpr std::uint64_t capacity() noexcept { return Capacity; }
    [[nodiscard]] bool empty() const noexcept { return this->m_size == 0; }
    [[nodiscard]] bool full() const noexcept { return this->m_size >= Capacity; }

    [[nodiscard]] T* data() noexcept { return std::launder(reinterpret_cast<T*>(this->m_data.m_bytes)); }
    [[nodiscard]] const T* data() const noexcept
    {
        return std::launder(reinterpret_cast<const T*>(this->m_data.m_bytes));
    }
    [[nodiscard]] iterator begin() noexcept { return data(); }
    [[nodiscard]] const_iterator begin() const noexcept { return data(); }
    [[nodiscard]] iterator end() noexcept { return data() + this->m_size; }
    [[nodiscard]] const_iterator end() const noexcept { return data() + this->m_size; }

  private:
    void append(const vector& other)
    {
        for (const T& value : other)
        {
            emplace_back(value);
        }
    }
    void takeFrom(vector& other)
    {
        for (T& value : other)
        {
            emplace_back(std::move(value));
        }
        other.clear();
    }
};

} // namespace ZeroCP

/// Joins and endpoints without the pubsub room on top.
#pragma once

#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "support/test_domain.hpp"
#include "zerocp/discovery/domain.hpp"

namespace ZeroCP::test
{

inline Config configOf(const TestDomain& domain)
{
    Config config;
    config.domain = domain.number();
    return config;
}

inline std::shared_ptr<Domain> joined(const TestDomain& domain)
{
    return Domain::join(configOf(domain), domain.root()).value();
}

inline TypeInfo typeNamed(const std::string& name, std::uint64_t size = 8, std::uint64_t alignment = 8)
{
    return TypeInfo{.name = name, .size = size, .alignment = alignment, .descriptionHash = 0, .isSlice = false};
}

/// An endpoint that leaves when it goes.
class TestEndpoint
{
  public:
    TestEndpoint(std::shared_ptr<Domain> domain, const EndpointRequest& request)
        : m_domain(std::move(domain)), m_grant(m_domain->addEndpoint(request))
    {
    }
    TestEndpoint(const TestEndpoint&) = delete;
    TestEndpoint& operator=(const TestEndpoint&) = delete;
    TestEndpoint(TestEndpoint&& other) noexcept : m_domain(std::move(other.m_domain)), m_grant(std::move(other.m_grant))
    {
    }
    TestEndpoint& operator=(TestEndpoint&&) = delete;
    ~TestEndpoint()
    {
        if (m_domain != nullptr && m_grant)
        {
            m_domain->removeEndpoint(*m_grant);
        }
    }

    [[nodiscard]] explicit operator bool() const { return m_grant.has_value(); }
    [[nodiscard]] const EndpointGrant& operator*() const { return *m_grant; }
    [[nodiscard]] const EndpointGrant* operator->() const { return &*m_grant; }
    [[nodiscard]] const Error& error() const { return m_grant.error(); }

  private:
    std::shared_ptr<Domain> m_domain;
    Expected<EndpointGrant, Error> m_grant;
};

inline TestEndpoint endpoint(const std::shared_ptr<Domain>& domain, PortKind kind, const std::string& topic = "t",
                             const TypeInfo& type = typeNamed("T"), const QoS& qos = {})
{
    EndpointRequest request;
    request.m_kind = kind;
    request.m_topic = topic;
    request.m_type = type;
    request.m_qos = qos;
    return TestEndpoint(domain, request);
}

inline bool contains(const std::string& text, const std::string& part)
{
    return text.find(part) != std::string::npos;
}

} // namespace ZeroCP::test

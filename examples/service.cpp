/// Requests and responses: `service server` adds numbers, `service client` asks it. Start them in any order, as often as you
/// like; several servers share the work, and if one is killed its callers know at once.
///
/// Exit code: 0 after --count calls or Ctrl-C, 1 if a call failed, 2 for a wrong option.
#include <zerocp/zerocp.hpp>

#include <chrono>
#include <cstdio>
#include <numeric>
#include <vector>

#include "example_support.hpp"

namespace
{

using namespace std::chrono_literals;

struct AddRequest
{
    std::int64_t a;
    std::int64_t b;
};
struct AddResponse
{
    std::int64_t sum;
};
/// Numbers in, as many sums out: sums[i] = numbers[0] + ... + numbers[i].
using Numbers = ZeroCP::Slice<std::int64_t>;

int serve(ZeroCP::Node& node)
{
    // For types of fixed size: the response is written where the caller will read it, and sent on return.
    auto adder = node.createService<AddRequest, AddResponse>(
        "math/add", [](const AddRequest& request, AddResponse& response) { response.sum = request.a + request.b; });
    // In general: a call, which could also be kept and answered later. One that is dropped gives its caller NoAnswer.
    auto summer =
        node.createService<Numbers, Numbers>("math/sums",
                                             [](ZeroCP::ServiceCall<Numbers, Numbers> call)
                                             {
                                                 const auto numbers = call.request();
                                                 if (const auto sums = call.loan(numbers.size()))
                                                 {
                                                     std::partial_sum(numbers.begin(), numbers.end(), sums->begin());
                                                     static_cast<void>(call.answer());
                                                 }
                                             });
    if (!adder || !summer)
    {
        return example::fail((!adder ? adder.error() : summer.error()).message());
    }
    std::printf("serving math/add and math/sums\n");
    while (!example::stopRequested())
    {
        while (summer->runOne())
        {
        }
        adder->spinFor(1ms); // sleeps until somebody calls; an executor would sleep for both
    }
    return example::kSuccess;
}

int call(ZeroCP::Node& node, std::uint32_t count)
{
    auto adder = node.createClient<AddRequest, AddResponse>("math/add");
    auto summer = node.createClient<Numbers, Numbers>("math/sums");
    if (!adder || !summer)
    {
        return example::fail((!adder ? adder.error() : summer.error()).message());
    }
    while (!adder->waitForService(example::kPatience) || !summer->waitForService(example::kPatience))
    {
        if (example::stopRequested())
        {
            return example::kSuccess;
        }
    }
    for (std::int64_t i = 1; i <= count && !example::stopRequested(); ++i)
    {
        const auto answer = adder->call(AddRequest{i, i * i}, 1s);
        if (!answer)
        {
            return example::fail("math/add: " + std::string(toString(answer.error())));
        }
        std::printf("%lld + %lld = %lld\n", static_cast<long long>(i), static_cast<long long>(i * i),
                    static_cast<long long>((*answer)->sum));
    }
    // Written in place, read in place: neither way is there a copy, however many numbers there are.
    auto numbers = summer->loan(1'000'000);
    if (!numbers)
    {
        return example::fail("loan: " + std::string(toString(numbers.error())));
    }
    std::iota(numbers->get().begin(), numbers->get().end(), 1);
    auto future = summer->asyncCall(std::move(*numbers), 5s);
    while (future.wait_for(0s) != std::future_status::ready)
    {
        summer->spinFor(1ms); // brings the answer
    }
    const auto sums = future.get();
    if (!sums)
    {
        return example::fail("math/sums: " + std::string(toString(sums.error())));
    }
    std::printf("1 + 2 + ... + %zu = %lld\n", sums->get().size(), static_cast<long long>(sums->get().back()));
    return example::kSuccess;
}

} // namespace

int main(int argc, char** argv)
{
    std::string mode = "client";
    std::uint32_t count = 3;
    const auto exitCode = example::parseOptions(
        argc, argv, "Serves additions, or asks for some.",
        {{"MODE", &mode, "server or client"}, {"--count", &count, "additions that a client asks for"}});
    if (exitCode)
    {
        return *exitCode;
    }
    if (mode != "server" && mode != "client")
    {
        std::fprintf(stderr, "MODE: found '%s', expected server or client\n", mode.c_str());
        return example::kWrongUsage;
    }
    example::stopOnSignals();

    auto node = ZeroCP::Node::create(mode == "server" ? "adder" : "asker");
    if (!node)
    {
        return example::fail(node.error().message());
    }
    return mode == "server" ? serve(*node) : call(*node, count);
}

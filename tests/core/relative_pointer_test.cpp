#include "zerocp/core/relative_pointer.hpp"

#include <array>
#include <cstring>

#include <gtest/gtest.h>

namespace ZeroCP
{

namespace
{

constexpr std::uint64_t kPool = 17;

struct Pose
{
    double x;
    double y;
    double heading;
};

TEST(RelativePointer, CountsBytesAlsoForLargerTypes)
{
    std::array<Pose, 4> poses{};
    PoolRegistry registry;
    registry.registerPool(kPool, poses.data());

    const RelativePointer<Pose> third(kPool, 2 * sizeof(Pose));

    EXPECT_EQ(third.get(registry), &poses[2]);
}

TEST(RelativePointer, ResolvesAgainstTheBaseOfTheRegistryThatIsAsked)
{
    std::array<Pose, 3> here{};
    std::array<Pose, 3> there{};
    PoolRegistry mine;
    PoolRegistry yours;
    mine.registerPool(kPool, here.data());
    yours.registerPool(kPool, there.data());

    const RelativePointer<Pose> pointer(&here[1], mine);

    EXPECT_EQ(pointer.get(mine), &here[1]);
    EXPECT_EQ(pointer.get(yours), &there[1]);
}

TEST(RelativePointer, KeepsNoAddressInItsBytes)
{
    std::array<Pose, 3> here{};
    std::array<Pose, 3> there{};
    PoolRegistry mine;
    PoolRegistry yours;
    mine.registerPool(kPool, here.data());
    yours.registerPool(kPool, there.data());
    const RelativePointer<Pose> pointer(&here[2], mine);
    RelativePointer<Pose> copy;

    std::memcpy(&copy, &pointer, sizeof copy); // as another process would see it

    EXPECT_EQ(copy.get(yours), &there[2]);
    EXPECT_EQ(copy.poolId(), kPool);
    EXPECT_EQ(copy.offset(), 2 * sizeof(Pose));
}

TEST(RelativePointer, TakesThePoolWithTheNearestBaseBelow)
{
    std::array<Pose, 4> poses{};
    PoolRegistry registry;
    registry.registerPool(1, &poses[0]);
    registry.registerPool(2, &poses[2]);

    EXPECT_EQ(RelativePointer<Pose>(&poses[1], registry).poolId(), 1U);
    EXPECT_EQ(RelativePointer<Pose>(&poses[2], registry).poolId(), 2U);
    EXPECT_EQ(RelativePointer<Pose>(&poses[3], registry).offset(), sizeof(Pose));
}

TEST(RelativePointer, IsNullByDefaultAndFromNullptr)
{
    const PoolRegistry registry;

    EXPECT_FALSE(RelativePointer<int>());
    EXPECT_FALSE(RelativePointer<int>(nullptr, registry));
    EXPECT_EQ(RelativePointer<int>().get(registry), nullptr);
    EXPECT_EQ(RelativePointer<int>(nullptr, registry), RelativePointer<int>());
}

TEST(RelativePointer, ToAPoolThatIsNotRegisteredIsNullptr)
{
    const PoolRegistry registry;

    EXPECT_EQ(RelativePointer<int>(kPool, 8).get(registry), nullptr);
}

TEST(RelativePointer, OutsideEveryPoolIsAnAddressOfThisProcess)
{
    int value = 5;
    const PoolRegistry registry;

    const RelativePointer<int> pointer(&value, registry);

    EXPECT_EQ(pointer.poolId(), PROCESS_LOCAL_POOL_ID);
    EXPECT_EQ(pointer.get(registry), &value);
}

TEST(RelativePointer, WithoutARegistryAsksTheOneOfTheProcess)
{
    std::array<Pose, 2> poses{};
    poses[1].y = 4.5;
    PoolRegistry::instance().registerPool(kPool, poses.data());
    const RelativePointer<Pose> pointer(kPool, sizeof(Pose));

    EXPECT_EQ(pointer.get(), &poses[1]);
    EXPECT_EQ(pointer->y, 4.5);
    EXPECT_EQ(&*pointer, &poses[1]);

    PoolRegistry::instance().unregisterPool(kPool);
    EXPECT_EQ(pointer.get(), nullptr);
}

} // namespace

} // namespace ZeroCP

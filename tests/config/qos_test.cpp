#include "zerocp/config/qos.hpp"

#include <gtest/gtest.h>

namespace ZeroCP
{

using namespace std::chrono_literals;

namespace
{

std::string messageOf(const QoS& qos)
{
    const auto result = validate(qos);
    return result ? "no error" : result.error().message();
}

} // namespace

static_assert(QoS{}.keepLast(7).depth() == 7, "usable in constant expressions");
static_assert(QoS{}.deadline(1ms).lifespan(2s).liveliness(Liveliness::ManualByTopic, 3s).lease() == 3s);

TEST(QoS, DefaultIsKeepLastTenReliableVolatile)
{
    const QoS qos;

    EXPECT_EQ(toString(qos), "keep_last(10) reliable volatile");
}

TEST(QoS, DefaultLeavesLoansAndHeldSamplesToTheConfiguration)
{
    const QoS qos;

    EXPECT_FALSE(qos.maxLoans() || qos.maxHeld());
}

TEST(QoS, SettersChainAndLandInTheirObservers)
{
    const QoS qos = QoS{}.keepLast(4).bestEffort().transientLocal().maxLoans(2).maxHeld(3);

    EXPECT_EQ(qos.history(), History::KeepLast);
    EXPECT_EQ(qos.depth(), 4U);
    EXPECT_EQ(qos.reliability(), Reliability::BestEffort);
    EXPECT_EQ(qos.durability(), Durability::TransientLocal);
    EXPECT_EQ(qos.maxLoans(), 2U);
    EXPECT_EQ(qos.maxHeld(), 3U);
}

TEST(QoS, DefaultPromisesAndAsksForNothingInTime)
{
    const QoS qos;

    EXPECT_FALSE(qos.deadline() || qos.lifespan() || qos.lease());
    EXPECT_EQ(qos.liveliness(), Liveliness::Automatic);
}

TEST(QoS, PromisesInTimeLandInTheirObservers)
{
    const QoS qos = QoS{}.deadline(100ms).lifespan(2s).liveliness(Liveliness::ManualByTopic, 500ms);

    EXPECT_EQ(qos.deadline(), 100ms);
    EXPECT_EQ(qos.lifespan(), 2s);
    EXPECT_EQ(qos.liveliness(), Liveliness::ManualByTopic);
    EXPECT_EQ(qos.lease(), 500ms);
    EXPECT_EQ(QoS(qos).liveliness(Liveliness::Automatic).lease(), std::nullopt);
}

TEST(QoS, TheLastSetterWins)
{
    const QoS qos = QoS{}.keepAll().keepLast(3).bestEffort().reliable().transientLocal().volatileDurability();

    EXPECT_EQ(qos, QoS{}.keepLast(3));
}

TEST(QoS, KeepAllForgetsTheDepthSoThatEqualPoliciesCompareEqual)
{
    EXPECT_EQ(QoS{}.keepLast(3).keepAll(), QoS{}.keepAll());
    EXPECT_EQ(QoS{}.keepAll().depth(), 0U);
}

TEST(QoS, ComparesUnequalIfAnyPolicyDiffers)
{
    EXPECT_NE(QoS{}.keepLast(3), QoS{});
    EXPECT_NE(QoS{}.keepAll(), QoS{});
    EXPECT_NE(QoS{}.bestEffort(), QoS{});
    EXPECT_NE(QoS{}.transientLocal(), QoS{});
    EXPECT_NE(QoS{}.deadline(1s), QoS{});
    EXPECT_NE(QoS{}.lifespan(1s), QoS{});
    EXPECT_NE(QoS{}.liveliness(Liveliness::ManualByTopic), QoS{});
    EXPECT_NE(QoS{}.liveliness(Liveliness::Automatic, 1s), QoS{});
    EXPECT_NE(QoS{}.maxLoans(1), QoS{});
    EXPECT_NE(QoS{}.maxHeld(1), QoS{});
}

TEST(QoS, SensorDataIsThatOfRos2)
{
    EXPECT_EQ(toString(QoS::sensorData()), "keep_last(5) best_effort volatile");
}

TEST(QoS, LatchedKeepsTheLastMessageForLateSubscribers)
{
    EXPECT_EQ(toString(QoS::latched()), "keep_last(1) reliable transient_local");
}

TEST(QoS, ToStringNamesTheOptionalNumbersIfTheyAreSet)
{
    EXPECT_EQ(toString(QoS{}.keepAll().maxLoans(2).maxHeld(9)), "keep_all reliable volatile max_loans(2) max_held(9)");
}

TEST(QoS, ToStringNamesPromisesInTimeInTheirLargestWholeUnit)
{
    EXPECT_EQ(
        toString(QoS{}.deadline(100ms).lifespan(2s).liveliness(Liveliness::ManualByTopic, 1500us).maxLoans(2)),
        "keep_last(10) reliable volatile deadline(100ms) lifespan(2s) manual_by_topic lease(1500us) max_loans(2)");
    EXPECT_EQ(toString(QoS{}.deadline(1001ns)), "keep_last(10) reliable volatile deadline(1001ns)");
    EXPECT_EQ(toString(QoS{}.deadline(0ns)), "keep_last(10) reliable volatile deadline(0ns)");
}

TEST(QoS, EveryEnumeratorHasItsYamlWord)
{
    EXPECT_EQ(toString(Liveliness::Automatic), "automatic");
    EXPECT_EQ(toString(Liveliness::ManualByTopic), "manual_by_topic");
    EXPECT_EQ(toString(History::KeepLast), "keep_last");
    EXPECT_EQ(toString(History::KeepAll), "keep_all");
    EXPECT_EQ(toString(Reliability::Reliable), "reliable");
    EXPECT_EQ(toString(Reliability::BestEffort), "best_effort");
    EXPECT_EQ(toString(Durability::Volatile), "volatile");
    EXPECT_EQ(toString(Durability::TransientLocal), "transient_local");
}

TEST(QoSValidate, AcceptsTheDefaultThePresetsAndTheLargestValues)
{
    EXPECT_EQ(messageOf(QoS{}), "no error");
    EXPECT_EQ(messageOf(QoS{}.keepAll()), "no error");
    EXPECT_EQ(messageOf(QoS::sensorData()), "no error");
    EXPECT_EQ(messageOf(QoS::latched()), "no error");
    EXPECT_EQ(messageOf(QoS{}.keepLast(65536).maxLoans(65536).maxHeld(65536)), "no error");
}

TEST(QoSValidate, RefusesADepthOfZero)
{
    EXPECT_EQ(messageOf(QoS{}.keepLast(0)),
              "QoS keep_last(0) reliable volatile: key 'depth': found '0', expected a whole number from 1 to 65536");
}

TEST(QoSValidate, RefusesADepthAboveTheLimit)
{
    EXPECT_NE(messageOf(QoS{}.keepLast(65537)).find("found '65537', expected a whole number from 1 to 65536"),
              std::string::npos);
}

TEST(QoSValidate, RefusesZeroLoans)
{
    EXPECT_NE(messageOf(QoS{}.maxLoans(0)).find("key 'max_loans': found '0'"), std::string::npos);
}

TEST(QoSValidate, RefusesZeroHeldSamples)
{
    EXPECT_NE(messageOf(QoS{}.maxHeld(0)).find("key 'max_held': found '0'"), std::string::npos);
}

TEST(QoSValidate, RefusesADeadlineLifespanOrLeaseThatIsNoSensibleTime)
{
    const std::string expected = ", expected a duration such as 20us, 5ms or 1s, from 1us to 31536000s";

    EXPECT_EQ(messageOf(QoS{}.deadline(0ns)),
              "QoS keep_last(10) reliable volatile deadline(0ns): key 'deadline': found '0ns'" + expected);
    EXPECT_NE(messageOf(QoS{}.deadline(-1s)).find("key 'deadline': found '-1000000000ns'"), std::string::npos);
    EXPECT_NE(messageOf(QoS{}.deadline(999ns)).find("key 'deadline': found '999ns'"), std::string::npos);
    EXPECT_NE(messageOf(QoS{}.lifespan(0ns)).find("key 'lifespan': found '0ns'" + expected), std::string::npos);
    EXPECT_NE(messageOf(QoS{}.liveliness(Liveliness::ManualByTopic, 31536001s)).find("key 'lease': found"),
              std::string::npos);
    EXPECT_EQ(messageOf(QoS{}.deadline(1us).lifespan(31536000s).liveliness(Liveliness::Automatic, 1us)), "no error");
}

TEST(QoSValidate, AnswersWithConfigInvalid)
{
    const auto result = validate(QoS{}.keepLast(0));

    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code(), ErrorCode::ConfigInvalid);
}

TEST(QoSMismatch, EqualPoliciesMatch)
{
    for (const QoS& qos : {QoS{}, QoS{}.bestEffort(), QoS{}.transientLocal(), QoS{}.bestEffort().transientLocal()})
    {
        EXPECT_EQ(mismatch(qos, qos), std::nullopt) << toString(qos);
    }
}

TEST(QoSMismatch, APublisherMayOfferMoreThanTheSubscriberAsksFor)
{
    EXPECT_EQ(mismatch(QoS{}.reliable().transientLocal(), QoS{}.bestEffort().volatileDurability()), std::nullopt);
}

TEST(QoSMismatch, HistoryAndNumbersNeverMatter)
{
    EXPECT_EQ(mismatch(QoS{}.keepAll().maxLoans(1), QoS{}.keepLast(3).maxHeld(9)), std::nullopt);
}

TEST(QoSMismatch, ABestEffortPublisherCannotServeAReliableSubscriber)
{
    EXPECT_EQ(mismatch(QoS{}.bestEffort(), QoS{}), "the publisher is best_effort but the subscriber asks for reliable");
}

TEST(QoSMismatch, AVolatilePublisherCannotServeATransientLocalSubscriber)
{
    EXPECT_EQ(mismatch(QoS{}, QoS{}.transientLocal()),
              "the publisher is volatile but the subscriber asks for transient_local");
}

TEST(QoSMismatch, APublishersDeadlineMayNotBeLongerThanTheSubscribers)
{
    EXPECT_EQ(mismatch(QoS{}.deadline(200ms), QoS{}.deadline(100ms)),
              "the publisher has deadline(200ms) but the subscriber asks for deadline(100ms)");
    EXPECT_EQ(mismatch(QoS{}, QoS{}.deadline(100ms)),
              "the publisher has no deadline but the subscriber asks for deadline(100ms)");
    EXPECT_EQ(mismatch(QoS{}.deadline(100ms), QoS{}.deadline(100ms)), std::nullopt);
    EXPECT_EQ(mismatch(QoS{}.deadline(100ms), QoS{}), std::nullopt);
}

TEST(QoSMismatch, APublisherThatIsAliveByItselfCannotServeASubscriberThatWantsToBeTold)
{
    EXPECT_EQ(mismatch(QoS{}, QoS{}.liveliness(Liveliness::ManualByTopic)),
              "the publisher is automatic but the subscriber asks for manual_by_topic");
    EXPECT_EQ(mismatch(QoS{}.liveliness(Liveliness::ManualByTopic), QoS{}), std::nullopt);
}

TEST(QoSMismatch, APublishersLeaseMayNotBeLongerThanTheSubscribers)
{
    const auto lease = [](std::chrono::nanoseconds length)
    { return QoS{}.liveliness(Liveliness::ManualByTopic, length); };

    EXPECT_EQ(mismatch(lease(2s), lease(500ms)),
              "the publisher has lease(2s) but the subscriber asks for lease(500ms)");
    EXPECT_EQ(mismatch(QoS{}, QoS{}.liveliness(Liveliness::Automatic, 1s)),
              "the publisher has no lease but the subscriber asks for lease(1s)");
    EXPECT_EQ(mismatch(lease(500ms), lease(500ms)), std::nullopt);
    EXPECT_EQ(mismatch(lease(500ms), QoS{}), std::nullopt);
}

TEST(QoSMismatch, LifespansNeverMatter)
{
    EXPECT_EQ(mismatch(QoS{}.lifespan(2s), QoS{}.lifespan(1s)), std::nullopt);
    EXPECT_EQ(mismatch(QoS{}, QoS{}.lifespan(1s)), std::nullopt);
}

TEST(QoSMismatch, NamesBothPoliciesIfBothFail)
{
    EXPECT_EQ(mismatch(QoS{}.bestEffort(), QoS{}.transientLocal()),
              "the publisher is best_effort but the subscriber asks for reliable, and "
              "the publisher is volatile but the subscriber asks for transient_local");
}

} // namespace ZeroCP

/// Everything a program needs to publish and subscribe.
#pragma once

#include "zerocp/config/config.hpp"
#include "zerocp/config/qos.hpp"
#include "zerocp/config/yaml_loader.hpp"
#include "zerocp/core/error.hpp"
#include "zerocp/pubsub/inspect.hpp"
#include "zerocp/pubsub/loan.hpp"
#include "zerocp/pubsub/message_info.hpp"
#include "zerocp/pubsub/node.hpp"
#include "zerocp/pubsub/publisher.hpp"
#include "zerocp/pubsub/qos_events.hpp"
#include "zerocp/pubsub/sample.hpp"
#include "zerocp/pubsub/slice.hpp"
#include "zerocp/pubsub/subscriber.hpp"
#include "zerocp/pubsub/type_name.hpp"

/// JSON as a tree, or a failed test that says where it is not JSON.
#pragma once

#include <sstream>
#include <string>

#define BOOST_BIND_GLOBAL_PLACEHOLDERS // what that header uses; else it says at length that it should not
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized" // of an empty boost::optional, gcc 12 with sanitizers
#endif
#include <boost/property_tree/json_parser.hpp>
#include <boost/property_tree/ptree.hpp>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
#include <gtest/gtest.h>

namespace latency
{

inline boost::property_tree::ptree treeOf(const std::string& json)
{
    boost::property_tree::ptree tree;
    std::istringstream stream(json);
    try
    {
        boost::property_tree::read_json(stream, tree);
    }
    catch (const boost::property_tree::json_parser_error& error)
    {
        ADD_FAILURE() << error.what() << " in:\n" << json;
    }
    return tree;
}

} // namespace latency

#include "zerocp/discovery/type_info.hpp"

namespace ZeroCP
{

std::string toString(const TypeInfo& type)
{
    std::string text = type.isSlice ? "slice of " + type.name : type.name;
    text += " (" + std::to_string(type.size) + " bytes, alignment " + std::to_string(type.alignment);
    if (type.descriptionHash != 0)
    {
        text += ", description " + std::to_string(type.descriptionHash);
    }
    return text + ")";
}

} // namespace ZeroCP

#include "zerocp/core/segment_header.hpp"

#include <cctype>
#include <cstdio>
#include <fstream>
#include <string>

#include <unistd.h>

namespace ZeroCP
{

namespace
{

using BootId = std::array<std::uint8_t, 16>;

unsigned digitOf(char hex) noexcept
{
    const int lower = std::tolower(static_cast<unsigned char>(hex));
    return static_cast<unsigned>(lower >= 'a' ? lower - 'a' + 10 : lower - '0');
}

/// "7afd75de-9406-4d4d-9947-3f93b1dd05b0" -> 16 bytes; zeros if it is anything else.
BootId parseBootId(const std::string& text)
{
    BootId id{};
    std::size_t nibbles = 0;
    for (const char c : text)
    {
        if (std::isxdigit(static_cast<unsigned char>(c)) != 0 && nibbles < 2 * id.size())
        {
            id[nibbles / 2] = static_cast<std::uint8_t>(id[nibbles / 2] * 16U + digitOf(c));
            ++nibbles;
        }
        else if (c != '-')
        {
            return BootId{};
        }
    }
    return nibbles == 2 * id.size() ? id : BootId{};
}

BootId readBootId()
{
    std::string text;
    std::ifstream("/proc/sys/kernel/random/boot_id") >> text;
    return parseBootId(text);
}

std::string hex(std::uint64_t value)
{
    char text[19];
    std::snprintf(text, sizeof text, "0x%016llx", static_cast<unsigned long long>(value));
    return text;
}

std::string versionSentence(const SegmentHeader& header, std::uint64_t layoutHash, std::string_view name)
{
    return std::string(name) + ": written by another build: layout version " + std::to_string(header.m_layoutVersion) +
           ", hash " + hex(header.m_layoutHash) + "; this build has layout version " +
           std::to_string(SegmentHeader::kLayoutVersion) + ", hash " + hex(layoutHash) +
           "; run the same version of ZeroCP everywhere or remove the file";
}

std::string kindOf(std::uint32_t kind)
{
    return std::string(toString(static_cast<SegmentKind>(kind))) + " (" + std::to_string(kind) + ")";
}

} // namespace

std::string_view toString(SegmentKind kind) noexcept
{
    switch (kind)
    {
    case SegmentKind::Discovery: return "Discovery";
    case SegmentKind::Management: return "Management";
    case SegmentKind::Data: return "Data";
    case SegmentKind::Single: return "Single";
    }
    return "unknown SegmentKind";
}

const std::array<std::uint8_t, 16>& currentBootId()
{
    static const BootId id = readBootId();
    return id;
}

SegmentHeader makeSegmentHeader(SegmentKind kind, std::uint64_t layoutHash, std::uint64_t segmentBytes)
{
    SegmentHeader header{};
    header.m_magic = SegmentHeader::kMagic;
    header.m_layoutVersion = SegmentHeader::kLayoutVersion;
    header.m_kind = static_cast<std::uint32_t>(kind);
    header.m_layoutHash = layoutHash;
    header.m_bootId = currentBootId();
    header.m_segmentBytes = segmentBytes;
    header.m_creatorPid = static_cast<std::uint64_t>(::getpid());
    return header;
}

Expected<void, Error> checkSegmentHeader(const SegmentHeader& header, SegmentKind kind, std::uint64_t layoutHash,
                                         std::uint64_t fileBytes, std::string_view name)
{
    const SegmentHeader seen = header; // another process may scribble on it: what is checked is what is named
    if (seen.m_magic != SegmentHeader::kMagic)
    {
        return failure(ErrorCode::Corrupt, std::string(name) + ": not a ZeroCP segment: it starts with " +
                                               hex(seen.m_magic) + ", not with " + hex(SegmentHeader::kMagic));
    }
    if (seen.m_kind != static_cast<std::uint32_t>(kind))
    {
        return failure(ErrorCode::Corrupt, std::string(name) + ": a segment of kind " + kindOf(seen.m_kind) +
                                               ", not of kind " + kindOf(static_cast<std::uint32_t>(kind)));
    }
    if (seen.m_layoutVersion != SegmentHeader::kLayoutVersion || seen.m_layoutHash != layoutHash)
    {
        return failure(ErrorCode::VersionMismatch, versionSentence(seen, layoutHash, name));
    }
    if (seen.m_segmentBytes != fileBytes)
    {
        return failure(ErrorCode::Corrupt, std::string(name) + ": its header says " +
                                               std::to_string(seen.m_segmentBytes) + " bytes, the file has " +
                                               std::to_string(fileBytes));
    }
    return {};
}

bool isStale(const SegmentHeader& header)
{
    // Zeros mean "not known", on either side: then nothing speaks for an earlier boot, and a segment in use survives.
    const BootId unknown{};
    return header.m_bootId != currentBootId() && header.m_bootId != unknown && currentBootId() != unknown;
}

} // namespace ZeroCP

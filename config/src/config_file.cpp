#include "config_file.hpp"

#include <array>
#include <cerrno>
#include <cstddef>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "zerocp/config/yaml_loader.hpp"

namespace ZeroCP
{

namespace
{

/// Owns one file descriptor, or none if it is negative.
class Descriptor
{
  public:
    explicit Descriptor(int descriptor) noexcept : m_descriptor(descriptor) {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor()
    {
        if (m_descriptor >= 0)
        {
            ::close(m_descriptor);
        }
    }

    [[nodiscard]] int get() const noexcept { return m_descriptor; }

  private:
    int m_descriptor;
};

/// A path that leads nowhere is a mistake in the configuration; the rest is between the caller and the system.
tl::unexpected<Error> fileFailure(const std::filesystem::path& file, std::string_view call, int errnoValue)
{
    Error error = systemError("configuration file " + file.string(), call, errnoValue);
    const bool isWrongPath = errnoValue == ENOENT || errnoValue == ENOTDIR || errnoValue == EISDIR ||
                             errnoValue == ELOOP || errnoValue == ENAMETOOLONG;
    return isWrongPath ? failure(ErrorCode::ConfigInvalid, error.message()) : tl::unexpected<Error>(std::move(error));
}

tl::unexpected<Error> refusal(const std::filesystem::path& file, std::string_view found)
{
    return failure(ErrorCode::ConfigInvalid, "configuration file " + file.string() + ": found " + std::string(found) +
                                                 ", expected a regular file of at most " +
                                                 std::to_string(kMaxConfigBytes) + " bytes");
}

Expected<std::string, Error> readAll(int descriptor, const std::filesystem::path& file)
{
    std::string text;
    std::array<char, 16384> buffer{};
    while (text.size() <= kMaxConfigBytes)
    {
        const ssize_t bytes = ::read(descriptor, buffer.data(), buffer.size());
        if (bytes == 0)
        {
            return text;
        }
        if (bytes > 0)
        {
            text.append(buffer.data(), static_cast<std::size_t>(bytes));
        }
        else if (errno != EINTR)
        {
            return fileFailure(file, "read", errno);
        }
    }
    return refusal(file, "a larger file");
}

} // namespace

Expected<std::string, Error> readConfigFile(const std::filesystem::path& file)
{
    // O_NONBLOCK: a pipe without a writer must not hang us before fstat can refuse it.
    const Descriptor descriptor(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (descriptor.get() < 0)
    {
        return fileFailure(file, "open", errno);
    }
    struct stat status = {};
    if (::fstat(descriptor.get(), &status) != 0)
    {
        return fileFailure(file, "fstat", errno);
    }
    if (S_ISDIR(status.st_mode))
    {
        return refusal(file, "a directory");
    }
    if (!S_ISREG(status.st_mode))
    {
        return refusal(file, "a device, pipe or socket");
    }
    return readAll(descriptor.get(), file);
}

} // namespace ZeroCP

/// What was measured, a line each, printed as it comes: name, figure, bound, verdict.
#pragma once

#include <cstdio>
#include <string>

namespace reliability
{

enum class Verdict
{
    Pass,
    Fail,
    Info, ///< a figure without a bound
    Skip, ///< cannot be measured here; the figure says why
};

class Table
{
  public:
    void line(const std::string& name, const std::string& figure, const std::string& bound, Verdict verdict)
    {
        static constexpr const char* kWords[] = {"PASS", "FAIL", "-", "SKIP"};
        std::printf("%-52s | %-46s | %-22s | %s\n", name.c_str(), figure.c_str(), bound.c_str(),
                    kWords[static_cast<int>(verdict)]);
        std::fflush(stdout);
        m_failed |= verdict == Verdict::Fail;
    }
    void check(const std::string& name, const std::string& figure, const std::string& bound, bool holds)
    {
        line(name, figure, bound, holds ? Verdict::Pass : Verdict::Fail);
    }
    void tell(const std::string& name, const std::string& figure) { line(name, figure, "", Verdict::Info); }

    [[nodiscard]] bool hasFailed() const { return m_failed; }

  private:
    bool m_failed{false};
};

} // namespace reliability

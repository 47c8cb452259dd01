/// JPEG to pixels with libjpeg-turbo, each row straight to where it is meant to be. Nothing in here knows ZeroCP.
#pragma once

#include <csetjmp>
#include <cstddef>
#include <cstdio>
#include <optional>
#include <span>
#include <string>

#include <jpeglib.h>

#include "camera_frame.hpp"

namespace example
{

namespace detail
{

/// libjpeg calls back when something is wrong and expects not to get control again. An exception may not pass through
/// its C code, so the way out is longjmp(). That is safe as long as nothing with a destructor is created between
/// setjmp() and the end of the work: this struct and decodeRows() hold plain data only.
struct Decompressor
{
    jpeg_decompress_struct info;
    jpeg_error_mgr errors;
    std::jmp_buf wayOut;
    char message[JMSG_LENGTH_MAX];
};

[[noreturn]] inline void onError(j_common_ptr info)
{
    auto* self = static_cast<Decompressor*>(info->client_data);
    info->err->format_message(info, self->message);
    std::longjmp(self->wayOut, 1);
}

/// Level -1: the data is damaged and libjpeg would go on with a made-up picture. Not with us.
inline void onMessage(j_common_ptr info, int level)
{
    if (level < 0)
    {
        onError(info);
    }
}

[[nodiscard]] inline bool decodeRows(Decompressor& self, std::span<const unsigned char> jpeg, CameraFrame& frame)
{
    if (setjmp(self.wayOut) != 0)
    {
        return false;
    }
    jpeg_create_decompress(&self.info);
    jpeg_mem_src(&self.info, jpeg.data(), jpeg.size());
    jpeg_read_header(&self.info, TRUE);
    self.info.out_color_space = JCS_RGB; // whatever the file has
    jpeg_calc_output_dimensions(&self.info);
    frame.width = self.info.output_width;
    frame.height = self.info.output_height;
    frame.channels = static_cast<std::uint32_t>(self.info.output_components);
    if (frame.pixelBytes() == 0)
    {
        std::snprintf(self.message, sizeof self.message, "%u x %u pixels do not fit, the largest frame is %u x %u",
                      frame.width, frame.height, CameraFrame::kMaxWidth, CameraFrame::kMaxHeight);
        return false;
    }
    jpeg_start_decompress(&self.info);
    const std::size_t rowBytes = std::size_t{frame.width} * frame.channels;
    while (self.info.output_scanline < self.info.output_height)
    {
        JSAMPROW row = frame.pixels.data() + rowBytes * self.info.output_scanline;
        jpeg_read_scanlines(&self.info, &row, 1);
    }
    jpeg_finish_decompress(&self.info);
    return true;
}

} // namespace detail

/// Fills width, height, channels and pixels of `frame`. What is wrong with the data, or nothing; then the frame's
/// contents are of no use.
[[nodiscard]] inline std::optional<std::string> decodeJpeg(std::span<const unsigned char> jpeg, CameraFrame& frame)
{
    detail::Decompressor self{};
    self.info.err = jpeg_std_error(&self.errors);
    self.errors.error_exit = detail::onError;
    self.errors.emit_message = detail::onMessage;
    self.info.client_data = &self;
    const bool done = detail::decodeRows(self, jpeg, frame);
    jpeg_destroy_decompress(&self.info); // does nothing if it was never created
    return done ? std::nullopt : std::optional<std::string>(self.message);
}

} // namespace example

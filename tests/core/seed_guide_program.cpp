// The program at the end of the note "MemPool 初始化指南" (004_07168a67fa12b02d), word for word but for the include
// lines, the using directive and the line that removes the segment. CTest compares what it prints.
// clang-format off
#include <iostream>

#include "zerocp/core/mempool_allocator.hpp"
#include "zerocp/core/mempool_config.hpp"
#include "zerocp/core/mempool_manager.hpp"

using namespace ZeroCP;

int main() {
    // 1. 创建配置
    MemPoolConfig config;
    config.addMemPoolEntry(128, 10000);
    config.addMemPoolEntry(1024, 5000);
    config.addMemPoolEntry(4096, 1000);
    
    // 2. 创建 allocator
    MemPoolAllocator allocator(config);
    
    // 3. 创建共享内存
    void* baseAddress = allocator.createSharedMemory(
        "/my_shm",
        AccessMode::READ_WRITE,
        OpenMode::OPEN_OR_CREATE,
        Perms(0600)
    );
    
    if (baseAddress == nullptr) {
        std::cerr << "Failed to create shared memory" << std::endl;
        return 1;
    }
    
    // 4. 布局和初始化内存池
    auto& manager = MemPoolManager::getInstance(config);
    uint64_t totalSize = manager.getTotalMemorySize();
    
    if (!allocator.layoutMemory(baseAddress, totalSize)) {
        std::cerr << "Failed to layout memory" << std::endl;
        return 1;
    }
    
    // 5. 现在所有 MemPool 的 m_chunkSize 都已正确初始化
    auto& mempools = manager.getMemPools();
    
    std::cout << "Memory pools initialized:" << std::endl;
    for (size_t i = 0; i < mempools.size(); ++i) {
        const auto& pool = mempools[i];
        std::cout << "  Pool " << i << ": "
                  << "chunkSize=" << pool.getChunkSize() << ", "
                  << "totalChunks=" << pool.getTotalChunks() << ", "
                  << "freeChunks=" << pool.getFreeChunks() << std::endl;
    }
    
    MemPoolAllocator::removeSharedMemory("/my_shm");
    return 0;
}

// The lock of a store directory on the machine's disk: the files and the protocol of
// ts/io/real-lock.ts, which explains it, so that both engines exclude each other.
//
// Beside that, whoever makes LOCK (or a guard) here keeps an flock(2) on it as long as it is held.
// The kernel gives that back when the process ends, however it ends, so a file whose holder seems
// to have gone is never taken over while its flock is held. Not fcntl(2) locks: those a process
// loses by closing any descriptor of the file.
#ifndef BEDPLATE_VFS_REAL_LOCK_H_
#define BEDPLATE_VFS_REAL_LOCK_H_

#include <memory>
#include <string>

#include "core/status.h"
#include "vfs/disk.h"

namespace bedplate::vfs {

// Takes the lock of `directory` without waiting. Two locks of one process exclude each other, too.
// A reader on a medium that cannot be written goes without a file: nobody can write there anyway.
Status LockDirectory(const std::string& directory, LockKind kind, std::unique_ptr<Lock>* lock);

}  // namespace bedplate::vfs

#endif  // BEDPLATE_VFS_REAL_LOCK_H_

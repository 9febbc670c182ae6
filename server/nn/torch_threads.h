#pragma once

namespace resnetd {

// Lets the calling thread compute with `threads` >= 1 threads from now on.
//
// What holds in LibTorch with OpenMP: the number that counts is the calling
// thread's own, and a team works for one calling thread. So a trainer does not
// change what serving threads compute with, nor the other way round. The number
// of the process, which this changes too, is only what a thread begins with
// when it first computes: every thread that computes calls this first.
// at::set_num_threads() drops caches of the calling thread, so it is called
// only where the number differs.
void UseThreads(int threads);

}  // namespace resnetd

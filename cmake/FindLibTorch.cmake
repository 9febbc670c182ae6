set(LibTorch_FOUND FALSE)

#include "server/app/run.h"

int main(int argc, char** argv) { return resnetd::RunServer(argc, argv); }

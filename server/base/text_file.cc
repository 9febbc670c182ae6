#include "server/base/text_file.h"

#include <fstream>
#include <sstream>

namespace resnetd {

std::string ReadTextFile(const std::string& path) {
  const std::ifstream in(path);
  std::ostringstream text;
  // An iterator over the buffer would throw where a read fails, as of a control
  // group that is being removed.
  text << in.rdbuf();
  return text.str();
}

}  // namespace resnetd

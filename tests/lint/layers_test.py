import unittest

import check_layers
from sampletree import SampleTreeTest


class LayersTest(SampleTreeTest):
    def test_accepts_includes_of_lower_modules_and_of_the_own_library(self):
        self.write("server/models/a.cc", '#include "server/image/pixels.h"\n'
                   "#include <nlohmann/json.hpp>\n")
        self.write("server/main.cc", '#include "server/app/server.h"\n')
        self.write("client/a.cc", '#include "resnetd/v1/x.pb.h"\n')
        self.write("tests/unit/rpc/a_test.cc",
                   '#include "server/serving/classifier.h"\n'
                   "#include <nlohmann/json.hpp>\n")
        self.assert_finds(check_layers)

    def test_json_belongs_to_those_who_keep_it_in_files(self):
        self.write("server/engine/a.cc", "#include <nlohmann/json.hpp>\n")
        self.write("server/serving/a.cc", "#include <nlohmann/json.hpp>\n")
        self.assert_finds(check_layers, "server/serving/a.cc:1: nlohmann/json.hpp belongs")

    def test_refuses_an_include_upward(self):
        self.write("server/base/a.h", '#include "server/models/model.h"\n')
        self.assert_finds(check_layers, "server/base/a.h:1: base must not")

    def test_refuses_an_include_sideways(self):
        self.write("server/engine/a.h", '#include "server/nn/net.h"\n')
        self.write("server/serving/a.h", '#include "server/finetune/job.h"\n')
        self.write("server/image/a.h", '#include "server/telemetry/x.h"\n')
        self.assert_finds(check_layers, "engine must not include nn",
                          "serving must not include finetune",
                          "image must not include telemetry")

    def test_refuses_each_library_outside_its_door(self):
        for prefix, owners in check_layers.DOORS.items():
            module = "serving" if "serving" not in owners else "base"
            self.write(f"server/{module}/{prefix.replace('/', '_')}.cc",
                       f"#include <{prefix}x>\n")
        self.assertEqual(len(list(check_layers.complaints(self.root))),
                         len(check_layers.DOORS))

    def test_refuses_a_module_test_that_goes_past_its_module(self):
        self.write("tests/unit/base/a_test.cc",
                   '#include "server/serving/classifier.h"\n'
                   "#include <torch/torch.h>\n")
        self.assert_finds(check_layers, "base must not include serving",
                          "torch/torch.h belongs to nn")

    def test_refuses_server_internals_in_the_client(self):
        self.write("client/a.cc", '#include "server/models/model.h"\n')
        self.assert_finds(check_layers, "client must not include models")

    def test_refuses_an_unknown_module(self):
        self.write("server/util/a.h", "\n")
        self.assert_finds(check_layers, "'util' is not in the table")

    def test_refuses_links_upward_and_through_the_wrong_door(self):
        self.write("server/models/CMakeLists.txt",
                   "resnetd_module(models  # a comment (with a bracket)\n"
                   "  DEPS resnetd::rpc PRIVATE_DEPS opencv_core)\n"
                   "target_link_libraries(resnetd_models PRIVATE dnnl::dnnl)\n")
        self.assert_finds(check_layers, "models must not link rpc",
                          "opencv_core belongs to image",
                          "dnnl::dnnl belongs to engine")

    def test_reads_targets_out_of_variables(self):
        self.write("server/models/CMakeLists.txt",
                   "set(deps resnetd::base)\nlist(APPEND deps gRPC::grpc++)\n"
                   "resnetd_module(models DEPS ${deps})\n")
        self.write("server/models/a.cc", '#include "server/base/ids.h"\n')
        self.assert_finds(check_layers, "gRPC::grpc++ belongs to")

    def test_refuses_an_include_that_is_not_linked(self):
        self.write("server/models/CMakeLists.txt", "resnetd_module(models)\n")
        self.write("server/models/a.cc", '#include "server/base/ids.h"\n')
        self.assert_finds(check_layers, "a.cc includes base, which is not")


if __name__ == "__main__":
    unittest.main()
